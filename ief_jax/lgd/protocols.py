"""How the LGD paper's data sets are evaluated, and what the paper reports (Song et al. 2020, 4.4).

A protocol says which points are compared, and lists the rows of the paper's table.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ief_jax.body import joints, regressors
from ief_jax.geometry import skeletons
from ief_jax.lgd import metrics
from ief_jax.lgd.parameters import Body

MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Reported:
    """A row of a table: whose, whether trained on images with 3D annotation, and the error, mm."""

    method: str
    annotated: bool
    error: float


@dataclass(frozen=True)
class Protocol:
    """A data set's evaluation.

    Attributes:
      title: of the paper's table.
      measure: what its figures are.
      reported: its rows; the last is LGD's.
    """

    title: str
    measure: str
    reported: tuple[Reported, ...]


RECONSTRUCTION = "PA-MPJPE"
VERTICES = "vertex error after Procrustes alignment"

H36M = Protocol(
    "Human3.6M, Protocol 2 (Table 3)",
    RECONSTRUCTION,
    (
        Reported("Lassner et al.", True, 93.9),
        Reported("Pavlakos et al.", True, 75.9),
        Reported("NBF", True, 59.9),
        Reported("HMR, with additional 3D data", True, 56.8),
        Reported("SPIN, with additional 3D data", True, 41.1),
        Reported("SMPLify", False, 82.3),
        Reported("SMPLify-X, SMPL body", False, 75.9),
        Reported("SMPLify, true 2D", False, 71.1),
        Reported("HMR", False, 66.5),
        Reported("SPIN", False, 62.0),
        Reported("LGD", False, 56.4),
    ),
)
THREEDPW = Protocol(
    "3DPW, test (Table 4)",
    RECONSTRUCTION,
    (
        Reported("HMR, with additional 3D data", True, 81.3),
        Reported("Kanazawa et al.", True, 72.6),
        Reported("Arnab et al.", True, 72.2),
        Reported("Kolotouros et al.", True, 70.2),
        Reported("SPIN, with additional 3D data", True, 59.2),
        Reported("SMPLify", False, 106.1),
        Reported("LGD", False, 55.9),
    ),
)
EHF = Protocol(
    "EHF (Table 5)",
    VERTICES,
    (
        Reported("SMPLify", False, 73.8),
        Reported("SMPLify-X", False, 57.6),
        Reported("LGD", False, 54.7),
    ),
)
MOTION_CAPTURE = Protocol(
    "motion capture, seen by a random camera",
    RECONSTRUCTION,
    (),
)
"""Not in the paper: the project's own protocol (`lgd.evaluation`)."""

SMPL_24: tuple[str, ...] = skeletons.SMPL_24
"""3DPW by its own `jointPositions`, as the authors' released code has it."""
H36M_14 = regressors.H36M_14
"""Human3.6M, and 3DPW as SPIN and most others have it: joints by Human3.6M's regressor."""
SMPL_14 = skeletons.EVALUATION_14
"""The project's own protocol on motion capture."""


def points(model: joints.JointModel, names: tuple[str, ...], body: Body) -> jax.Array:
    """The named points of a posed body: [len(names), 3], metres.

    Raises:
      ValueError: the body has no point of one of the names.
    """
    model = joints.restrict(model, names)
    selection = skeletons.selection(names, model.names)
    if not selection.any(1).all():
        raise ValueError(f"the body has no point '{names[int(selection.any(1).argmin())]}'")
    return jnp.asarray(selection) @ joints.positions(model, body.local, body.betas)


def reconstruction_error(estimate: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean distance after Procrustes alignment, mm: points [P, 3] twice, metres, to []."""
    return MILLIMETRES * metrics.pa_mpjpe(estimate, truth)
