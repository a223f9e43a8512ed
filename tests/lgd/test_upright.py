"""A person turned in the image is the same person."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d
from ief_jax.lgd import build, upright
from ief_jax.lgd.config import RELEASED
from ief_jax.lgd.parameters import Body
from tests.helpers.people import random_people

LENS = camera.Intrinsics(jnp.array(1e-3), jnp.array([320.0, 240.0]))


@pytest.mark.parametrize("degrees", [0, 30, 135, 180, -90])
def test_a_turned_image_gives_a_turned_square(
    joint_model: joints.JointModel, degrees: float
) -> None:
    task = build.problem(RELEASED, joint_model)
    person = jax.tree.map(lambda a: a[0], random_people(task.model, task.selection, 1, 0.1, 0))
    angle = jnp.deg2rad(jnp.float32(degrees))
    upright_points = keypoints2d.Keypoints2D(person.points, person.confidence, LENS)
    lens = LENS._replace(centre=keypoints2d.turned(LENS.centre, angle))
    turned = keypoints2d.Keypoints2D(
        keypoints2d.turned(person.points, angle), person.confidence, lens
    )
    seen = []
    for observed in (upright_points, turned):
        square = keypoints2d.bounding_square(observed, upright.turn(observed, build.HEIGHTS))
        seen.append((square, keypoints2d.normalise(observed, square)))
    difference = float(seen[1][0].turn - seen[0][0].turn - angle)
    assert abs((difference + np.pi) % (2 * np.pi) - np.pi) < 1e-4
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), seen[0][1], seen[1][1])
    back = keypoints2d.lens_to_pixels(seen[1][1].intrinsics, seen[1][0])
    np.testing.assert_allclose(back.centre, lens.centre, atol=0.02)


def test_a_turned_body_is_seen_turned(joint_model: joints.JointModel) -> None:
    task = build.problem(RELEASED, joint_model)
    person = jax.tree.map(lambda a: a[0], random_people(task.model, task.selection, 1, 0.3, 1))
    body, angle = Body(person.local, person.betas), jnp.float32(0.7)
    square = keypoints2d.Square(jnp.array([300.0, 200.0]), jnp.array(150.0), angle)

    def seen(body: Body, view: camera.WeakPerspective, lens: camera.Intrinsics) -> jax.Array:
        points = joints.positions(task.model, body.local, body.betas)
        return camera.project(view, task.selection @ points, lens)

    pixels = keypoints2d.Keypoints2D(
        seen(body, person.camera, LENS), jnp.ones(len(build.LAYOUT)), LENS
    )
    normal = keypoints2d.normalise(pixels, square)
    inside = upright.to_square(task.model, body, person.camera, square)
    assert normal.intrinsics is not None
    np.testing.assert_allclose(seen(*inside, normal.intrinsics), normal.points, atol=1e-4)
    again, view = upright.to_pixels(task.model, *inside, square)
    np.testing.assert_allclose(again.local, body.local, atol=1e-5)
    np.testing.assert_allclose(view.translation, person.camera.translation, atol=1e-2)


def test_nothing_known_of_the_trunk_is_upright() -> None:
    nothing = keypoints2d.Keypoints2D(jnp.zeros((27, 2)), jnp.zeros(27))
    turn, gradient = jax.value_and_grad(
        lambda p: upright.turn(nothing._replace(points=p), build.HEIGHTS)
    )(nothing.points)
    assert float(turn) == 0 and np.isfinite(gradient).all()
