"""From a photograph to keypoints: dots must be found where they were drawn."""

import dataclasses
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box
from ief_jax.geometry.skeletons import LSP_14, opposite
from ief_jax.ief import augmentation, build, confidence, estimation, person_height, prediction
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief.backbones import NAMED
from ief_jax.ief.config import PAPER
from ief_jax.ief.prediction import Prediction
from ief_jax.ief.scale_selector import checkpoints as scale_selector_checkpoints
from ief_jax.ief.scale_selector import selection
from ief_jax.ief.scale_selector.config import ScaleSelectorConfig
from ief_jax.io.files import InputError
from tests.helpers import dots
from tests.helpers.tiny_backbone import TinyBackbone

CENTRE, HEIGHT = (150.0, 120.0), 160.0
BOX = Box(*CENTRE, crops.PERSON * HEIGHT)
CALIBRATION = dots.CHECKPOINT.configuration.calibration
SEVERAL = augmentation.scales_and_mirror(LSP_14)


def seen(paths: np.ndarray) -> Prediction:
    """What a network makes of them that does not say what can be seen."""
    return Prediction(paths, None)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "predict_with_presence", dots.predict)


@pytest.fixture
def photograph() -> Image.Image:
    image = Image.new("RGB", (320, 240))
    dots.draw(image, dots.pose(CENTRE, HEIGHT), 4)
    return image


@pytest.mark.parametrize("view", SEVERAL)
def test_every_view_leads_back_to_the_photograph(
    photograph: Image.Image, view: augmentation.Augmentation
) -> None:
    one = augmentation.person_crops(photograph, np.array(CENTRE), BOX, [view], dots.SIZE)
    assert one.images.shape == (1, dots.SIZE, dots.SIZE, 3)
    assert one.boxes[0].side == pytest.approx(view.scale * 7 / 8 * BOX.side)
    ((found, _),) = augmentation.predict_paths(dots.CHECKPOINT, [one], None, 1)
    assert found.shape == (1, 3, 14, 2)
    # A pixel of the crop is 1.75 of the photograph, more or less.
    np.testing.assert_allclose(found[0, -1], dots.pose(CENTRE, HEIGHT), atol=1)
    # y_0 is the middle of the crop, which is the marked point.
    np.testing.assert_allclose(found[0, 0], np.tile(CENTRE, (14, 1)), atol=1e-4)


def test_a_box_is_seen_as_the_paper_does(photograph: Image.Image) -> None:
    # 224 of 256 pixels of the box; the marked point need not be its middle.
    marked = np.array([160.0, 100.0])
    one = augmentation.person_crops(photograph, marked, BOX, augmentation.IDENTITY, dots.SIZE)
    assert one.boxes == (Box(*CENTRE, 7 / 8 * BOX.side),)
    expected = crops.crop(photograph, one.boxes[0], dots.SIZE)
    np.testing.assert_array_equal(one.images[0], expected)
    side = 7 / 8 * BOX.side
    u = (marked - CENTRE) * dots.SIZE / side + (dots.SIZE - 1) / 2
    np.testing.assert_allclose(one.marked[0], u, atol=1e-4)
    mirror = augmentation.person_crops(
        photograph, marked, BOX, [augmentation.Augmentation(1, True)], dots.SIZE
    )
    np.testing.assert_array_equal(mirror.images[0], expected[:, ::-1])
    np.testing.assert_allclose(mirror.marked[0], [dots.SIZE - 1 - u[0], u[1]], atol=1e-4)


def test_people_do_not_depend_on_their_batch(photograph: Image.Image) -> None:
    marks = [np.array(CENTRE) + [shift, 0] for shift in (0, 3, 6)]
    looks = [
        augmentation.person_crops(photograph, mark, BOX._replace(x=mark[0]), views, dots.SIZE)
        for mark, views in zip(
            marks, (SEVERAL, augmentation.IDENTITY, augmentation.IDENTITY), strict=True
        )
    ]
    together = augmentation.predict_paths(dots.CHECKPOINT, looks, 1, 3)
    assert [len(path) for path, _ in together] == [6, 1, 1]
    for look, (path, _) in zip(looks, together, strict=True):
        ((alone, _),) = augmentation.predict_paths(dots.CHECKPOINT, [look], 1, 7)
        np.testing.assert_array_equal(alone, path)


