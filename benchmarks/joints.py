"""The joints-only path against the way through the mesh: time and memory of a batch.

    python -m benchmarks.joints [--batch 256] [--repeats 10]

Both compute the 24 joints and all landmarks of the embedded body, forward and with the gradient of
a squared error by pose (axis-angle) and betas.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks import timing
from ief_jax.body import joints, model_files, smpl
from ief_jax.geometry import rotations

Points = Callable[[jax.Array, jax.Array], jax.Array]


def main(batch: int = 256, repeats: int = 10) -> None:
    """Times both paths and prints their ratio.

    Args:
      batch: bodies at once.
      repeats: timed calls; the fastest counts.
    """
    body = model_files.embedded()
    model = joints.fold(body)

    def by_joints(local: jax.Array, betas: jax.Array) -> jax.Array:
        return joints.positions(model, local, betas)

    def by_mesh(local: jax.Array, betas: jax.Array) -> jax.Array:
        shaped = smpl.shape(body, betas)
        posed = smpl.pose(shaped.joints, local, body.parents)
        vertices = smpl.skin(body, shaped, posed, local)
        return jnp.concatenate([posed.joints, vertices[body.landmarks]])

    rng = np.random.default_rng(0)
    poses = jnp.asarray(rng.normal(0, 0.5, (batch, 24, 3)), jnp.float32)
    betas = jnp.asarray(rng.normal(0, 1, (batch, 10)), jnp.float32)
    targets = jnp.asarray(rng.normal(0, 0.5, (batch, len(model.names), 3)), jnp.float32)

    print(f"{batch} bodies, {len(model.names)} points, on {jax.devices()[0].device_kind}")
    print(f"{'':10}{'forward':>14}{'with gradient':>18}{'memory':>14}")
    rows = [
        _measure(name, points, poses, betas, targets, repeats)
        for name, points in (("mesh", by_mesh), ("joints", by_joints))
    ]
    ratios = [mesh / quick for mesh, quick in zip(*rows, strict=True)]
    print(f"{'ratio':10}{ratios[0]:13.1f}x{ratios[1]:17.1f}x{ratios[2]:13.1f}x")


def _measure(
    name: str,
    points: Points,
    poses: jax.Array,
    betas: jax.Array,
    targets: jax.Array,
    repeats: int,
) -> tuple[float, float, float]:
    def one(pose: jax.Array, betas: jax.Array) -> jax.Array:
        return points(rotations.axis_angle_to_matrix(pose), betas)

    def error(poses: jax.Array, betas: jax.Array) -> jax.Array:
        return ((jax.vmap(one)(poses, betas) - targets) ** 2).sum()

    forward = jax.jit(jax.vmap(one)).lower(poses, betas).compile()
    gradient = jax.jit(jax.value_and_grad(error, (0, 1))).lower(poses, betas).compile()
    calls = (partial(program, poses, betas) for program in (forward, gradient))
    times = [timing.milliseconds(call, repeats) for call in calls]
    memory = gradient.memory_analysis()
    if memory is None:
        raise RuntimeError("this backend does not say how much memory a program takes")
    temporary = memory.temp_size_in_bytes / 2**20
    print(f"{name:10}{times[0]:11.2f} ms{times[1]:15.2f} ms{temporary:10.1f} MiB")
    return times[0], times[1], temporary


if __name__ == "__main__":
    tyro.cli(main)
