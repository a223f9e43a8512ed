"""Mesh2Motion's animations of people, retargeted to SMPL's joints."""
