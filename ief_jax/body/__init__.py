"""SMPL-format bodies: forward pass, joints without vertices, poses, priors, model files."""
