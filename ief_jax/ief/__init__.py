"""Iterative error feedback (Carreira et al. 2016): from a photograph to 2D keypoints.

`predict` takes square crops; `estimate` takes a photograph and a point on the person;
`estimate_people` finds everybody in a photograph.
"""

from typing import TYPE_CHECKING

from ief_jax import lazy

if TYPE_CHECKING:
    from ief_jax.ief.augmentation import Augmentation as Augmentation
    from ief_jax.ief.checkpoints import Checkpoint as Checkpoint
    from ief_jax.ief.checkpoints import load as load_checkpoint
    from ief_jax.ief.confidence import Estimate as Estimate
    from ief_jax.ief.config import PAPER as PAPER
    from ief_jax.ief.config import IEFConfig as IEFConfig
    from ief_jax.ief.estimation import Estimator as Estimator
    from ief_jax.ief.estimation import estimate as estimate
    from ief_jax.ief.estimation import load as load_estimator
    from ief_jax.ief.people import People as People
    from ief_jax.ief.people import estimate_people as estimate_people
    from ief_jax.ief.person_detector import Detector as Detector
    from ief_jax.ief.person_detector import find_people as find_people
    from ief_jax.ief.person_detector import load as load_detector
    from ief_jax.ief.prediction import predict as predict
    from ief_jax.ief.tracing import Trace as Trace
    from ief_jax.ief.tracing import trace as trace

__all__ = [
    "Augmentation",
    "Checkpoint",
    "Detector",
    "Estimate",
    "Estimator",
    "IEFConfig",
    "PAPER",
    "People",
    "Trace",
    "estimate",
    "estimate_people",
    "find_people",
    "load_checkpoint",
    "load_detector",
    "load_estimator",
    "predict",
    "trace",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__,
        __path__,
        {
            "Augmentation": "augmentation.Augmentation",
            "Checkpoint": "checkpoints.Checkpoint",
            "Detector": "person_detector.Detector",
            "Estimate": "confidence.Estimate",
            "Estimator": "estimation.Estimator",
            "IEFConfig": "config.IEFConfig",
            "PAPER": "config.PAPER",
            "People": "people.People",
            "Trace": "tracing.Trace",
            "estimate": "estimation.estimate",
            "estimate_people": "people.estimate_people",
            "find_people": "person_detector.find_people",
            "load_checkpoint": "checkpoints.load",
            "load_detector": "person_detector.load",
            "load_estimator": "estimation.load",
            "predict": "prediction.predict",
            "trace": "tracing.trace",
        },
    )
