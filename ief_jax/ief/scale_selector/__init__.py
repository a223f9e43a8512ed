"""Scale selection (Carreira et al. 2016, section 3): which box of a photograph fits a person."""

from typing import TYPE_CHECKING

from ief_jax import lazy

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(__name__, __path__, {})
