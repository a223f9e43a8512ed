"""The sub-commands of train.py and eval.py: their help, their names, their arguments."""

import dataclasses
import importlib
from pathlib import Path
from typing import Any, get_args

import pytest

import eval as eval_script
import train as train_script
from data.keypoints import sets
from experiments import options
from experiments.ief import ablate
from experiments.ief import arguments as ief
from experiments.lgd import arguments as lgd
from experiments.scale import arguments as scale
from ief_jax.ief import training_methods
from ief_jax.ief.backbones import NAMED
from ief_jax.lgd import config
from ief_jax.training import optimisers
from tests.helpers.help_texts import ROOT, commands_in, help_of, imported_for_help, options_in

HEAVY = ("jax", "tensorflow_datasets", "optax", "scipy", "matplotlib")
COMMANDS = {
    ("train.py", "lgd"): lgd.Train,
    ("train.py", "ief"): ief.Train,
    ("train.py", "scale"): scale.Train,
    ("eval.py", "lgd"): lgd.Evaluate,
    ("eval.py", "lgd-dataset", "3dpw"): lgd.ThreeDpw,
    ("eval.py", "lgd-dataset", "h36m"): lgd.H36m,
    ("eval.py", "lgd-dataset", "ehf"): lgd.Ehf,
    ("eval.py", "lgd-dataset", "amass"): lgd.Amass,
    ("eval.py", "lgd-dataset", "cmu"): lgd.Cmu,
    ("eval.py", "lgd-posture"): lgd.EvaluatePosture,
    ("eval.py", "lgd-standing"): lgd.EvaluateStanding,
    ("eval.py", "lgd-triangulated"): lgd.EvaluateTriangulated,
    ("eval.py", "lgd-ablations"): lgd.Ablate,
    ("eval.py", "lgd-offsets"): lgd.Offsets,
    ("eval.py", "ief"): ief.Evaluate,
    ("eval.py", "ief-ablations"): ief.Ablate,
    ("eval.py", "ief-calibrate"): ief.Calibrate,
    ("eval.py", "ief-average"): ief.Average,
    ("eval.py", "scale"): scale.Evaluate,
}


def fields(kind: type) -> list[tuple[str, Any]]:
    """(name, type) of all fields of a dataclass, those of dataclasses in it among them."""
    found = []
    for field in dataclasses.fields(kind):
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            found += fields(field.type)
        else:
            found.append((field.name, field.type))
    return found


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_own_options(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"--help"}
    for name, kind in fields(COMMANDS[words]):
        option = name.replace("_", "-")
        if name != "checkpoints":  # of ief-average, which are not options
            expected |= {f"--{option}"} | ({f"--no-{option}"} if kind is bool else set())
    script = {"train.py": train_script, "eval.py": eval_script}[words[0]]
    assert options_in(help_of(script.main, words[1:], capsys)) == expected


@pytest.mark.parametrize("name", ["train", "eval"])
def test_help_comes_without_jax(name: str) -> None:
    commands = [words[1:] for words in COMMANDS if words[0] == f"{name}.py"]
    assert imported_for_help(name, [(), *commands], HEAVY) == set()


@pytest.mark.parametrize("script", [train_script, eval_script])
def test_without_a_command_all_are_listed(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    name = Path(script.__file__).name
    assert script.main([]) == 2
    text = capsys.readouterr().out
    listed = {words[1] for words in COMMANDS if words[0] == name}
    assert listed == set(script.COMMANDS) == commands_in(text)
    assert len((ROOT / name).read_text().splitlines()) <= 40


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        (train_script, ["lfd"], "lfd"),
        (train_script, ["--workdir", "a"], "--workdir"),
        (train_script, ["lgd", "--first-steps", "2"], "--first-steps"),
        (train_script, ["ief", "--dataset", "faces"], "faces"),
        (eval_script, ["lgd", "--ablations"], "--ablations"),
        (eval_script, ["lgd-dataset"], "3dpw"),
        (eval_script, ["lgd-dataset", "3dpw", "--data-dir", ".", "--detector", "gt"], "--detector"),
        (eval_script, ["lgd-dataset", "h36m", "--data-dir", "."], "--regressors"),
        (eval_script, ["lgd-dataset", "ehf", "--data-dir", "."], "--correspondence"),
        (eval_script, ["lgd-dataset", "3dpw", "--data-dir", ".", "--split", "paper"], "paper"),
    ],
)
def test_what_is_not_offered_is_named(
    script: Any,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        script.main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_choices_are_those_that_there_are() -> None:
    """Written out where the options are declared, so that help needs no JAX."""
    assert set(get_args(options.KeypointSet)) == set(sets.SETS)
    assert set(get_args(ief.Method)) == set(training_methods.METHODS)
    # MoveNet answers by itself: there is nothing to train.
    assert set(get_args(ief.Backbone)) == set(NAMED) - {"movenet_thunder_answer"}
    assert set(get_args(ief.Variant)) == set(ablate.VARIANTS)
    assert set(ief.Ablate().variants) == set(ablate.VARIANTS) - {"on_policy"}
    choices = {name: get_args(kind) for name, kind in fields(lgd.Train)}
    assert set(choices["configuration"]) == set(config.NAMED)
    assert choices["optimizer"] == get_args(optimisers.OptimizerName)
    assert choices["schedule"] == get_args(optimisers.ScheduleName)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_two_options_have_one_name(words: tuple[str, ...]) -> None:
    names = [name for name, _ in fields(COMMANDS[words])]
    assert len(names) == len(set(names))


def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ief_jax.cli import command_line

    def command() -> None:
        """Needs what nobody has."""
        importlib.import_module("no_such_package.at_all")

    def broken() -> None:
        """Needs a module that this project lacks."""
        importlib.import_module("experiments.no_such_module")

    commands = {"one": command, "two": broken}
    assert command_line.run("x.py", commands, ["one"]) == 2
    assert "'no_such_package': pip install -e '.[data]'" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError, match=r"experiments\.no_such_module"):
        command_line.run("x.py", commands, ["two"])
