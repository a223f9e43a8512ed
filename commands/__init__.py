"""The commands of train.py and eval.py, one module each."""
