"""`eval.py lgd-standing`."""

import json
from pathlib import Path

import numpy as np
import pytest

import eval as script
from experiments.lgd import evaluate_standing
from ief_jax.geometry import skeletons

COLUMN = {"shoulder": (60.0, 100.0), "hip": (40.0, 300.0), "knee": (42.0, 460.0)}
HEIGHTS = {**COLUMN, "ankle": (40.0, 620.0), "elbow": (75.0, 210.0), "wrist": (78.0, 310.0)}


def somebody(**moved: tuple[float, float]) -> np.ndarray:
    """[17, 3] of COCO's keypoints: upright, facing the camera; some moved by so many pixels."""
    points = np.zeros((17, 3))
    for row, name in enumerate(skeletons.COCO_17):
        side, _, part = name.partition("_")
        if part in HEIGHTS:
            across, down = HEIGHTS[part]
            points[row] = (300 + across if side == "left" else 300 - across, down, 1)
        if name in moved:
            points[row, :2] += moved[name]
    points[skeletons.COCO_17.index("nose")] = (300, 50, 1)
    return points


def write(path: Path, *people: np.ndarray) -> Path:
    np.savez(path, keypoints=np.stack(people))
    return path


SEATED = somebody(left_ankle=(120, 0), left_knee=(0, -120))
LEANING = somebody(left_shoulder=(60, 0), right_shoulder=(60, 0))
STOOPING = somebody(left_knee=(30, 0), left_ankle=(10, 0))


def test_who_stands() -> None:
    hidden = somebody()
    hidden[skeletons.COCO_17.index("right_knee"), 2] = 0
    people = np.stack([somebody(), SEATED, LEANING, STOOPING, hidden, somebody()])
    people[-1, :, 1] *= -1  # head down
    points, confidence = skeletons.to_union(people[..., :2], people[..., 2], skeletons.COCO_17)
    found = evaluate_standing.stands(points, confidence)
    assert found.tolist() == [True, False, False, False, False, False]


def test_the_command_prints_and_writes_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wider = somebody(left_shoulder=(6, 0), right_shoulder=(-6, 0))
    people = write(tmp_path / "people.npz", somebody(), wider, SEATED)
    path = tmp_path / "standing.json"
    words = ["lgd-standing", "--keypoints", str(people), "--json", str(path)]
    assert script.main(words) == 0
    assert "2 people who stand upright" in capsys.readouterr().out
    written = json.loads(path.read_text())
    assert written["people"] == 2
    assert abs(written["trunk"]["mean"]) < 20 and abs(written["legs"]["mean"]) < 20
    assert 0 <= written["knees"]["mean"] < 25
    assert written["trunk"]["error"] > 0


def test_nobody_who_stands_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = write(tmp_path / "people.npz", SEATED, LEANING, somebody())
    assert script.main(["lgd-standing", "--keypoints", str(people)]) == 2
    assert "people.npz: 1 of 3 people stand upright" in capsys.readouterr().err
