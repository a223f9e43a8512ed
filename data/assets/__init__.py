"""What built the assets that the package ships."""
