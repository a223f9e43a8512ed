"""Train and evaluate the scale selector."""
