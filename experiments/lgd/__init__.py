"""Train, evaluate and ablate learned gradient descent."""
