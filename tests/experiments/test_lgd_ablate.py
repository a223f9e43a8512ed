"""eval.py lgd-ablations: what is kept, what is trained, and the tables."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import eval as script
from experiments.lgd import ablate
from experiments.lgd.ablate import Network, Row
from ief_jax.lgd.config import PAPER

WORDS = ["lgd-ablations", "--width", "8", "--iterations", "2", "--batch-size", "2"]
WORDS += ["--count", "5", "--seeds", "2"]


def test_the_rows_are_the_papers() -> None:
    """Tables 1 and 2 and section 4.3, as in the paper's text."""
    by_inputs = {frozenset(row.inputs): row.paper for row in ablate.TABLE_1}
    x, theta, gradient = "keypoints", "theta", "gradient"
    assert by_inputs == {
        frozenset({x}): 67.7,
        frozenset({x, gradient}): 64.2,
        frozenset({x, theta}): 61.9,
        frozenset({theta, gradient}): 60.5,
        frozenset({x, theta, gradient}): 56.4,
    }
    assert [row.paper for row in ablate.TABLE_2] == [66.3, 62.1, 57.2, 56.6, 56.4]
    assert [row.steps for row in ablate.TABLE_2] == [1, 2, 3, 4, 5]
    assert all(row.inputs == PAPER.inputs for row in ablate.TABLE_2)
    # The whole method at four steps is in both tables: one network for the two.
    assert ablate.TABLE_1[-1].variant == ablate.TABLE_2[3].variant
    variants = {row.variant for rows in ablate.TABLES.values() for row in rows}
    assert len(variants) == 10


ROW = Row("x", ("keypoints",), 1, 67.7)


@pytest.fixture
def one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablate, "TABLES", {"A table": (ROW,)})


def test_what_was_trained_is_kept(
    one_row: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "ablations.json"
    words = [*WORDS, "--json", str(path)]
    trained: list[int] = []

    def method(*_: object) -> ablate.Method:
        def run(seed: int) -> Network:
            if seed == 1 and not trained:
                trained.append(seed)
                raise KeyboardInterrupt
            trained.append(seed)
            return Network([180.0, 60.0 + seed], 1.0)

        return run

    people = SimpleNamespace(observed=SimpleNamespace(points=np.zeros((5, 18, 2))))
    monkeypatch.setattr(ablate, "_examples", lambda *_: people)
    monkeypatch.setattr(ablate, "method", method)
    trained.append(-1)
    assert script.main([*words, "--seeds", "1"]) == 0
    assert trained == [-1, 0]
    trained.clear()
    assert script.main(words) == 130  # cut off while the second is trained
    assert set(json.loads(path.read_text())["networks"][ROW.variant]) == {"0"}
    assert script.main(words) == 0
    assert trained == [1, 1]
    assert f"{60.5:.2f} +-{np.std([60, 61], ddof=1):5.2f}" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_networks_are_trained_and_tested(one_row: None, tmp_path: Path) -> None:
    path = tmp_path / "ablations.json"
    assert script.main([*WORDS, "--iterations", "30", "--json", str(path)]) == 0
    networks = json.loads(path.read_text())["networks"][ROW.variant]
    starts, ends = zip(*(networks[seed]["pa_mpjpe"] for seed in "01"), strict=True)
    assert starts[0] == starts[1] and 100 < starts[0] < 300  # the rest pose
    assert ends[0] != ends[1] and max(ends) < starts[0]


def test_the_table() -> None:
    networks = {
        row.variant: {seed: Network([180.0, 60.0 + seed, 50.0 + 2 * seed], 7.0) for seed in (0, 1)}
        for rows in ablate.TABLES.values()
        for row in rows
    }
    lines = ablate.table(networks, 2, 1000).splitlines()
    line = next(line for line in lines if line.startswith("Theta, gradient"))
    figures = ["51.00", "+-", "1.41", "60.5", "7", "60.5", "51.0"]
    assert line.split()[2:] == figures
    assert sum("+-" in line for line in lines) == 11


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds is 0"),
        (["--noise", "2"], "--noise is 2.0"),
        (["--poses", "nowhere.npz"], "nowhere.npz"),
        (["--test", "nowhere.npz"], "nowhere.npz"),
        (["--body", "nowhere.pkl"], "nowhere.pkl"),
        (["--dataset", "cmu", "--data-dir", "nowhere"], "nowhere"),
        (["--dataset", "cmu"], "--dataset and --data-dir go together"),
        (["--data-dir", ".", "--dataset", "cmu", "--test", "a.npz"], "takes the place of --poses"),
    ],
)
def test_bad_arguments(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ablations.json"
    assert script.main([*WORDS, *words, "--json", str(path)]) == 2
    assert message in capsys.readouterr().err
    assert not path.exists()


def test_a_file_of_other_ablations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ablations.json"
    path.write_text(json.dumps({"settings": {"width": 16}, "networks": {}}))
    before = path.read_bytes()
    assert script.main([*WORDS, "--json", str(path)]) == 2
    assert "not" in capsys.readouterr().err
    path.write_text("{}")
    assert script.main([*WORDS, "--json", str(path)]) == 2
    assert "not a file of ablations" in capsys.readouterr().err
    path.write_bytes(before)
