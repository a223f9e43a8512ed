"""The pages of the site, and the scripts that make their example and picture."""
