"""Iterative error feedback in JAX: human bodies by repeated correction.

`refine` is the loop of both systems: `ief` takes a photograph to 2D keypoints (Carreira et al.
2016), `lgd` takes 2D keypoints to an SMPL body (Song, Chen, Hilliges 2020), `pixels_to_bodies` is
both as one differentiable program. Names and packages are imported when they are first asked for.
"""

from typing import TYPE_CHECKING

from ief_jax import lazy

if TYPE_CHECKING:
    from ief_jax import body as body
    from ief_jax import formats as formats
    from ief_jax import geometry as geometry
    from ief_jax import ief as ief
    from ief_jax import inspector as inspector
    from ief_jax import io as io
    from ief_jax import lgd as lgd
    from ief_jax import loop as loop
    from ief_jax import pixels_to_bodies as pixels_to_bodies
    from ief_jax import training as training
    from ief_jax import viz as viz
    from ief_jax.loop import Refined as Refined
    from ief_jax.loop import refine as refine
    from ief_jax.loop import refine_traced as refine_traced
    from ief_jax.loop import refine_until as refine_until

__all__ = [
    "Refined",
    "__version__",
    "body",
    "formats",
    "geometry",
    "ief",
    "inspector",
    "io",
    "lgd",
    "loop",
    "pixels_to_bodies",
    "refine",
    "refine_traced",
    "refine_until",
    "training",
    "viz",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__,
        __path__,
        {
            "Refined": "loop.Refined",
            "refine": "loop.refine",
            "refine_traced": "loop.refine_traced",
            "refine_until": "loop.refine_until",
        },
    )
