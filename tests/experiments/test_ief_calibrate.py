"""Calibration: the regression gives back what made the data, and the command a line to paste."""

from pathlib import Path

import numpy as np
import pytest

from data.keypoints import sets
from data.keypoints.people import Person
from experiments.ief import calibrate
from experiments.ief.arguments import Calibrate
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief import checkpoints, confidence, prediction
from tests.helpers import dots


def test_regression_gives_back_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000, 2))
    true = np.array([0.5, -1.0, 2.0])
    hit = rng.uniform(size=len(x)) < 1 / (1 + np.exp(-(true[0] + x @ true[1:])))
    np.testing.assert_allclose(calibrate.regression(x, hit), true, atol=0.05)


def test_the_command_takes_validation_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prediction, "predict", dots.predict)
    monkeypatch.setattr(checkpoints, "load", lambda name: dots.CHECKPOINT)
    asked = []

    def load(*words: object) -> tuple[list[Person], tuple[str, ...]]:
        asked.append(words)
        return [dots.person(number) for number in range(4)], LSP_14

    monkeypatch.setattr(sets, "load", load)
    arguments = Calibrate(dataset=("lsp",), data_dir=Path("x"), count=3)
    calibrate.run(arguments)
    assert asked == [("lsp", Path("x"), "validation")]
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith("CALIBRATION = ("))
    assert len(line.split(",")) == len(confidence.CALIBRATION)
    joints = next(line for line in said.splitlines() if line.startswith("joints"))
    assert sum(int(word) for word in joints.split()[1:]) == 3 * 14
