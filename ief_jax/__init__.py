"""Iterative error feedback in JAX: human bodies by repeated correction.

Import the modules: `from ief_jax import feedback, fitting, smpl`.
"""
