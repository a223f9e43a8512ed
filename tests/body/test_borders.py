"""What bodies refuse, by name."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior, poses, smpl
from tests.helpers import borders
from tests.helpers.borders import Border

POSE = {"local": (24, 3, 3), "betas": (10,)}
WRONG_POSE = (
    ("local", (23, 3, 3)),
    ("local", (24, 3)),
    ("betas", (9,)),
    ("betas", (1, 10)),
    ("betas", ((10,), np.bool_)),
)


def test_forward_passes_refuse_other_poses_and_betas(
    body: smpl.BodyModel, joint_model: joints.JointModel
) -> None:
    for function, model in (
        (smpl.vertices, body),
        (joints.positions, joint_model),
        (joints.evaluate, joint_model),
    ):
        borders.check(
            Border(lambda local, betas, f=function, m=model: f(m, local, betas), POSE, WRONG_POSE)
        )


def test_stages_refuse_what_is_not_of_the_body(
    body: smpl.BodyModel, joint_model: joints.JointModel
) -> None:
    local = ("local", (22, 3, 3))
    parents = body.parents
    count = len(body.template)
    borders.check(
        Border(lambda betas: smpl.shape(body, betas), {"betas": (10,)}, (("betas", (11,)),))
    )
    borders.check(
        Border(
            lambda joints, local: smpl.pose(joints, local, parents),
            {"joints": (24, 3), "local": (24, 3, 3)},
            (("joints", (23, 3)), ("joints", (24, 2)), local),
        )
    )
    borders.check(
        Border(
            lambda vertices, rotations, translations, local: smpl.skin(
                body,
                smpl.Shaped(vertices, jnp.zeros((24, 3))),
                smpl.Posed(rotations, jnp.zeros((24, 3)), translations),
                local,
            ),
            {
                "vertices": (count, 3),
                "rotations": (24, 3, 3),
                "translations": (24, 3),
                "local": (24, 3, 3),
            },
            (
                ("vertices", (count - 1, 3), "shaped.vertices"),
                ("rotations", (24, 9), "posed.rotations"),
                ("translations", (23, 3), "posed.translations"),
                local,
            ),
        )
    )
    borders.check(Border(smpl.pose_feature, {"local": (24, 3, 3)}, (("local", (24, 9)),)))
    borders.check(
        Border(lambda local: smpl.world_rotations(local, parents), {"local": (24, 3, 3)}, (local,))
    )
    points = len(joint_model.names)
    borders.check(
        Border(
            lambda positions, parts: joints.levers(
                joint_model,
                joints.Points(positions, jnp.zeros(()), jnp.zeros(()), parts),
            ),
            {"positions": (points, 3), "parts": joint_model.bone_offsets.shape[:2]},
            (
                ("positions", (points - 1, 3), "points.positions"),
                ("parts", (3, 3), "points.parts"),
            ),
        )
    )
    borders.check(
        Border(
            joints.moved_by_turns,
            {"levers": (5, 24, 3), "axes": (24, 3, 3)},
            (("levers", (5, 24), "levers"), ("axes", (23, 3, 3), "axes")),
        )
    )


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("template", lambda a: a[:, :2]),
        ("shape_directions", lambda a: a[:-1]),
        ("pose_directions", lambda a: a[..., :-1]),
        ("joint_regressor", lambda a: a.T),
        ("weights", lambda a: a[:, :23]),
        ("faces", lambda a: a.astype(np.float32)),
        ("landmarks", lambda a: a[:-1]),
    ],
)
def test_a_body_whose_arrays_do_not_belong_together(
    body: smpl.BodyModel, field: str, change: Callable[[jax.Array], jax.Array]
) -> None:
    changed: dict[str, Any] = {field: change(getattr(body, field))}
    wrong = dataclasses.replace(body, **changed)
    # Of what is no longer of one size, the later one is named.
    with pytest.raises(ValueError, match=rf"^body\.{field}: expected "):
        joints.fold(wrong)
    with pytest.raises(ValueError, match=rf"^body\.{field}: expected "):
        jax.eval_shape(smpl.vertices, wrong, *map(borders.struct, POSE.values()))


@pytest.mark.parametrize(
    "function",
    [
        pose_prior.component_log_densities,
        pose_prior.largest_component,
        pose_prior.log_density,
        pose_prior.gaussian_energy,
    ],
)
def test_the_prior_is_over_63_angles(function: Callable[..., jax.Array]) -> None:
    prior = pose_prior.embedded()
    borders.check(
        Border(
            lambda body_pose: function(prior, body_pose),
            {"body_pose": (63,)},
            (("body_pose", (69,)), ("body_pose", (21, 3)), ("body_pose", ((63,), np.bool_))),
        )
    )


def test_poses_are_arrays_over_people() -> None:
    def weights(poses_: np.ndarray) -> np.ndarray:
        return poses.sampling_weights(poses.Poses(poses_, None, None))

    borders.check(
        Border(
            lambda all: weights(all),
            {"all": (4, 24, 3)},
            (("all", (4, 72), "poses.poses"), ("all", (24, 3), "poses.poses")),
        ),
        on_host=True,
    )
    borders.check(
        Border(lambda betas: poses.fit_betas(betas, 3), {"betas": (4, 10)}, (("betas", (10,)),)),
        on_host=True,
    )
    with pytest.raises(ValueError, match="^count: expected an integer, 0 or more, got -1"):
        poses.fit_betas(np.zeros((4, 10)), -1)
