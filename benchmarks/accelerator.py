"""Whether an accelerator computes what a CPU does, and how fast: one table, one JSON file.

    python -m benchmarks.accelerator [--json FILE] [--sizes full] [--minutes 5]

Fits, keypoints, gradients and training steps are computed on the accelerator and on the CPU, with
products of full float32 precision; fits and keypoints with JAX's default too, which on a GPU is
TF32. They are timed with the default at several batch sizes, beside the device's own rate at matrix
products. No data is needed. Programs are compiled side by side; compile times are those of the
first call among the others.
Where there is no accelerator the CPU is timed, and nothing is compared; its share of the matrix
products' rate is of that measured beside each row, for a CPU is often shared with other work.
"""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks import accelerator_cases as cases
from benchmarks import timing
from ief_jax.io.files import write_json

FULL, DEFAULT = "float32", "default"
"""Precisions of the products of float32 matrices."""
CHECKED = 8
"""People that are computed on both devices."""
STEPS = 4
"""Training steps made by both."""
FUSED = 16
"""Steps a call where training is timed."""
SIZES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "full": (
        *(("fit paper", 4096), ("fit released", 4096), ("keypoints", 256)),
        *(("lgd paper, train", 4096), ("lgd released, train", 4096), ("ief released, train", 256)),
        *(("fit paper", 1), ("fit released", 1), ("keypoints", 1), ("ief googlenet, train", 128)),
        *(("lgd released, train", 256), ("lgd released, unfused", 256)),
        *(("fit released", 256), ("fit released", 16384), ("fit paper", 16384)),
        *(("lgd paper, train", 256), ("keypoints", 32), ("ief released, train", 32)),
    ),
    "small": (
        *(("lgd paper, train", 256), ("fit paper", 64), ("fit released", 64), ("keypoints", 8)),
        *(("lgd paper, unfused", 256), ("ief released, train", 8)),
    ),
}
"""What is timed, of how many examples; what matters most comes first, should time run out."""
ALLOWED: Mapping[str, float] = {"mm": 1.0, "px": 0.5, "relative": 2e-3}
"""How far full precision may be from the CPU: rounding is amplified by every step."""


