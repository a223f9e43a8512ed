"""Builds a freely licensed body model in SMPL's format from MakeHuman's CC0 assets."""