def test_one_straying_view_is_outvoted() -> None:
    views = np.tile(np.random.default_rng(0).uniform(0, 100, (1, 3, 14, 2)), (6, 1, 1, 1))
    right = confidence.combine(seen(views), 100.0, CALIBRATION)
    strayed = views.copy()
    strayed[4, -1, 0] += 50
    found = confidence.combine(seen(strayed), 100.0, CALIBRATION)
    np.testing.assert_allclose(found.path, right.path)
    assert found.confidence is not None and right.confidence is not None
    assert found.confidence[0] < right.confidence[0]
    np.testing.assert_allclose(found.confidence[1:], right.confidence[1:])


def test_confidence_falls_with_disagreement_and_unrest_at_any_size() -> None:
    rng = np.random.default_rng(0)
    start, end = rng.uniform(0, 100, (2, 1, 1, 14, 2))
    shaken = rng.normal(size=(6, 1, 1, 2)) * np.linspace(0, 20, 14)[:, None]
    for what in ("apart", "moving"):
        last = np.tile(end, (6, 1, 1, 1)) + (shaken if what == "apart" else 0)
        before = last + (np.linspace(0, 30, 14)[:, None] if what == "moving" else 0)
        views = np.concatenate([np.tile(start, (6, 1, 1, 1)), before, last], 1)
        sure = confidence.joint_confidence(seen(views), 200.0, CALIBRATION)
        assert sure.shape == (14,)
        assert (np.diff(sure) < 0).all(), what
        assert 0 < sure[-1] < sure[0] < 1, what
        again = confidence.joint_confidence(seen(3 * views), 600.0, CALIBRATION)
        np.testing.assert_allclose(again, sure)


def test_confidence_is_the_logistic_function_of_the_calibration() -> None:
    views = np.random.default_rng(0).uniform(0, 100, (6, 3, 14, 2))
    doubt = confidence.disagreement(seen(views), 50.0)
    apart = np.sqrt(((views[:, -1] - views[:, -1].mean(0)) ** 2).sum(-1).mean(0))
    np.testing.assert_allclose(doubt[:, 0], np.log(apart / 50), rtol=1e-4)
    found = confidence.joint_confidence(seen(views), 50.0, (0.3, -0.2, 0.5))
    odds = np.exp(0.3 - 0.2 * doubt[:, 0] + 0.5 * doubt[:, 1])
    np.testing.assert_allclose(found, odds / (1 + odds))


def test_a_calibration_holds_for_its_augmentation_alone() -> None:
    configuration = dots.CHECKPOINT.configuration
    assert confidence.calibration_for(configuration, SEVERAL) == CALIBRATION
    assert confidence.calibration_for(configuration, list(SEVERAL)) == CALIBRATION
    assert confidence.calibration_for(configuration, augmentation.IDENTITY) == ()
    assert confidence.calibration_for(configuration, SEVERAL[:3]) == ()
    assert confidence.calibration_for(dots.UNCALIBRATED.configuration, SEVERAL) == ()
    elsewhere = dataclasses.replace(configuration, calibrated_for="an augmentation to come")
    assert confidence.calibration_for(elsewhere, SEVERAL) == ()
    views = np.random.default_rng(0).uniform(0, 100, (6, 3, 14, 2))
    without = confidence.combine(seen(views), 100.0, ())
    assert without.confidence is None
    np.testing.assert_array_equal(
        without.path, confidence.combine(seen(views), 100.0, CALIBRATION).path
    )
    # Nothing was corrected, so that there is no last correction.
    assert confidence.combine(seen(views[:, :1]), 100.0, CALIBRATION).confidence is None
    with pytest.raises(ValueError, match="states of each: expected an integer, 2 or more, got 1"):
        confidence.joint_confidence(seen(views[:, :1]), 100.0, CALIBRATION)
    with pytest.raises(ValueError, match=r"paths: expected \[V, steps, K, 2\]"):
        confidence.combine(seen(views[0]), 100.0, ())
    with pytest.raises(ValueError, match=r"paths: expected \[V, steps, K, 2\]"):
        confidence.disagreement(seen(views[0]), 100.0)


