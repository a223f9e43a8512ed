"""Files: what may be read is checked, what is written is whole; checkpoints and configurations."""

from typing import TYPE_CHECKING

from ief_jax import lazy

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(__name__, __path__, {})
