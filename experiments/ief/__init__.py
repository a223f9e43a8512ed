"""Train, evaluate and ablate iterative error feedback."""
