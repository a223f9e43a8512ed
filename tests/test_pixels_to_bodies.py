"""The program from pixels to bodies: its parts, its crop, and its derivative."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax import compiling, ief, lgd, pixels_to_bodies
from ief_jax.body import joints
from ief_jax.geometry import crops, skeletons
from ief_jax.ief import build, prediction
from ief_jax.ief.backbones import NAMED
from ief_jax.lgd import build as lgd_build
from tests.helpers import tiny
from tests.helpers.tiny_backbone import TinyBackbone

PHOTOGRAPH = Path(__file__).parents[1] / "docs" / "example" / "photo.jpg"
BOXES = np.array([[150.0, 200.0, 260.0]], np.float32)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.asarray(Image.open(PHOTOGRAPH).convert("RGB"), np.float32)[:400, :320]


@pytest.fixture(scope="module")
def keypoints() -> Iterator[ief.Checkpoint]:
    """A tiny network with random weights that do move the keypoints."""
    configuration = ief.IEFConfig(
        name="tiny",
        backbone="tiny",
        size=48,
        joints=("thorax", *skeletons.LSP_14),
        sigma=4.0,
        max_correction=8.0,
        bounded=False,
        steps=2,
        heatmap_stage=1,
        pool_size=2,
        heatmap_gain=1.0,
    )
    start = 24 + 12 * jax.random.normal(jax.random.key(1), (15, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NAMED, "tiny", TinyBackbone)
        network = build.initial_weights(configuration, jax.random.key(0))
        yield ief.Checkpoint(configuration, {"network": network, "start": start})


@pytest.fixture(scope="module")
def lifter(joint_model: joints.JointModel) -> lgd.Checkpoint:
    """A tiny network from keypoints to a body: compiled sooner than steps along gradients."""
    configuration = dataclasses.replace(tiny.CONFIGURATION, inputs=("keypoints",), steps=1)
    task = lgd_build.problem(configuration, joint_model)
    weights = lgd_build.initial_weights(configuration, task, jax.random.key(0))
    return lgd.Checkpoint(configuration, jax.tree.map(lambda leaf: 4 * leaf, weights))


class Differentiated(NamedTuple):
    """A number that a 3D joint gives, the bodies, and its derivative by the pixels."""

    value: jax.Array
    bodies: lgd.Bodies
    gradient: jax.Array


@pytest.fixture(scope="module")
def differentiate(
    keypoints: ief.Checkpoint, lifter: lgd.Checkpoint, joint_model: joints.JointModel
) -> Callable[[np.ndarray], Differentiated]:
    """One program for all tests."""

    def wrist(pixels: jax.Array) -> tuple[jax.Array, lgd.Bodies]:
        found = pixels_to_bodies.fit(keypoints, lifter, joint_model, pixels, BOXES)
        return found.joints[0, 20] @ jnp.array([1.0, -2.0, 3.0]), found

    program = compiling.jit(jax.value_and_grad(wrist, has_aux=True), compiling.QUICK)

    def call(pixels: np.ndarray) -> Differentiated:
        (value, found), gradient = program(pixels)
        return Differentiated(value, found, gradient)

    return call


@pytest.mark.parametrize("box", [(150.0, 200.0, 260.0), (20.3, 310.7, 180.0), (160.0, 190.0, 40.0)])
def test_crop_is_pillows(photograph: np.ndarray, box: tuple[float, float, float]) -> None:
    image = Image.fromarray(photograph.astype(np.uint8))
    expected = crops.crop(image, crops.Box(*box), 48).astype(float)
    found = jax.jit(pixels_to_bodies.crop, static_argnums=2)(photograph, jnp.array(box), 48)
    difference = np.abs(found - expected)
    # At the photograph's edge Pillow mixes in the black outside.
    assert np.quantile(difference, 0.9) < 1.5


@pytest.mark.slow
def test_derivative_by_the_pixels_is_that_of_finite_differences(
    photograph: np.ndarray, differentiate: Callable[[np.ndarray], Differentiated]
) -> None:
    """d (3D joint) / d (pixels), along the photograph's own contrast."""
    gradient = np.asarray(differentiate(photograph).gradient)
    left, right = BOXES[0, 0] + BOXES[0, 2] * np.array([-0.5, 0.5])
    seen = np.abs(gradient).sum((0, 2)) > 0
    assert seen[round(left) + 6 : round(right) - 6].all()
    assert not seen[round(right) + 6 :].any()
    along = photograph - photograph.mean()
    step = 0.01
    before, after = (differentiate(photograph + s * along).value for s in (-step, step))
    expected = (after - before) / (2 * step)
    assert abs(expected) > 1e-3
    np.testing.assert_allclose((gradient * along).sum(), expected, rtol=0.02)


@pytest.mark.slow
def test_is_both_wings_one_after_the_other(
    photograph: np.ndarray,
    keypoints: ief.Checkpoint,
    lifter: lgd.Checkpoint,
    joint_model: joints.JointModel,
    differentiate: Callable[[np.ndarray], Differentiated],
) -> None:
    found = differentiate(photograph).bodies
    shown = pixels_to_bodies.crop(jnp.asarray(photograph), jnp.asarray(BOXES[0]), 48)
    path = prediction.predict(keypoints, shown[None], jnp.full((1, 2), 23.5))
    points = crops.to_image(np.asarray(path)[:, -1], crops.Box(*BOXES[0].tolist()), 48)
    names = keypoints.configuration.joints
    union = skeletons.to_union(points, np.ones((1, len(names)), np.float32), names)
    expected = lgd.fit(lifter, joint_model, *union)
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-4)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.05)


@pytest.mark.parametrize(
    ("shape", "boxes", "message"),
    [((8, 8), (1, 3), "photograph: expected"), ((8, 8, 3), (3,), "boxes: expected")],
)
def test_wrong_shapes_are_named(
    keypoints: ief.Checkpoint,
    lifter: lgd.Checkpoint,
    joint_model: joints.JointModel,
    shape: tuple[int, ...],
    boxes: tuple[int, ...],
    message: str,
) -> None:
    call = partial(pixels_to_bodies.fit, keypoints, lifter, joint_model)
    with pytest.raises(ValueError, match=message):
        call(np.zeros(shape), np.ones(boxes))
