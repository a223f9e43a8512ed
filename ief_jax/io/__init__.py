"""Files: what may be read is checked, what is written is whole; checkpoints and configurations."""
