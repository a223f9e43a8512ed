"""What `train.py lgd` measures weights by while it trains."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import train
from experiments.lgd import evaluate, validation
from experiments.lgd.arguments import Evaluate, PoseOptions
from ief_jax.body import pose_prior
from ief_jax.training.validation import FOLDER

COUNT = 6


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    prior = pose_prior.embedded()
    keys = jax.random.split(jax.random.key(5), 9)
    drawn = jax.vmap(lambda key: pose_prior.sample(prior, key))(keys)
    np.savez(tmp_path / "held_out.npz", poses=np.asarray(drawn).reshape(9, 72))
    return tmp_path / "held_out.npz"


@pytest.mark.slow
@pytest.mark.parametrize("given", [True, False])
def test_a_run_validates_as_eval_does(
    given: bool, poses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "PEOPLE", COUNT)
    work = tmp_path / "run"
    words = ["--configuration", "paper", "--width", "16", "--steps", "1", "--batch-size", "8"]
    words += ["--iterations", "4", "--evaluate", "0", "--validate-every", "2"]
    words += ["--validation-poses", str(poses)] if given else []
    assert train.main(["lgd", "--workdir", str(work), *words]) == 0
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    found = min(line["validation_pa_mpjpe_mm"] for line in lines)
    expected = evaluate.evaluate(
        Evaluate(
            checkpoint=str(work / FOLDER),
            poses=poses if given else None,
            count=COUNT,
            seed=validation.SEED,
            baselines=False,
        )
    )
    assert found == pytest.approx(expected.steps.pa_mpjpe[-1], rel=1e-4)


def test_of_a_data_set_without_a_validation_split_the_prior_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = PoseOptions(dataset="cmu", data_dir=tmp_path)
    assert validation._poses(options)[0] is None
    said = capsys.readouterr().err
    assert f"validated on samples of the pose prior: {tmp_path}/cmu" in said
