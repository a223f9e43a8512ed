"""Human3.6M in the preprocessed forms that are in common use."""
