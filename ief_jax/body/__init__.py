"""SMPL-format bodies: forward pass, joints without vertices, poses, priors, model files.

A body is read (`load_model`) or the shipped one (`embedded`); `vertices` poses its mesh, and `fold`
reduces it to its joints and landmarks, whose `positions` are many times cheaper.
"""

from typing import TYPE_CHECKING

from ief_jax import lazy

if TYPE_CHECKING:
    from ief_jax.body.joints import JointModel as JointModel
    from ief_jax.body.joints import fold as fold
    from ief_jax.body.joints import positions as positions
    from ief_jax.body.joints import restrict as restrict
    from ief_jax.body.model_files import embedded as embedded
    from ief_jax.body.model_files import load as load_model
    from ief_jax.body.pose_prior import PosePrior as PosePrior
    from ief_jax.body.pose_prior import embedded as embedded_prior
    from ief_jax.body.pose_prior import load as load_prior
    from ief_jax.body.smpl import JOINT_NAMES as JOINT_NAMES
    from ief_jax.body.smpl import BodyModel as BodyModel
    from ief_jax.body.smpl import vertices as vertices

__all__ = [
    "BodyModel",
    "JOINT_NAMES",
    "JointModel",
    "PosePrior",
    "embedded",
    "embedded_prior",
    "fold",
    "load_model",
    "load_prior",
    "positions",
    "restrict",
    "vertices",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__,
        __path__,
        {
            "BodyModel": "smpl.BodyModel",
            "JOINT_NAMES": "smpl.JOINT_NAMES",
            "JointModel": "joints.JointModel",
            "PosePrior": "pose_prior.PosePrior",
            "embedded": "model_files.embedded",
            "embedded_prior": "pose_prior.embedded",
            "fold": "joints.fold",
            "load_model": "model_files.load",
            "load_prior": "pose_prior.load",
            "positions": "joints.positions",
            "restrict": "joints.restrict",
            "vertices": "smpl.vertices",
        },
    )
