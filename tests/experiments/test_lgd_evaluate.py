"""eval.py end to end, on a tiny network with random weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior
from ief_jax.inspector import page
from tests.helpers import tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(monkeypatch_module: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch_module.syspath_prepend(ROOT)
    import eval as module

    return module


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, joint_model: joints.JointModel) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("run") / "tiny", joint_model)


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("poses") / "walk.npz"
    prior = pose_prior.embedded()
    keys = jax.random.split(jax.random.key(0), 9)
    drawn = jax.vmap(lambda key: pose_prior.sample(prior, key))(keys).reshape(9, 72)
    # As many numbers as SMPL+H has: those of its hands are not read.
    np.savez(path, poses=np.concatenate([drawn[:, :66], np.ones((9, 90), np.float32)], 1))
    return path


def test_a_whole_evaluation(
    script: ModuleType,
    checkpoint: Path,
    poses: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures, picture = tmp_path / "out" / "figures.json", tmp_path / "out" / "picture.png"
    words = ["lgd", "--checkpoint", str(checkpoint), "--poses", str(poses), "--count", "4"]
    words += ["--noise", "0.01", "--drop", "0.2", "--steps", "2", "--seed", "3"]
    words += ["--json", str(figures), "--figure", str(picture), "--report", str(tmp_path / "pages")]
    assert script.main(words) == 0
    found = json.loads(figures.read_text())
    for name in ("pa_mpjpe_mm", "mpjpe_mm", "vertex_mm", "reprojection"):
        assert len(found[name]) == 3, name
        assert np.isfinite(found[name]).all()
        assert min(found[name]) > 0
    # Random weights hardly move the start, which is the rest pose.
    baselines = found["baselines"]
    assert list(baselines) == ["rest_pose", "lifting", "kitro", "smplify", "smplify_restarts"]
    np.testing.assert_allclose(found["pa_mpjpe_mm"][0], baselines["rest_pose"], rtol=1e-3)
    assert baselines["smplify_restarts"] < 0.8 * baselines["rest_pose"]
    assert found["count"] == 4
    assert found["states"] == ["start", "step 1", "step 2"]
    assert found["seconds"] > 0
    assert found["pa_mpjpe_mm"][0] < found["mpjpe_mm"][0]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in figures.parent.iterdir()) == ["figures.json", "picture.png"]
    _check_report(tmp_path / "pages" / "report.html", found)
    printed = capsys.readouterr().out
    assert "step 2" in printed
    assert "smplify_restarts" in printed


def _check_report(path: Path, figures: dict[str, Any]) -> None:
    """The page's numbers are those of the JSON; its bodies are the best and the worst."""
    summary, best, median, worst = page.read(path)["subjects"]
    assert summary["examples"] == [1, 2, 3]
    curves = summary["charts"][0]["curves"]
    np.testing.assert_allclose(curves["PA-MPJPE"], figures["pa_mpjpe_mm"], rtol=1e-5)
    np.testing.assert_allclose(curves["vertices"], figures["vertex_mm"], rtol=1e-5)
    last = [f"{figures[name][2]:.1f}" for name in ("pa_mpjpe_mm", "mpjpe_mm", "vertex_mm")]
    assert summary["tables"][0]["rows"][2][:4] == ["step 2", *last]
    for one in (best, median, worst):
        shown = one["body"]
        distance = np.linalg.norm(shown["vertices"] - shown["truth"], axis=-1).mean(-1)
        expected = one["charts"][0]["curves"]["vertices"]
        np.testing.assert_allclose(1000 * distance, expected, rtol=1e-3)
    errors = [one["charts"][0]["curves"]["PA-MPJPE"][-1] for one in (best, median, worst)]
    assert errors == sorted(errors) and errors[0] < figures["pa_mpjpe_mm"][2] < errors[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "nowhere"], "nowhere"),
        (["--poses", "nowhere.npz"], "nowhere.npz"),
        (["--body", "nowhere.pkl"], "nowhere.pkl"),
        (["--count", "0"], "--count is 0"),
        (["--steps", "-1"], "--steps is -1"),
        (["--noise", "nan"], "--noise is nan"),
        (["--drop", "1.5"], "--drop is 1.5"),
        (["--seed", "-2"], "--seed is -2"),
        (["--figure", "picture.bmp"], "picture.bmp"),
    ],
)
def test_bad_arguments_are_named_and_write_nothing(
    script: ModuleType,
    checkpoint: Path,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--checkpoint" not in words:
        words = ["--checkpoint", str(checkpoint), *words]
    assert script.main(["lgd", *words, "--json", "figures.json"]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_found_before_the_work(
    script: ModuleType, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "figures.json"
    assert script.main(["lgd", "--checkpoint", str(checkpoint), "--json", str(target)]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_poses_without_poses(
    script: ModuleType, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "other.npz", trans=np.zeros((3, 3)))
    words = ["lgd", "--checkpoint", str(checkpoint), "--poses", str(tmp_path / "other.npz")]
    assert script.main(words) == 2
    assert "'poses'" in capsys.readouterr().err


def test_help(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["lgd", "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for word in (
        "checkpoint",
        "body",
        "poses",
        "count",
        "steps",
        "noise",
        "drop",
        "json",
        "figure",
    ):
        assert f"--{word}" in printed
