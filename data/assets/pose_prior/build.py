"""Fits the embedded pose prior to motion capture.

    python -m data.assets.pose_prior.build TRAIN.npz MESH2MOTION.npz [--output PRIOR.npz]

The files are AMASS-style: `poses` [N, >= 66] (SMPL axis-angle, root first) and, if poses of one
subject should not outweigh the others, `subject` [N]; `python -m data.prepare cmu-split` and
`python -m data.prepare mesh2motion` write them.
What is wrong with captured poses is put right there, nothing of it here. See README.md in this
folder.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ief_jax.formats import poses as formats_poses
from ief_jax.io.files import replacing

BODY = 63
"""Angles of SMPL's joints 1 to 21; the two hand joints stay zero."""

# SMPL joint that each joint's mirror image is.
MIRROR = np.array(
    [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
)


def continuous(poses: np.ndarray) -> np.ndarray:
    """Axis-angle vectors [N, 24, 3] of the same rotations, each nearest to its joint's median.

    v and (1 - 2 pi / |v|) v are one rotation; near |v| = pi a plain logarithm jumps between them.
    """
    angle = np.maximum(np.linalg.norm(poses, axis=-1, keepdims=True), 1e-6)
    other = (1 - 2 * np.pi / angle) * poses
    median = np.median(poses, axis=0)
    nearer = np.linalg.norm(other - median, axis=-1) < np.linalg.norm(poses - median, axis=-1)
    # Small rotations have their other form a whole turn away, and keep theirs.
    return np.where((nearer & (angle[..., 0] > 2.0))[..., None], other, poses)


def tilt(root: np.ndarray) -> np.ndarray:
    """Root rotations [N, 3] with their yaw removed: (x, z) of the axis-angle vector, [N, 2].

    R = Ry(yaw) S, where S is the shortest rotation that takes R^T y, the body frame's upward
    direction, to y; its axis has no y.
    """
    up = Rotation.from_rotvec(root).inv().apply([0.0, 1.0, 0.0])
    axis = np.cross(up, [0.0, 1.0, 0.0])
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, up[:, 1:2])
    vector = np.where(sine > 1e-9, axis / np.maximum(sine, 1e-9), 0.0) * angle
    return vector[:, [0, 2]]


def features(poses: np.ndarray) -> np.ndarray:
    """Poses [N, 24, 3] to what the prior is fitted to: 63 body angles and 2 of tilt, [N, 65]."""
    local = continuous(poses)
    return np.concatenate([local[:, 1:22].reshape(-1, BODY), tilt(local[:, 0])], -1)


def mirror(values: np.ndarray) -> np.ndarray:
    """The features [N, 65] of the mirrored poses."""
    body = np.pad(values[:, :BODY].reshape(-1, 21, 3), ((0, 0), (1, 0), (0, 0)))
    # Mirroring at x = 0 keeps rotations about x and reverses those about y and z.
    body = (body[:, MIRROR[:22]] * [1, -1, -1])[:, 1:]
    return np.concatenate([body.reshape(-1, BODY), values[:, BODY:] * [1, -1]], -1)


def balanced(subject: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of a subset in which no subject has more than about `share` of all poses.

    Poses are thinned at random; a subject with few poses keeps them all.
    """
    names, counts = np.unique(subject, return_counts=True)
    cap = int(counts.max())
    # Capping the largest lowers the total, hence the cap: iterate to the fixed point.
    for _ in range(100):
        cap = max(int(share * np.minimum(counts, cap).sum()), 1)
    if share * len(names) < 1:
        raise ValueError(f"of {len(names)} subjects one has more than {share:.0%} of the poses")
    chosen = [rng.permutation(np.flatnonzero(subject == name))[:cap] for name in names]
    return np.sort(np.concatenate(chosen))


def main() -> None:
    """Reads the command line, fits, writes the asset."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("poses", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=Path("ief_jax/assets/pose_prior.npz"))
    parser.add_argument("--components", type=int, default=96)
    parser.add_argument("--share", type=float, default=0.1, help="most that one subject may hold")
    parser.add_argument("--variance", type=float, default=4e-4, help="added to each angle, rad^2")
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    from sklearn.mixture import GaussianMixture

    started = time.time()
    found = formats_poses.read_all(arguments.poses)
    subject = np.arange(len(found.poses)) if found.subject is None else found.subject
    rng = np.random.default_rng(arguments.seed)
    poses = found.poses.astype(np.float64)
    kept = balanced(subject, arguments.share, rng)
    values = features(poses[kept])
    values = np.concatenate([values, mirror(values)])
    print(f"{len(poses)} poses; {len(kept)} kept, mirrored {len(values)}")

    mixture = GaussianMixture(
        arguments.components,
        reg_covar=arguments.variance,
        max_iter=arguments.iterations,
        tol=1e-2,
        random_state=arguments.seed,
        verbose=2,
        verbose_interval=10,
    ).fit(values.astype(np.float32))
    single = np.cov(values[:, :BODY].T) + arguments.variance * np.eye(BODY)
    low = np.tril_indices(BODY + 2)
    arrays = {
        "weights": mixture.weights_.astype(np.float32),
        "means": mixture.means_.astype(np.float16),
        "cholesky": np.linalg.cholesky(mixture.covariances_)[:, low[0], low[1]].astype(np.float16),
        "mean": values[:, :BODY].mean(0).astype(np.float32),
        "mean_cholesky": np.linalg.cholesky(single)[np.tril_indices(BODY)].astype(np.float16),
        "provenance": np.array(
            "Fitted by data/assets/pose_prior/build.py to motion capture from mocap.cs.cmu.edu; "
            "the database was created with funding from NSF EIA-0196217; and to Mesh2Motion's "
            "animations (CC0 1.0). "
            f"components={arguments.components} share={arguments.share} "
            f"variance={arguments.variance} iterations={arguments.iterations} "
            f"seed={arguments.seed} poses={len(values)}"
        ),
    }
    with replacing(arguments.output) as file:
        np.savez_compressed(file, **arrays)
    print(
        f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB, mean log density "
        f"{mixture.lower_bound_:.2f}, {time.time() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
