"""Learned gradient descent (Song, Chen, Hilliges 2020): from 2D keypoints to SMPL bodies."""

from typing import TYPE_CHECKING

from ief_jax import lazy

if TYPE_CHECKING:
    from ief_jax.lgd.checkpoints import Checkpoint as Checkpoint
    from ief_jax.lgd.checkpoints import load as load_checkpoint
    from ief_jax.lgd.config import LIFTING as LIFTING
    from ief_jax.lgd.config import PAPER as PAPER
    from ief_jax.lgd.config import RELEASED as RELEASED
    from ief_jax.lgd.config import LGDConfig as LGDConfig
    from ief_jax.lgd.fitting import Bodies as Bodies
    from ief_jax.lgd.fitting import Trace as Trace
    from ief_jax.lgd.fitting import fit as fit
    from ief_jax.lgd.fitting import trace as trace
    from ief_jax.lgd.motion import fit as fit_motion
    from ief_jax.lgd.sensitivity import jacobian as jacobian
    from ief_jax.lgd.uncertainty import expected_error as expected_error

__all__ = [
    "Bodies",
    "Checkpoint",
    "LGDConfig",
    "LIFTING",
    "PAPER",
    "RELEASED",
    "Trace",
    "expected_error",
    "fit",
    "fit_motion",
    "jacobian",
    "load_checkpoint",
    "trace",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__,
        __path__,
        {
            "Bodies": "fitting.Bodies",
            "Checkpoint": "checkpoints.Checkpoint",
            "LGDConfig": "config.LGDConfig",
            "LIFTING": "config.LIFTING",
            "PAPER": "config.PAPER",
            "RELEASED": "config.RELEASED",
            "Trace": "fitting.Trace",
            "expected_error": "uncertainty.expected_error",
            "fit": "fitting.fit",
            "fit_motion": "motion.fit",
            "jacobian": "sensitivity.jacobian",
            "load_checkpoint": "checkpoints.load",
            "trace": "fitting.trace",
        },
    )
