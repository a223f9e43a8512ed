"""What train.py and eval.py do: the commands, their arguments, and a folder for each system."""
