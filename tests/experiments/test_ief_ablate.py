"""eval.py ief-ablations on a few fabricated people."""

import json
import re
from pathlib import Path

import pytest

import eval as script
from ief_jax.ief.backbones import NAMED
from tests.helpers import fabricated_keypoints
from tests.helpers.tiny_backbone import TinyBackbone


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any network would do: the real ones take long to compile."""
    monkeypatch.setitem(NAMED, "efficientnet_lite0", TinyBackbone)


def run(downloads: Path, workdir: Path, *more: str) -> int:
    words = [
        "ief-ablations",
        "--train",
        "coco",
        "--test",
        "coco",
        "--size",
        "16",
    ]
    words += ["--data-dir", str(downloads), "--workdir", str(workdir)]
    words += ["--backbone", "efficientnet_lite0", "--heatmap-stage", "0", "--pool-size", "2"]
    return script.main([*words, "--batch-size", "2", "--epochs", "0.1", *more])


@pytest.mark.slow
def test_networks_are_trained_once_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    downloads, work, figures = tmp_path / "downloads", tmp_path / "runs", tmp_path / "figures.json"
    for part in ("train2017", "val2017"):
        fabricated_keypoints.coco(downloads, part)
    variants = ("ief", "direct", "direct_longer", "knee")
    arguments = ("--variants", *variants, "--seeds", "2", "--json", str(figures))
    assert run(downloads, work, *arguments) == 0
    found = json.loads(figures.read_text())
    assert {name: len(each) for name, each in found.items()} == dict.fromkeys(variants, 2)
    assert len(found["ief"][0]["per_step"]) == 5
    assert len(found["direct"][0]["per_step"]) == 2
    printed = capsys.readouterr().out
    ours = sum(one["per_step"][-1] for one in found["ief"]) / 2
    assert re.search(rf"IEF +{ours:.1f} \+- \d+\.\d +81\.0", printed)
    assert "left knee (table 4)" in printed

    # Each example as often: 4 stages train the first step, 1 + 2 + 3 + 4 a step.
    def iterations(name: str) -> int:
        lines = (work / name / "metrics.jsonl").read_text().splitlines()
        return json.loads(lines[-1])["step"]

    assert iterations("ief-0") == iterations("knee-1") == iterations("direct_longer-0")
    assert iterations("direct-0") == pytest.approx(0.4 * iterations("ief-0"), abs=1)

    # The networks are there: nothing is trained again.
    before = {path: path.read_bytes() for path in work.rglob("model.npz")}
    assert len(before) == 8
    assert run(downloads, work, *arguments) == 0
    assert {path: path.read_bytes() for path in work.rglob("model.npz")} == before


def test_an_unknown_variant_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, tmp_path / "runs", "--variants", "magic")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--variants" in said and "magic" in said and "knee_and_hip" in said
