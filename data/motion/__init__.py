"""What data sets of motion capture share."""
