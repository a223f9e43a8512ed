"""`python -m data.prepare`: one command for all data sets; what they hold is tested with each."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

from data import prepare
from data.cmu.split import TEST, VALIDATION
from data.keypoints import sets
from data.motion import preparation
from tests.helpers.help_texts import commands_in, help_of, imported_for_help, options_in

MOTION = ("amass", "cmu")


@pytest.mark.parametrize("command", sorted(prepare.COMMANDS))
def test_help_shows_own_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"--help"}
    if command == "cmu-split":
        expected |= {"--as-captured", "--no-as-captured"}
    elif command == "mesh2motion":
        expected |= {"--rate"}
    else:
        expected |= {"--overwrite", "--no-overwrite"}
    if command in MOTION:
        expected |= {"--rate", "--strict", "--no-strict"}
    assert options_in(help_of(prepare.main, [command], capsys)) == expected


def test_help_comes_without_jax_or_tfds() -> None:
    heavy = ("jax", "tensorflow_datasets", "data.shards", "data.lsp.builder")
    commands = [(), *((command,) for command in prepare.COMMANDS)]
    assert imported_for_help("data.prepare", commands, heavy) == set()


def test_every_data_set_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare.main([]) == 2
    assert commands_in(capsys.readouterr().out) == set(prepare.COMMANDS)
    # Stick figures are made in a minute and read as they are.
    assert set(sets.SETS) - {"figures"} <= set(prepare.COMMANDS)


def test_builders_exist() -> None:
    """Those named in the table: "module:class"."""
    named = [
        str(node.value)
        for node in ast.walk(ast.parse(inspect.getsource(prepare)))
        if isinstance(node, ast.Constant) and ".builder:" in str(node.value)
    ]
    assert len(named) == len(prepare.COMMANDS) - 2
    for module, name in (value.split(":") for value in named):
        path = Path(prepare.__file__).parents[1] / f"{module.replace('.', '/')}.py"
        classes = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)}
        assert name in classes


def test_motion_is_kept_at_the_rate_of_the_readers() -> None:
    assert prepare.MotionOptions().rate == preparation.RATE


@pytest.mark.parametrize(
    "words", [["lsp", "a", "b", "--rate", "10"], ["faces", "a", "b"], ["lsp", "a"]]
)
def test_what_is_not_asked_for_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        prepare.main(words)
    assert ended.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_cmu_poses_are_split_by_subject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subject = np.array([TEST[0], "01", VALIDATION[0], "01", TEST[1], "02"])
    poses = np.random.default_rng(0).normal(0, 0.1, (len(subject), 72)).astype(np.float32)
    source, out = tmp_path / "poses.npz", tmp_path / "new" / "cmu"
    np.savez(source, poses=poses, subject=subject)
    assert prepare.main(["cmu-split", str(source), str(out), "--as-captured"]) == 0
    assert f"{out / 'train.npz'}: 3 poses of 2 subjects" in capsys.readouterr().out
    rows = {"train": [1, 3, 5], "validation": [2], "test": [0, 4]}
    for name, chosen in rows.items():
        with np.load(out / f"{name}.npz") as part:
            np.testing.assert_array_equal(part["subject"], subject[chosen])
            np.testing.assert_allclose(part["poses"][:, :66], poses[chosen, :66], atol=1e-6)
    np.savez(source, poses=poses)
    assert prepare.main(["cmu-split", str(source), str(tmp_path / "other")]) == 2
    assert "has no array 'subject'" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
