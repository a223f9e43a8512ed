"""Ready-made configurations: they are the commands of the pages, and they run in small."""

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import tyro

from experiments.ief import arguments as ief
from experiments.lgd import arguments as lgd
from ief_jax.ief import checkpoints
from ief_jax.ief.backbones import NAMED
from tests.helpers import fabricated_keypoints
from tests.helpers.help_texts import ROOT, help_of, imported_for_help
from tests.helpers.tiny_backbone import TinyBackbone

FILES = sorted(ROOT.glob("experiments/*/recipes/[a-z]*.py"))
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]
CARDS = ROOT / "ief_jax/assets/CHECKPOINTS.md"
FIDELITY = ROOT / "docs/fidelity.md"


def commands(page: Path) -> list[list[str]]:
    """The words of train.py in the commands of a page."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    return [line.split() for line in re.findall(r"python train\.py ((?:ief|lgd) .*)", text)]


@pytest.mark.parametrize(
    ("name", "page", "number", "elsewhere"),
    [
        ("ief.recipes.paper_mpii", FIDELITY, 0, ("data_dir",)),
        ("ief.recipes.lsp", CARDS, -1, ("data_dir",)),
        ("lgd.recipes.paper_amass", FIDELITY, 2, ("data_dir",)),
        ("lgd.recipes.released", CARDS, 0, ()),
        ("lgd.recipes.released_further", CARDS, 1, ("initial",)),
        ("lgd.recipes.paper_checkpoint", CARDS, 2, ()),
    ],
)
def test_a_recipe_is_the_command_of_the_page(
    name: str, page: Path, number: int, elsewhere: tuple[str, ...]
) -> None:
    recipe = importlib.import_module(f"experiments.{name}").RECIPE
    system, *words = commands(page)[number]
    kind: Any = {"ief": ief.Train, "lgd": lgd.Train}[system]
    said = tyro.cli(kind, args=words, config=(tyro.conf.OmitArgPrefixes,))
    assert _settings(recipe, elsewhere) == _settings(said, elsewhere)


def _settings(arguments: Any, elsewhere: tuple[str, ...]) -> dict[str, Any]:
    from ief_jax.training.run_options import settings

    return settings(arguments, ("run", *elsewhere))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(name)
    about = module.__doc__ or ""
    assert f"python -m {name}" in about
    for heading in ("Data:", "Hardware and hours:", "Expected:"):
        assert f"\n{heading} " in about
    assert "Hardware and hours:" in help_of(module.main, (), capsys)
    workdirs = [importlib.import_module(other).RECIPE.run.workdir for other in NAMES]
    assert workdirs.count(module.RECIPE.run.workdir) == 1
    page = (ROOT / "docs/tutorials/train.md").read_text()
    assert f"python -m {name} " in page


def test_help_comes_without_jax() -> None:
    assert imported_for_help(NAMES[0], [()], ("jax", "optax", "matplotlib")) == set()


def test_the_papers_ief_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.ief.recipes import paper_mpii

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(NAMED, "googlenet", TinyBackbone)
    fabricated_keypoints.coco(tmp_path)
    small = ["--dataset", "coco", "--data-dir", ".", "--size", "16", "--batch-size", "2"]
    small += ["--epochs", "4", "--evaluate", "0"]
    assert paper_mpii.main(small) == 2
    assert "googlenet.pth" in capsys.readouterr().err
    assert paper_mpii.main([*small, "--no-pretrained"]) == 0
    found = checkpoints.load(tmp_path / "runs/ief-mpii").configuration
    assert (found.backbone, found.name, found.steps) == ("googlenet", "ief", 3)
    assert dataclasses.asdict(found)["bounded"] is False
    assert "ief (ief): finished" in (tmp_path / "runs/ief-mpii/summary.md").read_text()


@pytest.mark.slow
def test_the_papers_lgd_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.lgd.recipes import paper_amass

    monkeypatch.chdir(tmp_path)
    small = ["--width", "8", "--iterations", "2", "--batch-size", "8", "--evaluate", "0"]
    assert paper_amass.main(small) == 2
    assert "SMPL_NEUTRAL.pkl" in capsys.readouterr().err
    assert paper_amass.main([*small, "--body", "None", "--dataset", "prior"]) == 0
    assert "lgd: finished" in (tmp_path / "runs/lgd-paper/summary.md").read_text()
