"""What geometry refuses, by name."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry import camera, crops, keypoints2d, rotations, skeletons
from ief_jax.geometry.camera import Perspective, WeakPerspective
from ief_jax.geometry.crops import Box
from ief_jax.geometry.keypoints2d import Keypoints2D, Square
from tests.helpers import borders
from tests.helpers.borders import Border

BOOL = np.bool_

BORDERS = {
    "project_weak": Border(
        lambda scale, translation, points: camera.project_weak(
            WeakPerspective(scale, translation), points
        ),
        {"scale": (), "translation": (2,), "points": (5, 7, 3)},
        (
            ("scale", (1,), "camera.scale"),
            ("translation", (3,), "camera.translation"),
            ("points", (5, 7, 2)),
            ("points", ((5, 3), BOOL)),
        ),
    ),
    "project_perspective": Border(
        lambda focal, centre, position, points: camera.project_perspective(
            Perspective(focal, centre, position), points
        ),
        {"focal": (2,), "centre": (2,), "position": (3,), "points": (7, 3)},
        (
            ("focal", (3,), "camera.focal"),
            ("focal", ((), BOOL), "camera.focal"),
            ("centre", (), "camera.centre"),
            ("position", (2,), "camera.position"),
            ("points", (7, 2)),
        ),
    ),
    "solve_weak": Border(
        camera.solve_weak,
        {"points": (7, 3), "image": (7, 2), "weights": (7,)},
        (
            ("points", (7, 2)),
            ("image", (7, 3)),
            ("image", (6, 2)),
            ("weights", (6,)),
            ("weights", (7, 1)),
            ("weights", ((7,), BOOL)),
        ),
    ),
    "compose": Border(
        rotations.compose,
        {"a": (4, 3, 3), "b": (4, 3, 2)},
        (("a", (4, 3, 2)), ("b", (4, 2, 3)), ("b", (3,))),
    ),
    "rotate": Border(
        rotations.rotate,
        {"rotation": (4, 3, 3), "vector": (4, 3)},
        (("rotation", (4, 3)), ("vector", (4, 2))),
    ),
    "skew": Border(rotations.skew, {"v": (4, 3)}, (("v", (4, 4)), ("v", ((3,), BOOL)))),
    "axis_angle_to_matrix": Border(
        rotations.axis_angle_to_matrix, {"axis_angle": (2, 4, 3)}, (("axis_angle", (72,)),)
    ),
    "right_jacobian": Border(
        rotations.right_jacobian, {"axis_angle": (3,)}, (("axis_angle", (4,)),)
    ),
    "matrix_to_quaternion": Border(
        rotations.matrix_to_quaternion, {"matrix": (5, 3, 3)}, (("matrix", (5, 4, 4)),)
    ),
    "matrix_to_axis_angle": Border(
        rotations.matrix_to_axis_angle, {"matrix": (5, 3, 3)}, (("matrix", (5, 3)),)
    ),
    "six_d_to_matrix": Border(rotations.six_d_to_matrix, {"six_d": (5, 6)}, (("six_d", (5, 5)),)),
    "matrix_to_six_d": Border(rotations.matrix_to_six_d, {"matrix": (3, 3)}, (("matrix", (3, 2)),)),
    "bounding_square": Border(
        lambda points, confidence: keypoints2d.bounding_square(Keypoints2D(points, confidence)),
        {"points": (18, 2), "confidence": (18,)},
        (
            ("points", (18, 3), "observed.points"),
            ("points", (2, 18, 2), "observed.points"),
            ("confidence", (17,), "observed.confidence"),
            ("confidence", ((18,), BOOL), "observed.confidence"),
        ),
    ),
    "check_batch": Border(
        lambda points, confidence: keypoints2d.check_batch(Keypoints2D(points, confidence), K=18),
        {"points": (4, 18, 2), "confidence": (4, 18)},
        (
            ("points", (18, 2), "observed.points"),
            ("points", (4, 17, 2), "observed.points"),
            ("confidence", (3, 18), "observed.confidence"),
        ),
    ),
    "normalise": Border(
        lambda points, confidence, centre, half: keypoints2d.normalise(
            Keypoints2D(points, confidence), Square(centre, half, jnp.zeros(()))
        ),
        {"points": (18, 2), "confidence": (18,), "centre": (2,), "half": ()},
        (
            ("points", (18, 3), "observed.points"),
            ("centre", (), "square.centre"),
            ("half", (1,), "square.half"),
        ),
    ),
}


@pytest.mark.parametrize("name", BORDERS)
def test_arrays_of_other_shapes_are_refused_by_name(name: str) -> None:
    borders.check(BORDERS[name])


ON_HOST = {
    "candidate_boxes": Border(
        lambda marked, length: crops.candidate_boxes(marked, length),
        {"marked": (2,), "length": ()},
        (("marked", (3,)), ("marked", (1, 2)), ("length", (2,))),
    ),
    "window": Border(
        lambda offset: crops.window(Box(1, 2, 3), offset), {"offset": (2,)}, (("offset", (3,)),)
    ),
    "to_crop": Border(
        lambda points: crops.to_crop(points, Box(1, 2, 3), 4),
        {"points": (5, 2)},
        (("points", (2, 3)),),
    ),
    "to_image": Border(
        lambda points: crops.to_image(points, Box(1, 2, 3), 4), {"points": (2,)}, (("points", ()),)
    ),
    "convert": Border(
        lambda keypoints, confidence: skeletons.convert(
            keypoints, confidence, skeletons.COCO_17, skeletons.COCO_18
        ),
        {"keypoints": (3, 17, 2), "confidence": (3, 17)},
        (
            ("keypoints", (3, 18, 2)),
            ("keypoints", (17, 3)),
            ("confidence", (3, 18)),
            ("confidence", (3, 16)),
        ),
    ),
}


@pytest.mark.parametrize("name", ON_HOST)
def test_arrays_of_the_host_too(name: str) -> None:
    borders.check(ON_HOST[name], on_host=True)


def test_sizes_are_counted_from_one() -> None:
    box, points = Box(1, 2, 3), np.zeros((5, 2))
    for call in (
        lambda: crops.to_crop(points, box, 0),
        lambda: crops.to_image(points, box, -1),
        lambda: crops.crop(Image.new("RGB", (4, 4)), box, 0),
        lambda: crops.crop(Image.new("RGB", (4, 4)), box, 2.0),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="^size: expected an integer, 1 or more, got"):
            call()
    with pytest.raises(ValueError, match="^count: expected an integer, 1 or more, got 0"):
        crops.candidate_boxes((1, 2), 3, 0)