def main(
    json: Path | None = None,
    sizes: Literal["full", "small", "auto"] = "auto",
    minutes: float = 5.0,
) -> int:
    """Prints a table; the status is 1 if the accelerator is wrong.

    Args:
      json: file for all figures, written as they come.
      sizes: batch sizes; auto: full on an accelerator, small on a CPU.
      minutes: after these no program is waited for; what was compiled by then is timed.
    """
    until = time.perf_counter() + 60 * minutes
    device, cpu = jax.devices()[0], _cpu()
    if sizes == "auto":
        sizes = "small" if device.platform == "cpu" else "full"
    record: dict[str, Any] = {
        "device": device.device_kind,
        "platform": device.platform,
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "sizes": sizes,
    }

    def keep(name: str, found: Any) -> None:
        record[name] = found
        if json:
            write_json(json, record)

    print(f"{device.device_kind}, {os.cpu_count()} cores, jax {jax.__version__}", flush=True)
    keep("matmul_flops", {p: _matmul(device, p) for p in (FULL, DEFAULT, "bfloat16")})
    for precision, rate in record["matmul_flops"].items():
        print(f"  matrix products, {precision:10}{rate / 1e12:10.3f} TFLOP/s", flush=True)
    keep("checks", [])
    keep("rates", [])
    pool = ThreadPoolExecutor(max(1, min(8, (os.cpu_count() or 1) // 2)))
    checks = _submit_checks(pool, device, cpu) if cpu else {}
    rates = {
        (name, count): pool.submit(_first, _timed(name, count), device, DEFAULT)
        for name, count in SIZES[sizes]
    }
    timed = {key: _result(future, until) for key, future in rates.items()}
    compared = {
        name: (_result(one, until), _result(other, until)) for name, (one, other) in checks.items()
    }
    pool.shutdown(cancel_futures=True)

    good = True
    if checks:
        print("\nagainst the CPU: largest, and median, difference")
    for name, (here, there) in compared.items():
        line = {"name": name, "precision": FULL, **_compare(name, here, there)}
        good &= bool(line.get("good", False))
        keep("checks", [*record["checks"], line])
        _print_check(line)
        for (other, count), first in timed.items():
            if other == name and first is not None and count > 1:
                line = {"name": name, "precision": DEFAULT, **_compare(name, first, there)}
                keep("checks", [*record["checks"], line])
                _print_check(line)
                break
    print(f"\n{'':34}{'compiled':>9}{'a call':>12}{'a second':>12}{'of peak':>9}{'memory':>10}")
    for (name, count), first in timed.items():
        line = {"name": name, "batch": count}
        if first is not None:
            steps = FUSED if name.startswith("lgd") else 1
            line |= _time(device, first, count * steps)
            line["share_of_peak"] = _share(device, name, line["examples_per_second"])
        keep("rates", [*record["rates"], line])
        _print_rate(line)
    if checks:
        print(f"\n{device.device_kind} {'agrees with the CPU' if good else 'is WRONG'}")
    keep("good", good)
    return 0 if good else 1


First = tuple[cases.Call, Any, float]
"""A call, the result of the first one on the host, and how long that took, seconds."""


@contextmanager
def _on(device: jax.Device, precision: str) -> Iterator[None]:
    named = None if precision == DEFAULT else precision
    with jax.default_device(device), jax.default_matmul_precision(named):
        yield


def _first(case: cases.Case, device: jax.Device, precision: str) -> First:
    with _on(device, precision):
        call = case(device)
        began = time.perf_counter()
        found = jax.device_get(call())
        return call, found, time.perf_counter() - began


def _submit_checks(
    pool: ThreadPoolExecutor, device: jax.Device, cpu: jax.Device
) -> dict[str, tuple[Future[First], Future[First]]]:
    """For each case the device's first call and the CPU's, in full precision."""
    checked = {
        "fit paper": cases.fit("paper", CHECKED),
        "fit released": cases.fit("released", CHECKED),
        "keypoints": cases.keypoints(CHECKED),
        **{
            f"training {task}": cases.steps(task, 16, STEPS)
            for task in ("lgd paper", "lgd released", "ief released")
        },
    }
    return {
        name: (pool.submit(_first, case, device, FULL), pool.submit(_first, case, cpu, FULL))
        for name, case in checked.items()
    }


def _timed(name: str, count: int) -> cases.Case:
    """A case of `SIZES`; of LGD's training, `FUSED` steps a call."""
    what, _, how = name.partition(", ")
    if what == "keypoints":
        return cases.keypoints(count)
    if what.startswith("fit"):
        return cases.fit(what.removeprefix("fit "), count)
    lgd = what.startswith("lgd")
    return cases.train(what, count, FUSED if lgd else 1, lgd and how == "train")


def _result(future: Future[First], until: float) -> First | None:
    """What was computed; None if it was not in time, or failed, which is said."""
    try:
        return future.result(max(0.0, until - time.perf_counter()))
    except TimeoutError:
        future.cancel()
    except Exception as error:  # too little memory, say: the other figures still count
        print(f"  failed: {type(error).__name__}: {error}"[:300], flush=True)
    return None


def _compare(name: str, here: First | None, there: First | None) -> dict[str, Any]:
    """Largest and median difference, and whether it is small enough."""
    if here is None or there is None:
        return {}
    found, expected = here[1], there[1]
    if name.startswith("fit"):
        unit = "mm"
        # The first of more people are the same.
        joints = found.joints[: len(expected.joints)]
        apart = 1e3 * np.linalg.norm(joints - expected.joints, axis=-1)
    elif name == "keypoints":
        unit, apart = "px", np.linalg.norm(found[: len(expected)] - expected, axis=-1)
    else:
        # ||a - b|| / ||b|| of each array; of arrays that are next to nothing, of the largest one
        pairs = [*zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)]
        sizes = [float(np.linalg.norm(b)) for _, b in pairs]
        unit = "relative"
        apart = np.array(
            [
                np.linalg.norm(a - b) / max(size, 1e-4 * max(sizes))
                for (a, b), size in zip(pairs, sizes, strict=True)
            ]
        )
    return {
        "unit": unit,
        "largest": float(apart.max()),
        "median": float(np.median(apart)),
        # One person may fall to the other side of a fork; NaN is never good.
        "good": float(np.quantile(apart, 0.95)) <= ALLOWED[unit],
        "compiled": here[2],
        "compiled_on_cpu": there[2],
    }


def _share(device: jax.Device, name: str, rate: float) -> float | None:
    """What of the device's rate at matrix products, now, so many examples a second are."""
    operations = _operations(name.partition(",")[0])
    return operations and rate * operations / _matmul(device, DEFAULT)


@lru_cache
def _operations(task: str) -> float | None:
    return cases.operations(task) if task in cases.TASKS else None


def _time(device: jax.Device, first: First, examples: int) -> dict[str, Any]:
    call, _, compiled = first
    with _on(device, DEFAULT):
        once = timing.milliseconds(call, 1, warm=1)
        best = timing.milliseconds(call, int(np.clip(1000 / once, 2, 50)), warm=0)
    rate = 1e3 * examples / min(once, best)
    memory = device.memory_stats() or {}
    return {
        "compiled": compiled,
        "milliseconds": min(once, best),
        "examples_per_second": rate,
        "peak_bytes": memory.get("peak_bytes_in_use"),
    }


def _matmul(device: jax.Device, precision: str) -> float:
    """Floating-point operations a second of products of large matrices."""
    side, times = (1024, 4) if device.platform == "cpu" else (8192, 8)
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    with _on(device, FULL if precision == FULL else DEFAULT):
        key, other = jax.random.split(jax.random.key(0))
        matrix = (jax.random.normal(key, (side, side)) / side**0.5).astype(dtype)
        first = jax.random.normal(other, (side, side)).astype(dtype)

        @jax.jit
        def products(x: jax.Array, matrix: jax.Array) -> jax.Array:
            return jax.lax.fori_loop(0, times, lambda _, x: x @ matrix, x)

        best = timing.milliseconds(lambda: products(first, matrix), 5)
    return float(times * 2 * side**3 / (1e-3 * best))


def _cpu() -> jax.Device | None:
    """The device to compare with; the last of several, where there are CPUs alone."""
    try:
        last = jax.devices("cpu")[-1]
    except RuntimeError:
        last = jax.devices()[0]
    if last == jax.devices()[0]:
        print("no CPU beside this device (see JAX_PLATFORMS): nothing is compared")
        return None
    return last


def _print_check(line: Mapping[str, Any]) -> None:
    name = f"  {line['name']}, {line['precision']}"
    if "largest" not in line:
        print(f"{name:40} not computed", flush=True)
        return
    verdict = "" if line["precision"] != FULL else "  good" if line["good"] else "  WRONG"
    print(
        f"{name:40}{line['largest']:10.2g}{line['median']:10.2g} {line['unit']:9}{verdict}",
        flush=True,
    )


def _print_rate(line: Mapping[str, Any]) -> None:
    name = f"  {line['name']}, {line['batch']}"
    if "milliseconds" not in line:
        print(f"{name:34} not computed", flush=True)
        return
    share, memory = line["share_of_peak"], line["peak_bytes"]
    print(
        f"{name:34}{line['compiled']:7.1f} s{line['milliseconds']:9.2f} ms"
        f"{line['examples_per_second']:12.0f}{'' if share is None else f'{share:.1%}':>9}"
        f"{'' if memory is None else f'{memory / 2**30:.2f} GiB':>10}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(tyro.cli(main))
