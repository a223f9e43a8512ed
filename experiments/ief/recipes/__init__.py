"""Ready-made configurations of `train.py ief`, a command each."""
