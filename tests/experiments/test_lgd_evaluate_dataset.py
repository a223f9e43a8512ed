"""eval.py lgd-dataset: the paper's table on fabricated releases, whose truth is known."""

import json
import pickle
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import eval as script
from data.ehf import reader
from experiments.lgd import evaluate_dataset
from experiments.lgd.arguments import Ehf, FitOptions, H36m, ThreeDpw
from ief_jax.body import joints, model_files, smpl
from ief_jax.body import regressors as body_regressors
from ief_jax.geometry import rotations
from ief_jax.inspector import page
from ief_jax.io.files import InputError
from ief_jax.lgd import metrics, protocols
from ief_jax.lgd.parameters import Body
from tests.body import test_regressors as test_joint_regressors
from tests.data import test_ehf, test_h36m, test_threedpw
from tests.helpers import tiny


@pytest.fixture(scope="module")
def regressors(tmp_path_factory: pytest.TempPathFactory, body: smpl.BodyModel) -> Path:
    folder = tmp_path_factory.mktemp("regressors")
    rows = test_joint_regressors.rows(body, body_regressors.H36M_SPIN)
    np.save(folder / "J_regressor_h36m.npy", rows)
    return folder


@pytest.fixture(scope="module")
def body_file(tmp_path_factory: pytest.TempPathFactory, body: smpl.BodyModel) -> Path:
    path = tmp_path_factory.mktemp("body") / "SMPL_NEUTRAL.npz"
    model_files.save_npz(body, path)
    return path


