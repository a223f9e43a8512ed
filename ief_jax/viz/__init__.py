"""Pictures and tables: fits, keypoints, steps, evaluations."""

from typing import TYPE_CHECKING

from ief_jax import lazy

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(__name__, __path__, {})
