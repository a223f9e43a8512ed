"""Cameras, rotations, 2D keypoints, skeletons and square crops, as pure functions."""

from typing import TYPE_CHECKING

from ief_jax import lazy

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(__name__, __path__, {})