def test_the_papers_table(
    joint_model: joints.JointModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test_threedpw.write(tmp_path, test_threedpw.fields(joint_model))
    checkpoint = tiny.folder(tmp_path / "tiny", joint_model)
    words = ["lgd-dataset", "3dpw", "--data-dir", str(tmp_path), "--count", "4"]
    words += ["--checkpoint", str(checkpoint), "--steps", "1", "--json", str(tmp_path / "a.json")]
    assert script.main([*words, "--report", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "3DPW, test (Table 4): PA-MPJPE, mm, of SMPL's 24 joints" in printed
    for figure in ("106.1", "55.9", "59.2"):
        assert figure in printed
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["count"] == 4
    assert 50 < found["error_mm"] < 500  # random weights
    assert f"{found['error_mm']:.1f}" in printed
    _check_report(tmp_path / "report.html", found["error_mm"])


def _check_report(path: Path, mean: float) -> None:
    """The best, the median and the worst stand beside their true points."""
    summary, *people = page.read(path)["subjects"]
    assert ["LGD", "no", "55.9"] in summary["tables"][0]["rows"]
    assert summary["tables"][0]["rows"][-1][1:] == ["no", f"{mean:.1f}"]
    errors = [one["charts"][0]["curves"]["error"][-1] for one in people]
    assert errors == sorted(errors) and errors[0] < mean < errors[-1]
    for one, which, error in zip(people, ("best", "median", "worst"), errors, strict=True):
        assert one["title"] == f"{which}: {error:.0f} mm"
        # SMPL's 24 joints; no other place, turn or size is nearer.
        right, found = one["body"]["true_points"], one["body"]["joints"][-1]
        assert np.linalg.norm(right - found, axis=-1).mean() > 0.02
        np.testing.assert_allclose(metrics.procrustes_align(right, found), right, atol=1e-4)


def test_true_bodies_have_no_error_on_3dpw(
    joint_model: joints.JointModel,
    body: smpl.BodyModel,
    body_file: Path,
    regressors: Path,
    tmp_path: Path,
) -> None:
    content = test_threedpw.fields(joint_model)
    test_threedpw.write(tmp_path, content)
    arguments = ThreeDpw(tmp_path, regressors=regressors, male=body_file, female=body_file)
    found = evaluate_dataset.load(arguments, body)
    poses = jnp.asarray(np.concatenate(content["poses"]), jnp.float32).reshape(-1, 24, 3)
    betas = np.repeat(np.stack(content["betas"])[:, :10], test_threedpw.FRAMES, 0)
    bodies = Body(rotations.axis_angle_to_matrix(poses), jnp.asarray(betas, jnp.float32))

    @jax.jit
    @jax.vmap
    def errors(posed: Body, truth: jax.Array) -> jax.Array:
        return protocols.reconstruction_error(found.points(posed), truth)

    # The bodies of the world, not of the cameras: only their views differ.
    assert np.asarray(errors(bodies, found.truth)).max() < 0.1
    bent = Body(bodies.local.at[:, 18].set(jnp.eye(3)[None]), bodies.betas)
    assert np.asarray(errors(bent, found.truth)).min() > 1


def test_true_joints_have_no_error_on_h36m(
    body: smpl.BodyModel, regressors: Path, tmp_path: Path
) -> None:
    model = joints.fold(body, body_regressors.load(regressors, body))
    posed = Body(jnp.broadcast_to(jnp.eye(3), (24, 3, 3)), jnp.zeros(10))
    points = jax.jit(protocols.points, static_argnums=1)(model, body_regressors.H36M_17, posed)
    raw = np.zeros((1, 32, 3), np.float32)
    raw[:, list(test_h36m.NAMES_32)] = points  # both in Human3.6M's order
    sequences = {subject: {"Walking": raw} for subject in ("S9", "S11")}
    seen = {s: {"Walking": [np.ones((1, 17, 2))] * 4} for s in sequences}
    test_h36m.write(tmp_path, positions_3d=sequences, positions_2d=seen)
    found = evaluate_dataset.load(H36m(tmp_path, regressors), body)
    assert found.compared == "14 joints by Human3.6M's regressor; keypoints gt"
    assert found.truth.shape == (2, 14, 3)
    np.testing.assert_allclose(jax.jit(found.points)(posed), found.truth[0], atol=1e-5)


def test_true_vertices_have_no_error_on_ehf(
    body: smpl.BodyModel, body_file: Path, tmp_path: Path
) -> None:
    test_ehf.write(tmp_path)
    rows = len(body.template)
    at = np.arange(rows), np.random.default_rng(0).permutation(reader.SMPLX_VERTICES)[:rows]
    matrix = scipy.sparse.coo_matrix((np.ones(rows), at), (rows, reader.SMPLX_VERTICES))
    file = tmp_path / "smplx2smpl.pkl"
    file.write_bytes(pickle.dumps({"matrix": matrix}))
    arguments = Ehf(tmp_path, file, fit=FitOptions(body=body_file, count=2))
    found = evaluate_dataset.load(arguments, body)
    assert found.truth.shape == (2, rows, 3)
    known = [test_ehf.vertices(n)[at[1]] for n in range(len(test_ehf.NUMBERS))]
    for truth in found.truth:
        assert min(np.abs(truth - vertices).max() for vertices in known) < 1e-6
    at_rest = Body(jnp.broadcast_to(jnp.eye(3), (24, 3, 3)), jnp.zeros(10))
    np.testing.assert_allclose(jax.jit(found.points)(at_rest), body.template, atol=1e-5)


def test_vertices_are_aligned_before_they_are_compared(body: smpl.BodyModel) -> None:
    truth = np.asarray(body.template)
    turn = rotations.axis_angle_to_matrix(jnp.array([0.3, -1.0, 2.0]))
    moved = 1.7 * truth @ np.asarray(turn).T + 0.5
    error = jax.jit(protocols.reconstruction_error)
    assert float(error(moved, truth)) < 0.01
    noise = np.random.default_rng(0).normal(0, 0.02, truth.shape)
    expected = 1000 * np.linalg.norm(noise, axis=1).mean()
    np.testing.assert_allclose(error(moved + 1.7 * noise, truth), expected, rtol=0.02)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["3dpw"], "sequenceFiles/test: no such folder"),
        (["h36m", "--regressors", "."], "J_regressor_h36m.npy"),
        (["ehf", "--correspondence", "a.pkl"], "needs --body"),
        (["cmu"], "cmu"),
        (["amass"], "amass"),
        (["cmu", "--count", "0"], "--count is 0"),
    ],
)
def test_what_is_missing_is_named(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert script.main(["lgd-dataset", *words, "--data-dir", ".", "--json", "a.json"]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_gendered_bodies_are_asked_for(
    joint_model: joints.JointModel,
    body: smpl.BodyModel,
    body_file: Path,
    regressors: Path,
    tmp_path: Path,
) -> None:
    test_threedpw.write(tmp_path, test_threedpw.fields(joint_model))
    arguments = partial(ThreeDpw, tmp_path, regressors=regressors)
    with pytest.raises(InputError, match="needs --male FILE: 6 of its bodies"):
        evaluate_dataset.load(arguments(), body)
