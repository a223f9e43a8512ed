"""smplx reads the same files and poses the same bodies."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ief_jax.body import joints, model_files, smpl
from ief_jax.geometry import rotations
from tests.helpers.fabricated import smpl_fields

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="needs torch: pip install '.[peers]'")
    smplx = pytest.importorskip("smplx", reason="needs smplx: pip install '.[peers]'")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

COUNT = 8
our_vertices = jax.jit(jax.vmap(smpl.vertices, (None, 0, 0)))
our_points = jax.jit(jax.vmap(joints.positions, (None, 0, 0)))
# The points that smplx puts after the joints, in its order.
FACE = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
FEET = tuple(f"{s}_{n}" for s in ("left", "right") for n in ("big_toe", "small_toe", "heel"))
FINGERS = tuple(
    f"{side}_{name}"
    for side in ("left", "right")
    for name in ("thumb", "index", "middle", "ring", "pinky")
)


def their_bodies(path: Path, poses: np.ndarray, betas: np.ndarray, **options: Any) -> Any:
    """smplx's output in double precision."""
    model = smplx.SMPL(str(path), num_betas=betas.shape[1], dtype=torch.float64, **options)
    with torch.no_grad():
        return model(
            betas=torch.tensor(betas),
            global_orient=torch.tensor(poses[:, :3]),
            body_pose=torch.tensor(poses[:, 3:]),
        )


def random_parameters(betas: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    poses = rng.normal(0, spread, (COUNT, 72))
    poses[:, :3] = rng.uniform(-np.pi / 2, np.pi / 2, (COUNT, 3))
    return poses, rng.normal(0, 2, (COUNT, betas))


def our_inputs(poses: np.ndarray, betas: np.ndarray) -> tuple[jax.Array, jax.Array]:
    axis_angle = jnp.asarray(poses.reshape(-1, 24, 3), jnp.float32)
    return rotations.axis_angle_to_matrix(axis_angle), jnp.asarray(betas, jnp.float32)


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.2])
def test_embedded_body_as_smplx_poses_it(
    tmp_path: Path, body: smpl.BodyModel, spread: float
) -> None:
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    model_files.save_npz(body, tmp_path / "body.npz")
    with np.load(tmp_path / "body.npz") as archive:
        path.write_bytes(pickle.dumps({name: archive[name] for name in archive.files}, 2))
    ours = model_files.load(path)
    poses, betas = random_parameters(10, spread)
    theirs = their_bodies(path, poses, betas)
    local, coefficients = our_inputs(poses, betas)
    vertices = our_vertices(ours, local, coefficients)
    np.testing.assert_allclose(vertices, theirs.vertices, atol=1e-5)
    model = joints.fold(ours)
    points = our_points(model, local, coefficients)
    order = [model.names.index(name) for name in (*smpl.JOINT_NAMES, *FACE, *FEET, *FINGERS)]
    np.testing.assert_allclose(points[:, order], theirs.joints, atol=1e-5)


def test_body_of_300_betas_and_another_mesh_as_smplx_poses_it(tmp_path: Path) -> None:
    path = tmp_path / "SMPL_FEMALE.pkl"
    path.write_bytes(pickle.dumps(smpl_fields(vertices=40, betas=300), 2))
    poses, betas = random_parameters(300, 0.5)
    betas *= 0.3
    no_landmarks = dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0)
    theirs = their_bodies(path, poses, betas, vertex_ids=no_landmarks)
    ours = model_files.load(path, betas=None)
    local, coefficients = our_inputs(poses, betas)
    vertices = our_vertices(ours, local, coefficients)
    np.testing.assert_allclose(vertices, theirs.vertices, atol=1e-5)
    points = our_points(joints.fold(ours), local, coefficients)
    np.testing.assert_allclose(points, theirs.joints[:, :24], atol=1e-5)
