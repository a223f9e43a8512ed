"""Validation while a run trains: its lines, and the best weights, whatever happens to the run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ief_jax.training.validation import FOLDER, Best, Validation
from ief_jax.viz import training_curves
from tests.helpers import tiny_run

NAME = "validation_error"
WORDS = ("--log-every", "4", "--save-every", "8", "--validate-every", "3")


def run(work: Path, *more: str) -> None:
    assert tiny_run.main(["--workdir", str(work), *WORDS, *more]) == 0


def validations(work: Path) -> dict[int, float]:
    lines = map(json.loads, (work / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: line[NAME] for line in lines if NAME in line}


@pytest.mark.parametrize(("bend", "best"), [(0.5, 24), (0.284, 36)])
def test_the_best_weights_are_kept(bend: float, best: int, tmp_path: Path) -> None:
    work = tmp_path / "run"
    run(work, "--bend", str(bend))
    found = validations(work)
    assert [*found] == [*range(3, 41, 3)]
    assert min(found, key=lambda step: found[step]) == best
    said = f"- best {NAME} {found[best]:.5g} at step {best}, in best/"
    assert said in (work / "summary.md").read_text()
    # What a run that ends there publishes.
    run(tmp_path / "short", "--iterations", str(best))
    there = np.load(tmp_path / "short" / tiny_run.PUBLISHED)
    np.testing.assert_array_equal(np.load(work / FOLDER / tiny_run.PUBLISHED), there)
    assert abs(there[0, 0] - bend) == pytest.approx(found[best], rel=1e-6)

    # Cut off after step 32: the best weights come before that, or come again.
    shutil.rmtree(work / "checkpoints" / "40")
    if best > 32:
        (work / FOLDER / tiny_run.PUBLISHED).unlink()
    run(work, "--bend", str(bend))
    assert validations(work) == found
    assert said in (work / "summary.md").read_text()
    np.testing.assert_array_equal(np.load(work / FOLDER / tiny_run.PUBLISHED), there)


def test_what_is_not_finite_is_never_the_best() -> None:
    numbers = iter([np.nan, 3.0, 5.0, 4.0])
    best = Best(Validation("found", lambda weights: next(numbers), larger=True), 10, [])
    published: list[str] = []
    lines = [best.measure(f"{n}", n, published.append) for n in (10, 20, 30, 40)]
    assert lines == [{}, {"found": 3.0}, {"found": 5.0}, {"found": 4.0}]
    assert published == ["20", "30"] and (best.value, best.step) == (5.0, 30)
    assert [best.due(n) for n in (10, 15, 30)] == [True, False, True]
    assert not Best(None, 10, []).due(10)


def test_the_curve_of_a_rare_number_is_a_line() -> None:
    lines = [{"step": n, "loss": 1.0 / n} for n in range(1, 31)]
    for n in (10, 20, 30):
        lines[n - 1] |= {NAME: float(n)}
    first, second, *_ = training_curves.figure(lines).axes
    (curve,) = second.lines
    np.testing.assert_array_equal(curve.get_xydata(), [(10, 10), (20, 20), (30, 30)])
    assert (curve.get_linestyle(), curve.get_marker()) == ("-", ".")
    assert len(np.asarray(first.lines[0].get_xydata())) == 30
