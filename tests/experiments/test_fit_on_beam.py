"""The job for Apache Beam in Beam's local runner: what `ief-jax fit` comes to."""

from pathlib import Path

import numpy as np
import pytest

from ief_jax import cli
from ief_jax.body import joints
from ief_jax.cli import fit_parts, fit_source
from tests.helpers import tiny

pytest.importorskip("apache_beam", reason="needs pip install -e '.[beam]'")


@pytest.mark.filterwarnings("ignore")  # Beam's own
def test_a_job_comes_to_what_one_process_does(
    joint_model: joints.JointModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.lgd import fit_on_beam

    monkeypatch.setattr(fit_source, "PART", 2)
    monkeypatch.setattr(fit_parts, "_FIT_BATCH", 4)
    trained = tiny.folder(tmp_path / "tiny", joint_model)
    frames = Path(__file__).parents[2] / "docs" / "example" / "frames"
    words = [str(frames), "--checkpoint", str(trained), "--output"]
    assert cli.main(["fit", *words, str(tmp_path / "one"), "--no-pictures"]) == 0
    assert fit_on_beam.main([*words, str(tmp_path / "beam"), "--runner", "DirectRunner"]) == 0
    assert len(list((tmp_path / "beam" / "parts").glob("*.npz"))) == 4
    assert cli.main(["fit", *words, str(tmp_path / "beam"), "--no-pictures"]) == 0
    one, two = (np.load(tmp_path / name / "bodies.npz") for name in ("one", "beam"))
    with one, two:
        assert one.files == two.files
        for key in one.files:
            np.testing.assert_array_equal(one[key], two[key], err_msg=key)
