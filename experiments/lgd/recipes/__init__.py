"""Ready-made configurations of `train.py lgd`, a command each."""
