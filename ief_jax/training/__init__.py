"""What trains any network: state, one step over a mesh of devices, a run in its folder."""

from typing import TYPE_CHECKING

from ief_jax import lazy

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(__name__, __path__, {})
