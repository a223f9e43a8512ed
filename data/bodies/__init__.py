"""What data sets of people with known bodies share."""
