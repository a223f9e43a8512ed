"""eval.py ief on people of dots, whom a stand-in for the network finds."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eval as script
from data.keypoints import sets
from data.keypoints.people import Person, decode
from experiments.ief import evaluate, validation
from experiments.ief.arguments import Evaluate, Train
from ief_jax.geometry.skeletons import COCO_17, LSP_14, opposite
from ief_jax.ief import build, checkpoints, prediction
from ief_jax.ief.prediction import Prediction
from ief_jax.ief.scale_selector import checkpoints as selectors
from ief_jax.ief.scale_selector import config, networks
from ief_jax.inspector import page
from ief_jax.io.files import InputError
from tests.helpers import dots


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`eval.py ief` with a data set of six people, whose dots are found unless ..."""
    monkeypatch.setattr(prediction, "predict_with_presence", dots.predict)
    monkeypatch.setattr(build, "check_checkpoint", lambda checkpoint, source: None)
    monkeypatch.setattr(checkpoints, "load", lambda name: dots.CHECKPOINT)
    monkeypatch.setattr(sets, "load", lambda *asked: (people(), LSP_14))
    return lambda *words: script.main(["ief", *map(str, words)])


def people() -> list[Person]:
    """Six, the head of one of whom is drawn so far away that it is not found."""
    return [dots.person(number, head_away=100.0 * (number == 2)) for number in range(6)]


def test_a_whole_evaluation(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, picture = tmp_path / "out" / "figures.json", tmp_path / "out" / "picture.png"
    words = ("--dataset", "lsp", "--box", "truth", "--json", figures, "--figure", picture)
    assert command(*words, "--report", tmp_path / "pages") == 0
    found = json.loads(figures.read_text())
    assert found["count"] == 6
    assert found["seconds"] > 0
    # All but one head top of six people's fourteen joints and ten limbs.
    assert found["pck"] == pytest.approx(100 * (1 - 1 / 84))
    assert found["pcp"] == pytest.approx(100 * (1 - 1 / 60))
    assert found["pckh"] is None
    assert found["measure"] == "PCK@0.2"
    assert found["per_joint"]["head_top"] == pytest.approx(100 * 5 / 6)
    assert found["per_joint"]["left_wrist"] == 100
    assert found["per_limb"]["head"] == pytest.approx(100 * 5 / 6)
    assert len(found["per_step"]) == 3
    assert found["per_step"][0] < found["per_step"][1] < found["per_step"][2] == found["pck"]
    assert found["steps"]["pcp"][-1] == found["pcp"]
    assert found["left_right_confusion"] == 0
    assert found["confidence"] is None
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in figures.parent.iterdir()) == ["figures.json", "picture.png"]
    printed = capsys.readouterr().out
    assert "lsp, 6 people" in printed
    rows = [line.split() for line in printed.splitlines()]
    assert ["head", "top", "0.0", "0.0", "83.3"] in rows
    summary, *people = page.read(tmp_path / "pages" / "report.html")["subjects"]
    assert ["head_top", "0.0", "0.0", "83.3"] in summary["tables"][0]["rows"]
    np.testing.assert_allclose(summary["charts"][0]["curves"]["mean"], found["per_step"])
    for chart in summary["charts"]:
        assert len(set(chart["colours"].values())) == len(chart["curves"]), chart["title"]
    titles = [people[row - 1]["title"].partition(":")[0] for row in summary["examples"]]
    assert titles == ["best", "median", "worst"]
    assert [one["picture"]["confidence"].sum() for one in people] == [14] * len(people)
    for picture in (one["picture"] for one in people):
        assert picture["observed_are"] == "truth"
        _, target = picture["arrows"]
        way = picture["observed"] - picture["estimate"][:-1]
        short = np.linalg.norm(way, axis=-1) <= dots.CHECKPOINT.configuration.max_correction
        np.testing.assert_allclose(target["vectors"][:-1][short], way[short], atol=1e-3)
        assert np.isnan(target["vectors"][-1]).all()
    errors = [one["charts"][0]["curves"]["error"][-1] for one in people]
    assert errors == sorted(errors) and errors[0] < 1 < errors[-1]
    (torso,) = [row for row in rows if row[:1] == ["torso"]]
    assert torso[-2:] == ["100.0", "95.3"], "the paper's figure beside ours"


@pytest.mark.usefixtures("command")
def test_a_run_is_validated_by_the_same_measure(capsys: pytest.CaptureFixture[str]) -> None:
    measured = validation.on_people(Train(dataset=("lsp",)), lambda weights: dots.CHECKPOINT)
    assert measured.larger
    assert measured.measure(None) == pytest.approx(100 * (1 - 1 / 84))
    without = dataclasses.replace(dots.CHECKPOINT.configuration, joints=("nose",))
    measured = validation.on_people(
        Train(dataset=("lsp",)), lambda weights: dots.CHECKPOINT._replace(configuration=without)
    )
    assert np.isnan(measured.measure(None))
    assert "no validation: this: none of its joints is in lsp" in capsys.readouterr().err


