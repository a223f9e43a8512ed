"""Cameras, rotations, 2D keypoints, skeletons and square crops, as pure functions."""
