"""`eval.py lgd-posture`."""

import json
from pathlib import Path

import numpy as np
import pytest

import eval as script
from experiments.lgd import evaluate_posture
from experiments.lgd.arguments import EvaluatePosture
from ief_jax.body import smpl


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of motion capture's kind: knees bent by 5, 30 or 90 degrees."""
    path = tmp_path_factory.mktemp("posture") / "poses.npz"
    poses = np.random.default_rng(0).normal(0, 0.05, (12, smpl.JOINTS, 3))
    for row, degrees in enumerate([5, 30, 90] * 4):
        for side in ("left", "right"):
            poses[row, smpl.JOINT_NAMES.index(f"{side}_knee")] = np.radians([degrees, 0, 0])
    np.savez(path, poses=poses.reshape(12, 72))
    return path


@pytest.fixture(scope="module")
def result(poses: Path) -> evaluate_posture.Result:
    return evaluate_posture.evaluate(EvaluatePosture(poses))


def test_people_who_stand_straight_come_out_so(result: evaluate_posture.Result) -> None:
    assert len(result.standing) == evaluate_posture.SIDES
    for biases in result.standing:
        assert abs(biases.knees) < 10
        assert abs(biases.trunk) < 6
        assert abs(biases.head) < 9


def test_knees_are_sorted_by_their_true_flexion(result: evaluate_posture.Result) -> None:
    assert set(result.knees) == {"0 to 10", "20 to 40", "70 to 180"}


def test_turned_people_are_fitted_as_upright_ones(result: evaluate_posture.Result) -> None:
    errors = list(result.turned.values())
    assert len(errors) == len(evaluate_posture.TURNS)
    assert max(errors) < 1.1 * errors[0]


def test_the_command_prints_and_writes_it(
    poses: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "posture.json"
    words = ["lgd-posture", "--poses", str(poses), "--count", "3", "--json", str(path)]
    assert script.main(words) == 0
    printed = capsys.readouterr().out
    assert "standing straight, seen at 315" in printed
    assert "no face found" in printed
    written = json.loads(path.read_text())
    assert set(written) == {"standing", "knees", "no_face", "turned"}


def test_a_file_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["lgd-posture", "--poses", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err