def test_more_steps_augmentation_fewer_people(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    words = (
        "--box",
        "truth",
        "--augment",
        "scales_and_mirror",
        "--steps",
        4,
        "--count",
        3,
        "--seed",
        1,
    )
    assert command(*words, "--json", figures) == 0
    found = json.loads(figures.read_text())
    assert found["count"] == 3
    assert len(found["per_step"]) == 5
    assert found["per_joint"]["left_wrist"] == 100
    # All confidences that were counted are those of the 3 x 14 joints.
    assert sum(found["confidence"]["joints"]) == 42
    assert "higher for right than for wrong" in capsys.readouterr().out


def test_confidences_need_a_calibration_that_holds(
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = tmp_path / "figures.json"
    words = ("--box", "truth", "--count", 2, "--augment", "scales_and_mirror", "--json", figures)
    # Nothing was corrected, so that nothing shows how sure the network is.
    assert command(*words, "--steps", 0) == 0
    assert json.loads(figures.read_text())["confidence"] is None
    monkeypatch.setattr(checkpoints, "load", lambda name: dots.UNCALIBRATED)
    capsys.readouterr()
    assert command(*words) == 0
    assert json.loads(figures.read_text())["confidence"] is None
    printed = capsys.readouterr().out
    assert "no confidences: the checkpoint is not calibrated for this augmentation" in printed


def test_other_sides_are_told(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    swapped = opposite(LSP_14)

    def mistaken(*asked: Any) -> Prediction:
        return Prediction(dots.predict(*asked).path[:, :, swapped], None)

    monkeypatch.setattr(prediction, "predict_with_presence", mistaken)
    assert command("--box", "truth", "--json", tmp_path / "figures.json") == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    # The hips of these people are so close together that each is right for both.
    assert found["left_right_confusion"] > 70
    assert found["per_joint"]["left_wrist"] == 0
    assert found["per_joint"]["upper_neck"] == 100


def test_joints_that_the_data_set_has_not(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    converted = [sets.to_layout(person, LSP_14, COCO_17) for person in people()]
    monkeypatch.setattr(sets, "load", lambda *asked: (converted, COCO_17))
    words = ("--dataset", "coco", "--box", "truth", "--json", tmp_path / "figures.json")
    assert command(*words) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["pck"] == 100
    assert found["pcp"] is None and found["per_limb"] is None
    assert len(found["per_joint"]) == 12
    monkeypatch.setattr(sets, "load", lambda *asked: (people(), ("left_eye",) * 14))
    assert command("--box", "truth") == 2


def test_the_boxes_are_the_given_selectors(tmp_path: Path) -> None:
    # To one that says of every box that it fits, the first of the nine is as good as any.
    weights = networks.initial_weights(config.SMALL, jax.random.key(0))
    indifferent = selectors.Selector(config.SMALL, jax.tree.map(jnp.zeros_like, weights))
    selectors.write(tmp_path / "model.npz", indifferent)
    one = dots.person(0)
    photograph = decode(one.image, one.name)
    box, released = (
        evaluate._box_finder("nine", name)(photograph, one) for name in (str(tmp_path), "released")
    )
    assert box.side == pytest.approx(1.4 * min(photograph.size))
    assert released.side < box.side


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--count", "0"), "--count is 0"),
        (("--steps", "-1"), "--steps is -1"),
        (("--seed", "-2"), "--seed is -2"),
        (("--figure", "picture.bmp"), "picture.bmp"),
        (("--json", "/proc/self/no/figures.json"), "cannot write"),
    ],
)
def test_bad_arguments_are_named_before_the_work(
    command: Callable[..., int],
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(name: str) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(checkpoints, "load", fail)
    assert command(*words) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_data_set_or_checkpoint(
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.undo()
    assert command("--checkpoint", tmp_path / "none") == 2
    assert "no such checkpoint" in capsys.readouterr().err
    monkeypatch.setattr(checkpoints, "load", lambda name: dots.CHECKPOINT)
    monkeypatch.setattr(build, "check_checkpoint", lambda checkpoint, source: None)
    monkeypatch.setattr(sets, "load", lambda *asked: (people(), LSP_14))
    assert command("--selector", tmp_path / "none") == 2
    assert "none: no such checkpoint" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(checkpoints, "load", lambda name: dots.CHECKPOINT)
    monkeypatch.setattr(build, "check_checkpoint", lambda checkpoint, source: None)
    assert command("--dataset", "lsp", "--data-dir", tmp_path) == 2
    assert "lsp" in capsys.readouterr().err
    assert command("--dataset", "lspet", "--split", "test", "--data-dir", tmp_path) == 2
    assert "lspet has no split 'test'" in capsys.readouterr().err


def test_nobody_to_measure_by(monkeypatch: pytest.MonkeyPatch, command: Callable[..., int]) -> None:
    nobody = [dataclasses.replace(person, annotated=np.zeros(14, bool)) for person in people()]
    monkeypatch.setattr(sets, "load", lambda *asked: (nobody, LSP_14))
    with pytest.raises(InputError, match="nobody has left_shoulder and right_hip annotated"):
        evaluate.evaluate(Evaluate(box="truth"))