def test_joints_that_cannot_be_seen_are_less_sure() -> None:
    paths = np.random.default_rng(0).uniform(0, 100, (2, 3, 14, 2))
    presence = np.stack([np.linspace(-4, 4, 14), np.linspace(-2, 2, 14)])
    found = confidence.joint_confidence(Prediction(paths, presence), 50.0, (0.3, 0.0, 0.0, -1.5))
    np.testing.assert_allclose(np.log(found / (1 - found)), 0.3 + 1.5 * np.linspace(-3, 3, 14))


def test_presence_comes_out_of_the_mirror(
    photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    rising = np.arange(14.0, dtype=np.float32)

    def predict(*asked: Any) -> Prediction:
        path, _ = dots.predict(*asked)
        return Prediction(path, np.tile(rising, (len(path), 1)))

    monkeypatch.setattr(prediction, "predict_with_presence", predict)
    one = augmentation.person_crops(photograph, np.array(CENTRE), BOX, SEVERAL[:2], dots.SIZE)
    ((_, presence),) = augmentation.predict_paths(dots.CHECKPOINT, [one], None, 2)
    assert presence is not None and SEVERAL[1].mirrored
    np.testing.assert_array_equal(presence[0], rising)
    np.testing.assert_array_equal(presence[1], rising[opposite(LSP_14)])


def test_the_shipped_checkpoints_bring_their_calibration() -> None:
    configuration = ief_checkpoints.load("released").configuration
    assert configuration.calibration == (-6.67, -0.99, -0.33, -0.42)
    assert estimation.default_augmentations(configuration) == SEVERAL[:2]
    assert confidence.calibration_for(configuration, SEVERAL[:2]) == configuration.calibration
    assert confidence.calibration_for(configuration, SEVERAL) == ()
    configuration = ief_checkpoints.load("lsp").configuration
    assert configuration.calibration == (-5.68, -1.25, -0.25)
    assert estimation.default_augmentations(configuration) == SEVERAL
    assert confidence.calibration_for(configuration, SEVERAL) == CALIBRATION


def test_only_what_has_two_sides_is_mirrored() -> None:
    assert len(SEVERAL) == len(set(SEVERAL)) == 6
    assert sum(view.mirrored for view in SEVERAL) == 3
    assert SEVERAL[0] == augmentation.IDENTITY[0]
    assert len(augmentation.scales_and_mirror(("left_knee", "right_knee", "pelvis"))) == 6
    alone = augmentation.scales_and_mirror(("left_knee", "left_hip"))
    assert len(alone) == 3 and not any(view.mirrored for view in alone)


def test_estimate_picks_looks_and_agrees(
    photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def pick(selector: object, image: Image.Image, marked: np.ndarray) -> Box:
        asked.append((selector, image, tuple(marked)))
        return BOX

    monkeypatch.setattr(selection, "refine_box", pick)
    selector = scale_selector_checkpoints.Selector(ScaleSelectorConfig("small", 16), {})
    estimator = estimation.Estimator(dots.CHECKPOINT, selector)
    found = estimation.estimate(estimator, photograph, np.array(CENTRE))
    assert asked == [(selector, photograph, CENTRE)]
    assert found.path.shape == (3, 14, 2)
    np.testing.assert_allclose(found.path[-1], dots.pose(CENTRE, HEIGHT), atol=1)
    assert found.confidence is not None and found.confidence.shape == (14,)
    assert (found.confidence > 0).all()
    alone = estimation.estimate(estimator, photograph, np.array(CENTRE), augmentation.IDENTITY)
    assert alone.confidence is None
    np.testing.assert_allclose(alone.path[-1], dots.pose(CENTRE, HEIGHT), atol=1)
    plain = estimation.Estimator(dots.UNCALIBRATED, "selector")  # type: ignore[arg-type]
    without = estimation.estimate(plain, photograph, np.array(CENTRE))
    assert without.confidence is None
    np.testing.assert_array_equal(without.path, found.path)


def test_who_is_meant_must_be_said(photograph: Image.Image) -> None:
    estimator = estimation.Estimator(dots.CHECKPOINT, "selector")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"marked: expected \[2\] a point on the person"):
        estimation.estimate(estimator, photograph, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="marked: expected .* got 'her'"):
        estimation.estimate(estimator, photograph, "her")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="marked: expected finite pixels"):
        estimation.estimate(estimator, photograph, np.array([np.nan, 3.0]))


