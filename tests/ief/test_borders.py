"""What IEF refuses, by name."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry.crops import Box
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief import (
    augmentation,
    build,
    corrections,
    estimation,
    fpc,
    heatmaps,
    iteration,
    losses,
    metrics,
    on_policy,
    person_height,
    training_data,
)
from ief_jax.ief.backbones import NAMED
from ief_jax.ief.config import PAPER
from ief_jax.ief.scale_selector import networks, selection
from ief_jax.ief.scale_selector.checkpoints import Selector
from ief_jax.ief.scale_selector.config import ScaleSelectorConfig
from ief_jax.ief.training_data import PersonCrop
from ief_jax.ief.training_methods import METHODS
from tests.helpers import borders, dots
from tests.helpers.borders import Border
from tests.helpers.tiny_backbone import TinyBackbone

SMALL = dataclasses.replace(
    PAPER, backbone="tiny", size=16, joints=("head_top", "upper_neck"), sigma=2.0, pool_size=2
)
BOOL, INT = np.bool_, np.int32


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED, "tiny", TinyBackbone)


BORDERS = {
    "profiles": Border(
        lambda points, sigma: heatmaps.profiles(points, (8, 9), sigma),
        {"points": (3, 5, 2), "sigma": ()},
        (("points", (5, 3)), ("points", ((5, 2), BOOL)), ("sigma", (2,))),
    ),
    "heatmaps": Border(
        lambda rows, columns: heatmaps.heatmaps(heatmaps.Profiles(rows, columns)),
        {"rows": (3, 5, 8), "columns": (3, 5, 9)},
        (("rows", (8,), "factors.rows"), ("columns", (3, 4, 9), "factors.columns")),
    ),
    "bounded": Border(
        lambda target, current: corrections.bounded(target, current, 3.0),
        {"target": (5, 2), "current": (5, 2)},
        (("target", (5, 3)), ("current", (5, 1)), ("current", (4, 2))),
    ),
    "limited": Border(
        corrections.limited,
        {"u": (5, 2), "largest": ()},
        (("u", (5, 3)), ("largest", (5,)), ("largest", ((), BOOL))),
    ),
    "fixed_path": Border(
        lambda target, start: corrections.fixed_path(target, start, 3.0, 2),
        {"target": (5, 2), "start": (5, 2)},
        (("target", (5, 3)), ("start", (4, 2), "current")),
    ),
    "apply_bound": Border(
        lambda correction: iteration.apply_bound(SMALL, correction),
        {"correction": (4, 2, 2)},
        (("correction", (4, 3, 2)), ("correction", (2, 3))),
    ),
    "squared_error": Border(losses.squared_error, {"error": (4, 2)}, (("error", (4,)),)),
    "smooth_distance": Border(losses.smooth_distance, {"error": (4, 2)}, (("error", (4,)),)),
    "mean_error": Border(
        lambda found, target, annotated, unit: losses.mean_error(
            losses.squared_error, found, target, annotated, unit
        ),
        {"found": (4, 3, 2), "target": (4, 3, 2), "annotated": ((4, 3), BOOL), "unit": ()},
        (
            ("found", (4, 3)),
            ("target", (4, 1, 2)),
            ("annotated", ((4, 1), BOOL)),
            ("annotated", (4, 3)),
            ("unit", (1,)),
        ),
    ),
    "target_pose": Border(
        lambda image, points, annotated, marked, start: training_data.target_pose(
            PersonCrop(image, points, annotated, marked), start
        ),
        {
            "image": (16, 16, 3),
            "points": (3, 2),
            "annotated": ((3,), BOOL),
            "marked": (2,),
            "start": (3, 2),
        },
        (
            ("image", (16, 8, 3), "crop.image"),
            ("points", (2, 3), "crop.points"),
            ("points", (2, 2), "crop.points"),
            ("annotated", (3,), "crop.annotated"),
            ("marked", (3,), "crop.marked"),
        ),
    ),
}


@pytest.mark.parametrize("name", BORDERS)
def test_arrays_of_other_shapes_are_refused_by_name(name: str) -> None:
    borders.check(BORDERS[name])


@pytest.fixture(scope="module")
def weights() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NAMED, "tiny", TinyBackbone)
        return build.initial_weights(SMALL, jax.random.key(0))


def test_steps_refuse_what_the_network_cannot_see(weights: object) -> None:
    borders.check(
        Border(
            lambda images, marked: iteration.encode_image(SMALL, weights, images, marked).marked,  # type: ignore[arg-type]
            {"images": ((3, 16, 16, 3), np.uint8), "marked": (3, 2)},
            (
                ("images", (3, 8, 8, 3)),
                ("images", (16, 16, 3)),
                ("images", ((3, 16, 16, 3), BOOL)),
                ("marked", (2, 2)),
                ("marked", (3, 3)),
            ),
        )
    )

    def correct(images: jax.Array, marked: jax.Array, y: jax.Array) -> jax.Array:
        features = iteration.encode_image(SMALL, weights, images, images[:, 0, 0, :2])  # type: ignore[arg-type]
        features = features._replace(marked=marked)
        return iteration.correction(SMALL, weights, features)(y, jnp.int32(0))  # type: ignore[arg-type]

    borders.check(
        Border(
            correct,
            {"images": (3, 16, 16, 3), "marked": (3, 2), "y": (3, 2, 2)},
            (
                ("y", (3, 3, 2)),
                ("y", (2, 2)),
                ("y", ((3, 2, 2), BOOL)),
                ("marked", (3, 3), "features.marked"),
            ),
        )
    )


def test_training_refuses_other_people(weights: object) -> None:
    people = {
        "image": ((4, 16, 16, 3), np.uint8),
        "points": (4, 2, 2),
        "annotated": ((4, 2), BOOL),
        "marked": (4, 2),
    }
    one = {
        name: (s[0][1:], s[1]) if isinstance(s[0], tuple) else s[1:] for name, s in people.items()
    }
    start = jnp.zeros((2, 2))
    method = METHODS["ief"]

    def example(steps: jax.Array, start: jax.Array, **crop: jax.Array) -> object:
        item = steps, PersonCrop(**crop)
        return fpc.training_example(jax.random.key(0), item, SMALL, method, start)

    borders.check(
        Border(
            example,
            {"steps": ((), INT), "start": (2, 2), **one},
            (
                ("steps", ((4,), INT), "item[0]"),
                ("steps", (), "item[0]"),
                ("start", (3, 2)),
                ("points", (3, 2), "crop.points"),
                ("image", (8, 8, 3), "crop.image"),
                ("annotated", (2,), "crop.annotated"),
                ("marked", (2, 2), "crop.marked"),
            ),
        )
    )

    def along(**crop: jax.Array) -> jax.Array:
        loss = on_policy.training_loss(SMALL, METHODS["on_policy"], start, 2)
        return loss(weights, PersonCrop(**crop))  # type: ignore[arg-type]

    borders.check(
        Border(
            along,
            people,
            (
                ("image", (4, 8, 8, 3), "images"),
                ("marked", (4, 3)),
                ("points", (4, 3, 2), "crop.points"),
                ("annotated", (4, 2), "crop.annotated"),
            ),
        )
    )
    for steps in (0, 1.5):
        with pytest.raises(ValueError, match="^steps: expected an integer, 1 or more, got"):
            on_policy.training_loss(SMALL, METHODS["on_policy"], start, steps)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^start: expected \[K, 2\] y_0.* \(K = 2\), got"):
        on_policy.training_loss(SMALL, METHODS["on_policy"], jnp.zeros((3, 2)), 1)
    with pytest.raises(ValueError, match="^iterations: expected an integer, 0 or more, got -1"):
        fpc.training_stages(method, -1)
    with pytest.raises(ValueError, match="^first: expected an integer, 1 or more, got 0"):
        fpc.training_stages(method, 10, 0)


NAMES = LSP_14
EACH = {"estimate": (5, 14, 2), "truth": (5, 14, 2)}
ON_HOST = {
    "median_pose": Border(
        training_data.median_pose,
        {"points": (5, 14, 2), "annotated": ((5, 14), BOOL)},
        (("points", (14, 2)), ("annotated", ((5, 13), BOOL)), ("annotated", (5, 14))),
    ),
    "person_height": Border(
        lambda points, annotated: person_height.person_height(points, annotated, NAMES),
        {"points": (14, 2), "annotated": ((14,), BOOL)},
        (("points", (13, 2)), ("annotated", ((13,), BOOL)), ("annotated", ((14,), INT))),
    ),
    "scores": Border(
        lambda estimates, truth, annotated, head_size: metrics.scores(
            estimates, NAMES, truth, annotated, NAMES, head_size
        ),
        {
            "estimates": (5, 3, 14, 2),
            "truth": (5, 14, 2),
            "annotated": ((5, 14), BOOL),
            "head_size": (5,),
        },
        (
            ("estimates", (5, 14, 2)),
            ("estimates", (5, 3, 13, 2)),
            ("truth", (4, 14, 2)),
            ("truth", (5, 13, 2)),
            ("annotated", (5, 14)),
            ("head_size", (5, 1)),
        ),
    ),
    "within": Border(
        lambda estimate, truth: metrics.within(estimate, truth, np.ones(5)),
        EACH,
        (("estimate", (5, 14, 3)), ("truth", (5, 13, 2))),
    ),
    "torso_diameter": Border(
        lambda truth, annotated: metrics.torso_diameter(truth, annotated, NAMES),
        {"truth": (5, 14, 2), "annotated": ((5, 14), BOOL)},
        (("truth", (5, 13, 2)), ("annotated", ((5, 13), BOOL)), ("annotated", (5, 14))),
    ),
    "limbs_found": Border(
        lambda estimate, truth: metrics.limbs_found(estimate, truth, NAMES),
        EACH,
        (("estimate", (5, 15, 2)), ("truth", (5, 14, 3))),
    ),
    "limbs_annotated": Border(
        lambda annotated: metrics.limbs_annotated(annotated, NAMES),
        {"annotated": ((5, 14), BOOL)},
        (("annotated", ((5, 15), BOOL)), ("annotated", (5, 14))),
    ),
    "mistaken_sides": Border(
        lambda estimate, truth, other: metrics.mistaken_sides(estimate, truth, other, np.ones(5)),
        {**EACH, "other": (5, 14, 2)},
        (("estimate", (5, 14, 3)), ("truth", (5, 13, 2)), ("other", (5, 13, 2))),
    ),
    "reliability": Border(
        metrics.reliability,
        {"confidence": (5,), "hits": ((5,), BOOL)},
        (("confidence", (5, 1)), ("hits", ((4,), BOOL)), ("hits", (5,))),
    ),
    "percent": Border(
        lambda hits, counted: metrics.percent(hits, counted, 0),
        {"hits": ((5,), BOOL), "counted": ((5,), BOOL)},
        (("hits", (5,)), ("counted", ((5,), INT))),
    ),
    "person_crops": Border(
        lambda marked: augmentation.person_crops(
            _photograph(), marked, Box(5, 5, 8), augmentation.IDENTITY, 4
        ),
        {"marked": (2,)},
        (("marked", (3,)), ("marked", (1, 2))),
    ),
    "refine_box by keypoints": Border(
        lambda points: estimation.refine_box(Box(5, 5, 8), points, NAMES),
        {"points": (14, 2)},
        (("points", (13, 2)), ("points", (14, 3))),
    ),
}


def _photograph() -> Image.Image:
    return Image.new("RGB", (20, 20))


@pytest.mark.parametrize("name", ON_HOST)
def test_arrays_of_the_host_too(name: str) -> None:
    borders.check(ON_HOST[name], on_host=True)


def test_numbers_that_make_no_sense_are_named() -> None:
    with pytest.raises(ValueError, match="^annotated: expected one keypoint at least, got none"):
        person_height.person_height(np.zeros((14, 2)), np.zeros(14, bool), NAMES)
    with pytest.raises(ValueError, match="^bins: expected an integer, 1 or more, got 0"):
        metrics.reliability(np.ones(3), np.ones(3, bool), 0)
    with pytest.raises(ValueError, match="^batch: expected an integer, 1 or more, got 0"):
        augmentation.predict_paths(dots.CHECKPOINT, [], 1, 0)


def test_scale_selectors_refuse_images_of_another_size() -> None:
    tiny = ScaleSelectorConfig("small", 16)
    weights = networks.initial_weights(tiny, jax.random.key(0))
    selector = Selector(tiny, weights)
    wrong = (("images", (3, 8, 8, 3)), ("images", (16, 16, 3)), ("images", ((3, 16, 16, 3), BOOL)))
    borders.check(
        Border(
            lambda images: networks.predict_log_ratio(tiny, weights, images),
            {"images": ((3, 16, 16, 3), np.uint8)},
            wrong,
        )
    )
    borders.check(
        Border(
            lambda images, target: networks.loss(tiny, weights, images, target),
            {"images": (3, 16, 16, 3), "target": (3,)},
            (*wrong, ("target", (3, 1)), ("target", (2,))),
        )
    )
    borders.check(
        Border(
            lambda images: selection.best_box(selector, images),
            {"images": ((3, 16, 16, 3), np.uint8)},
            wrong,
        ),
        on_host=True,
    )
    for choose in (selection.refine_box, selection.select_box):
        borders.check(
            Border(
                lambda marked, choose=choose: choose(selector, _photograph(), marked),
                {"marked": (2,)},
                (("marked", (3,)), ("marked", (1, 2))),
            ),
            on_host=True,
        )
