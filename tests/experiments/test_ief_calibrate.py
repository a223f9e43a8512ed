"""Calibration: the regression gives back what made the data; the command writes it down."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.keypoints import sets
from data.keypoints.people import Person
from experiments.ief import calibrate
from experiments.ief.arguments import Calibrate
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief import augmentation, checkpoints, confidence, prediction
from ief_jax.ief.prediction import Prediction
from ief_jax.io.files import InputError
from tests.helpers import dots


def test_regression_gives_back_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000, 2))
    true = np.array([0.5, -1.0, 2.0])
    hit = rng.uniform(size=len(x)) < 1 / (1 + np.exp(-(true[0] + x @ true[1:])))
    np.testing.assert_allclose(calibrate.regression(x, hit), true, atol=0.05)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What data sets are asked for: each has twelve people, of whom one joint is not found."""
    monkeypatch.setattr(prediction, "predict_with_presence", dots.predict)
    asked: list[tuple[object, ...]] = []

    def load(*words: object) -> tuple[list[Person], tuple[str, ...]]:
        asked.append(words)
        return [dots.person(number, head_away=100.0) for number in range(12)], LSP_14

    monkeypatch.setattr(sets, "load", load)
    return asked


def test_the_calibration_is_written_into_the_checkpoint(
    tmp_path: Path, asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run" / "model.npz"
    path.parent.mkdir()
    checkpoints.write(path, dots.UNCALIBRATED, np.float16)
    before = np.load(path)
    arguments = Calibrate(
        checkpoint=str(path.parent), dataset=("lsp",), data_dir=Path("x"), count=11
    )
    calibrate.run(arguments)
    assert asked == [("lsp", Path("x"), "validation")]
    found = checkpoints.load(path.parent)
    # The rest of it is as it was.
    assert found.configuration.calibrated_for == "scales_and_mirror"
    assert dataclasses.replace(found.configuration, calibration=(), calibrated_for="") == (
        dots.UNCALIBRATED.configuration
    )
    after = np.load(path)
    assert after["start"].dtype == np.float16
    assert after["start"].tobytes() == before["start"].tobytes()
    # It says what it does: heads that were not found are less sure than the joints that were.
    augmentations = augmentation.scales_and_mirror(LSP_14)
    calibration = confidence.calibration_for(found.configuration, augmentations)
    assert len(calibration) == 3
    said = capsys.readouterr().out
    numbers = ", ".join(f"{number:.2f}" for number in calibration)
    assert said.startswith(f"{path}: calibration {numbers}\n")
    joints = next(line for line in said.splitlines() if line.startswith("joints"))
    assert sum(int(word) for word in joints.split()[1:]) == 11 * 14


def test_another_file_may_be_written(tmp_path: Path, asked: list[tuple[object, ...]]) -> None:
    path, output = tmp_path / "model.npz", tmp_path / "new" / "calibrated.npz"
    checkpoints.write(path, dots.UNCALIBRATED)
    content = path.read_bytes()
    arguments = Calibrate(checkpoint=str(path), output=output, dataset=("lsp",))
    calibrate.run(arguments)
    assert path.read_bytes() == content
    assert checkpoints.load(output).configuration.calibration


def test_joints_that_are_not_there_count_where_the_network_says_what_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = dots.person(0)
    there = np.arange(14) > 0
    person = dataclasses.replace(person, annotated=there, visible=there)

    def predict(*asked: Any) -> Prediction:
        path, _ = dots.predict(*asked)
        return Prediction(path, np.full((len(path), 14), 2.0, np.float32))

    monkeypatch.setattr(prediction, "predict_with_presence", dots.predict)
    doubts, hits = calibrate._predict(dots.UNCALIBRATED, person, LSP_14, "mirror")
    assert doubts.shape == (13, 2) and hits.all()
    monkeypatch.setattr(prediction, "predict_with_presence", predict)
    doubts, hits = calibrate._predict(dots.UNCALIBRATED, person, LSP_14, "mirror")
    np.testing.assert_array_equal(hits, there)
    np.testing.assert_allclose(doubts[:, 2], -2)


def test_what_cannot_be_calibrated_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[object, ...]]
) -> None:
    with pytest.raises(InputError, match="released is part of the package: give an --output"):
        calibrate.run(Calibrate(checkpoint="released"))
    assert not asked, "before any work"
    checkpoints.write(tmp_path / "model.npz", dots.UNCALIBRATED)
    content = (tmp_path / "model.npz").read_bytes()
    few = Calibrate(checkpoint=str(tmp_path), dataset=("lsp",), count=2)
    with pytest.raises(InputError, match="26 of 28 joints are right, expected 10 that are and"):
        calibrate.run(few)
    assert (tmp_path / "model.npz").read_bytes() == content
