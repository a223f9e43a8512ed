"""How fast bodies are fitted: one person, batches, the first call; beside PyTorch over smplx.

    pip install -e '.[peers]'          # PyTorch and smplx, to compare with; optional
    python -m benchmarks.fit [--configuration paper] [--batch 1024] [--repeats 10]

Weights are random, ours and the others': they make no difference to the time. `paper` is the
paper's network, 4.3 M parameters and four steps, which is also what the peers run. They compute
smplx's whole mesh, which ours does not (`benchmarks.joints`), and once more the same points alone.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks import timing
from ief_jax.body import joints, model_files, smpl
from ief_jax.lgd import build, checkpoints, config, fitting


def main(
    configuration: Literal["paper", "released"] = "paper",
    batch: int = 1024,
    repeats: int = 10,
    first_call: bool = True,
    peers: bool = True,
) -> None:
    """Prints a table of times.

    Args:
      configuration: whose network and steps.
      batch: people at once, for throughput.
      repeats: timed calls; the fastest counts.
      first_call: time the first call of a fresh process too, without and with JAX's compilation
        cache.
      peers: compare with PyTorch over smplx.
    """
    body = model_files.embedded()
    ours = _ours(body, configuration)
    cores = os.cpu_count()
    print(f"{configuration}, {cores} cores, {jax.devices()[0].device_kind}, jax {jax.__version__}")
    times = {}
    for people in (1, 64, batch):
        points, confidence = _detections(people)
        times[people] = timing.milliseconds(lambda: ours(points, confidence), repeats)  # noqa: B023
        _print(f"fit of {people}", times[people], people)
    if peers and _has_peers():
        _compare(body, times, repeats)
    if first_call:
        _first_calls(configuration)


def _ours(body: smpl.BodyModel, name: str) -> timing.Fit:
    settings = config.NAMED[name]
    model = joints.fold(body)
    task = build.problem(settings, model)
    weights = build.initial_weights(settings, task, jax.random.key(0))
    checkpoint = checkpoints.Checkpoint(settings, weights)
    return lambda points, confidence: fitting.fit(checkpoint, model, points, confidence)


def _detections(people: int) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    points = rng.uniform(100, 400, (people, 27, 2))
    return jnp.asarray(points, jnp.float32), jnp.ones((people, 27), jnp.float32)


def _has_peers() -> bool:
    missing = [name for name in ("torch", "smplx") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"no comparison without {' and '.join(missing)}: pip install -e '.[peers]'")
    return not missing


def _compare(body: smpl.BodyModel, ours: dict[int, float], repeats: int) -> None:
    import torch

    from benchmarks import smplx_peers

    updater = smplx_peers.Updater()
    by_mesh = smplx_peers.Reprojection(body)
    by_points = smplx_peers.Reprojection(body, smplx_peers.PointsOnly(body))
    size = sum(p.numel() for p in updater.parameters()) / 1e6
    print(f"PyTorch {torch.__version__} over smplx, {torch.get_num_threads()} threads:")
    for people in (1, 64):
        points, confidence = (torch.tensor(np.array(a)) for a in _detections(people))
        points = (points - 250) / 150

        def learned(error: Any, points: Any = points, confidence: Any = confidence) -> Any:
            return smplx_peers.learned_gradient_descent(error, updater, points, confidence)

        def adam(points: Any = points, confidence: Any = confidence) -> Any:
            return smplx_peers.adam(by_mesh, points, confidence)

        for name, found in (
            (
                f"LGD, {size:.1f} M parameters, mesh",
                timing.milliseconds(partial(learned, by_mesh), repeats),
            ),
            ("LGD, the points alone", timing.milliseconds(partial(learned, by_points), repeats)),
            ("Adam, 100 iterations, mesh", timing.milliseconds(adam, 1, warm=0)),
        ):
            _print(f"{name}, {people}", found, people, f"{found / ours[people]:8.1f}x ours")


def _first_calls(configuration: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cached = {"JAX_COMPILATION_CACHE_DIR": folder}
        for name, settings in (
            ("first call, fresh process", {}),
            ("", cached),
            ("first call, compilation cache", cached),
        ):
            call, process = _fresh(configuration, settings)
            if name:
                print(f"{name:32}{call:10.2f} s, the whole process {process:.2f} s")


def _fresh(configuration: str, settings: dict[str, str]) -> tuple[float, float]:
    """Seconds of the first fit of one in a new process, and of the process."""
    code = (
        "import time; from benchmarks import fit; from ief_jax.body import model_files; "
        "import jax; "
        f"ours = fit._ours(model_files.embedded(), '{configuration}'); "
        "inputs = fit._detections(1); start = time.perf_counter(); "
        "jax.block_until_ready(ours(*inputs)); print(time.perf_counter() - start)"
    )
    environment = {**os.environ, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", **settings}
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(run.stdout), time.perf_counter() - start


def _print(name: str, milliseconds: float, people: int, more: str = "") -> None:
    rate = 1e3 * people / milliseconds
    print(f"{name:36}{milliseconds:10.2f} ms{rate:10.0f} a second{more}")


if __name__ == "__main__":
    tyro.cli(main)