@pytest.mark.parametrize("factor", [0.85, 1.3])
def test_a_second_look_is_at_the_box_that_fits(photograph: Image.Image, factor: float) -> None:
    wrong = Box(CENTRE[0], CENTRE[1] + 4, factor * BOX.side)
    pose = dots.pose(CENTRE, HEIGHT)
    right = crops.PERSON * person_height.person_height(pose, np.ones(14, bool), LSP_14)
    ((once, _),), boxes = estimation.estimate_paths(
        dots.CHECKPOINT, [photograph], [wrong], SEVERAL, 0, None, 3
    )
    assert boxes == [wrong] and once.shape == (6, 3, 14, 2)
    ((twice, _),), (box,) = estimation.estimate_paths(
        dots.CHECKPOINT, [photograph], [wrong], SEVERAL, 1, None, 3
    )
    assert twice.shape == (6, 3, 14, 2)
    np.testing.assert_allclose(box.side, right, rtol=0.03)
    # A quarter of the way to the middle of the pose.
    middle = (pose.min(0) + pose.max(0)) / 2
    place = 0.75 * np.array([wrong.x, wrong.y]) + 0.25 * middle
    np.testing.assert_allclose([box.x, box.y], place, atol=1)
    np.testing.assert_allclose(np.median(twice[:, -1], 0), pose, atol=1)


def test_a_look_changes_the_box_by_no_more_than_twice() -> None:
    nobody = estimation.refine_box(Box(50, 60, 100), np.full((14, 2), 40.0), LSP_14)
    assert nobody == Box(47.5, 55.0, 50.0)
    giant = estimation.refine_box(Box(50, 60, 100), 100 * dots.pose((0.0, 0.0), 20.0), LSP_14)
    assert giant.side == 200


def test_boxes_are_not_refined_by_few_joints() -> None:
    assert estimation.box_refinements(LSP_14) == estimation.BOX_REFINEMENTS == 1
    assert estimation.box_refinements(("left_knee", "right_knee")) == 0


def test_weights_of_another_network_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NAMED, "tiny", TinyBackbone)
    mine = scale_selector_checkpoints.Selector(ScaleSelectorConfig("mine", 16), {})
    monkeypatch.setattr(scale_selector_checkpoints, "load", {"mine": mine}.__getitem__)
    configuration = dataclasses.replace(PAPER, backbone="tiny", size=16)
    network = build.initial_weights(configuration, jax.random.key(0))
    weights = {"network": network, "start": jnp.zeros((14, 2))}

    def load(**changes: Any) -> estimation.Estimator:
        changed = dataclasses.replace(configuration, **changes)
        path = tmp_path / "model.npz"
        ief_checkpoints.write(path, ief_checkpoints.Checkpoint(changed, weights))
        return estimation.load(tmp_path, "mine")

    assert load().checkpoint.configuration == configuration
    assert load().selector is mine
    with pytest.raises(InputError, match=r"weights of another configuration: 'network/params/last"):
        load(pool_size=4)
    with pytest.raises(InputError, match="backbone 'alexnet' is not one of efficientnet_lite0"):
        load(backbone="alexnet")
    with pytest.raises(InputError, match=r"'start' has shape \(14, 2\), expected \(13, 2\)"):
        load(joints=LSP_14[1:])
    for wrong, message in (
        ((1.0,), r"'calibration' is \(1.0,\), expected nothing or 3 or 4 numbers"),
        (("a", 1.0, 2.0), "'calibration' is "),
        ((np.inf, 1.0, 2.0), "'calibration' is "),
    ):
        with pytest.raises(InputError, match=message):
            load(calibration=wrong, calibrated_for="scales_and_mirror")


@pytest.mark.parametrize("name", ief_checkpoints.SHIPPED)
def test_shipped_weights_are_those_of_their_networks(name: str) -> None:
    asset = resources.files("ief_jax") / "assets" / ief_checkpoints.SHIPPED[name]
    if not asset.is_file():
        pytest.skip(f"{name} is not part of this checkout")
    build.check_checkpoint(ief_checkpoints.load(name), name)
