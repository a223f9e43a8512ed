"""Measures where keypoints lie in an image, for telling layouts apart.

    python -m data.assets.layouts.build [--output ief_jax/assets/layouts.npz]

See README.md in this folder; `ief_jax/formats/layout_evidence.py` reads what this writes.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.body import joints, model_files, pose_prior
from ief_jax.geometry import skeletons
from ief_jax.io.files import replacing
from ief_jax.lgd import synthetic_views

COMPARED = ("COCO_18", "BODY_25B", "BODY_25", "MPII_16", "H36M_17", "CROWDPOSE_14")
"""Between them, these have every keypoint of all layouts that share their number with another."""

PLACES = {
    "h36m_spine": {"spine2": 1.0},
    "h36m_neck": {"left_shoulder": 0.35, "right_shoulder": 0.35, "smpl_neck": 0.3},
    "h36m_jaw": {"smpl_head": 0.7, "nose": 0.3},
    "crowdpose_neck": {"smpl_neck": 0.6, "left_shoulder": 0.2, "right_shoulder": 0.2},
}
"""Keypoints that the body has no point for: about where they are."""

VIEWS = 8
_BATCH = 2000


def keypoint_names() -> tuple[str, ...]:
    """Every keypoint that is compared, each once."""
    return tuple(dict.fromkeys(n for key in COMPARED for n in skeletons.LAYOUTS[key]))


def places(names: tuple[str, ...], points: tuple[str, ...]) -> np.ndarray:
    """The matrix [K, P] from a body's points to the keypoints."""
    rows = []
    for name in names:
        parts = PLACES.get(name, {name: 1.0})
        each = skeletons.selection(tuple(parts), points)
        rows.append(np.array(list(parts.values()), np.float32) @ each)
    return np.stack(rows)


def sample(count: int, seed: int, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Bodies from the prior seen from random sides: keypoints [N, K, 2], metres, y down, about
    their pelvis, and the way that the body faces [N], radians."""
    model = joints.fold(model_files.embedded())
    prior = pose_prior.embedded()
    matrix = jnp.asarray(places(names, model.names))

    @jax.jit
    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
            example = synthetic_views.prior_example(key, prior, model, matrix)
            pelvis = example.points[names.index("pelvis")][None]
            forward = example.local[0][:, 2]
            return (example.points - pelvis) / example.camera.scale, jnp.atan2(
                forward[0], forward[2]
            )

        return jax.vmap(one)(jax.random.split(key, _BATCH))

    parts = [draw(key) for key in jax.random.split(jax.random.key(seed), count // _BATCH)]
    return (
        np.concatenate([np.asarray(points) for points, _ in parts]),
        np.concatenate([np.asarray(yaw) for _, yaw in parts]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("ief_jax/assets/layouts.npz"))
    parser.add_argument("--count", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    names = keypoint_names()
    points, yaw = sample(arguments.count, arguments.seed, names)
    view = np.round(yaw / (2 * np.pi / VIEWS)).astype(int) % VIEWS
    flat = points.reshape(len(points), -1).astype(np.float64)
    covariances = np.stack([np.cov(flat[view == v].T) for v in range(VIEWS)])
    low = np.tril_indices(flat.shape[1])
    arrays: dict[str, np.ndarray] = {
        "names": np.array(names),
        "means": np.stack([flat[view == v].mean(0) for v in range(VIEWS)]).astype(np.float32),
        "covariances": covariances[:, low[0], low[1]].astype(np.float32),
        "provenance": np.array(
            "Measured by data/assets/layouts/build.py on the embedded body in poses of the "
            f"embedded prior: count={arguments.count} seed={arguments.seed}"
        ),
    }
    with replacing(arguments.output) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
