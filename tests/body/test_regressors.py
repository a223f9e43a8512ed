"""Joint regressors: rows by name, folded exactly, and refused where they do not belong."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, regressors, smpl
from ief_jax.geometry import rotations
from ief_jax.io.files import InputError
from ief_jax.lgd import protocols
from ief_jax.lgd.parameters import Body

NEAREST = {
    "h36m_spine": "spine1",
    "h36m_neck": "neck",
    "h36m_jaw": "head",
    "h36m_head": "head",
    "extra_neck": "neck",
    "extra_head_top": "head",
    "extra_thorax": "spine3",
    "extra_spine": "spine1",
    "extra_jaw": "head",
    "extra_head": "head",
}


def rows(body: smpl.BodyModel, names: Sequence[str]) -> np.ndarray:
    """Regressors near the body's own joints, no two the same."""
    own = np.asarray(body.joint_regressor)
    noise = np.random.default_rng(0).dirichlet(np.full(len(body.template), 0.01), len(names))
    places = [smpl.JOINT_NAMES.index(NEAREST.get(n, n.partition("_")[2])) for n in names]
    return 0.97 * own[places] + 0.03 * noise


@pytest.mark.parametrize("order", [regressors.H36M_SPIN, regressors.H36M_17])
def test_either_order_of_the_legs(
    order: tuple[str, ...], body: smpl.BodyModel, tmp_path: Path
) -> None:
    expected = rows(body, order)
    np.save(tmp_path / "J_regressor_h36m.npy", expected)
    found = regressors.load(tmp_path, body)
    assert tuple(found) == order
    for name, row in zip(order, expected, strict=True):
        np.testing.assert_array_equal(found[name], row)


def test_regressed_joints_are_those_of_the_posed_mesh(body: smpl.BodyModel, tmp_path: Path) -> None:
    files = {"h36m": regressors.H36M_SPIN, "extra": regressors.EXTRA_9}
    for file, names in files.items():
        np.save(tmp_path / f"J_regressor_{file}.npy", rows(body, names).astype(np.float32))
    model = joints.fold(body, regressors.load(tmp_path, body))
    rng = np.random.default_rng(1)
    local = rotations.axis_angle_to_matrix(jnp.asarray(rng.normal(0, 0.5, (24, 3)), jnp.float32))
    posed = Body(local, jnp.asarray(rng.normal(0, 1, 10), jnp.float32))
    vertices = np.asarray(jax.jit(smpl.vertices)(body, *posed), np.float64)
    wanted = (*protocols.H36M_14, "extra_head_top")
    by_name = {
        name: row @ vertices
        for names in files.values()
        for name, row in zip(names, rows(body, names), strict=True)
    }
    found = jax.jit(protocols.points, static_argnums=1)(model, wanted, posed)
    np.testing.assert_allclose(found, np.stack([by_name[n] for n in wanted]), atol=1e-5)


def test_the_14_joints_are_spins() -> None:
    """SPIN's H36M_TO_J14 (constants.py), as indices into its file's rows."""
    indices = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    expected = tuple(regressors.H36M_SPIN[i] for i in indices)
    assert expected == regressors.H36M_14


def test_a_point_that_the_body_has_not(
    body: smpl.BodyModel, joint_model: joints.JointModel
) -> None:
    at_rest = Body(jnp.broadcast_to(jnp.eye(3), (24, 3, 3)), jnp.zeros(10))
    with pytest.raises(ValueError, match="no point 'h36m_right_ankle'"):
        protocols.points(joint_model, protocols.H36M_14, at_rest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda array: array[:14], r"is float64 \(14, 6890\), expected floats \(17, 6890\)"),
        (lambda array: array.astype(int), "expected floats"),
        (lambda array: np.where(array > 0.1, np.nan, array), "not finite"),
        (lambda array: array[:, ::-1], "another mesh than this body's"),
        (lambda array: np.array([{}]), "not a .npy file of plain numbers"),
    ],
)
def test_regressors_that_do_not_belong(
    change: Callable[[np.ndarray], np.ndarray], message: str, body: smpl.BodyModel, tmp_path: Path
) -> None:
    array = change(rows(body, regressors.H36M_SPIN))
    np.save(tmp_path / "J_regressor_h36m.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message) as error:
        regressors.load(tmp_path, body)
    assert "J_regressor_h36m.npy" in str(error.value)


def test_missing_regressors(body: smpl.BodyModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="J_regressor_h36m.npy: no such file"):
        regressors.load(tmp_path, body)
    with pytest.raises(InputError, match="no such folder"):
        regressors.load(tmp_path / "nowhere", body)
