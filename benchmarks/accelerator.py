"""Whether an accelerator computes what a CPU does, and how fast: one table, one JSON file.

    python -m benchmarks.accelerator [--json FILE] [--sizes full] [--minutes 5]

Fits, keypoints, gradients and training steps are computed on the accelerator and on the CPU, with
products of full float32 precision and with JAX's default, which on a GPU is TF32; and timed at
several batch sizes, beside the device's own rate at matrix products. No data is needed. Programs
are compiled side by side on all cores; compile times are those of the first call among the others.
Where there is no accelerator the CPU is timed, and nothing is compared.
"""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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
CHECKED = 64
"""Examples that are computed on both devices."""
STEPS = 4
"""Training steps made by both."""
FUSED = 16
"""Steps a call where training is timed."""
SIZES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "full": {
        "fit paper": (1, 256, 4096, 16384),
        "fit released": (1, 256, 4096, 16384),
        "keypoints": (1, 32, 256),
        "lgd paper": (256, 4096),
        "lgd released": (256, 1024, 4096),
        "ief released": (32, 256),
        "ief googlenet": (32, 128),
    },
    "small": {
        "fit paper": (1, 64),
        "fit released": (64,),
        "keypoints": (8,),
        "lgd paper": (64,),
        "ief released": (8,),
    },
}
"""Batch sizes that are timed."""
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
      minutes: after these nothing new is begun.
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
        print(f"  matrix products, {precision:10}{rate / 1e12:10.2f} TFLOP/s", flush=True)
    workers = max(1, min(8, (os.cpu_count() or 1) // 2))
    with ThreadPoolExecutor(workers) as pool:
        checks = _submit_checks(pool, device, cpu) if cpu else {}
        rates = _submit_rates(pool, device, SIZES[sizes])
        good = True
        if checks:
            print("\nagainst the CPU: largest, and median, difference")
        found: list[dict[str, Any]] = []
        for (name, precision), (one, other) in checks.items():
            line = {"name": name, "precision": precision, **_compare(name, one, other, until)}
            found.append(line)
            good &= precision != FULL or line.get("good", False)
            keep("checks", found)
            _print_check(line)
        timed: list[dict[str, Any]] = []
        waiting = {key: _result(future, until) for key, future in rates.items()}
        counted = {task: cases.operations(task) for task in SIZES[sizes] if task in cases.TASKS}
        print(f"\n{'':34}{'compiled':>9}{'a call':>12}{'a second':>12}{'of peak':>9}{'memory':>10}")
        for (name, count, per_call), first in waiting.items():
            line = {"name": name, "batch": count}
            if first is not None and time.perf_counter() < until:
                peak = record["matmul_flops"][DEFAULT]
                line |= _time(
                    device, first, count * per_call, counted.get(name.partition(",")[0]), peak
                )
            timed.append(line)
            keep("rates", timed)
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
) -> dict[tuple[str, str], tuple[Future[First], Future[First]]]:
    """For each case and precision, the accelerator's first call and the CPU's."""
    tasks = ("lgd paper", "lgd released", "ief released")
    checked: dict[str, cases.Case] = {
        **{f"fit {name}": cases.fit(name, CHECKED) for name in ("paper", "released")},
        "keypoints": cases.keypoints(8),
        **{f"gradient {task}": cases.gradient(task, 16) for task in tasks},
        **{f"steps {task}": cases.train(task, 16, STEPS, task[0] == "l") for task in tasks},
    }

    def submit(case: cases.Case, device: jax.Device, precision: str) -> Future[First]:
        return pool.submit(_first, case, device, precision)

    found = {
        (name, FULL): (submit(case, device, FULL), submit(case, cpu, FULL))
        for name, case in checked.items()
    }
    if device.platform == "cpu":
        return found
    by_default = {
        (name, DEFAULT): (submit(case, device, DEFAULT), found[name, FULL][1])
        for name, case in checked.items()
        if not name.startswith("steps")
    }
    return {**found, **by_default}


def _submit_rates(
    pool: ThreadPoolExecutor, device: jax.Device, sizes: Mapping[str, tuple[int, ...]]
) -> dict[tuple[str, int, int], Future[First]]:
    """For each name, batch size and number of batches a call, the first call."""
    wanted: dict[tuple[str, int, int], cases.Case] = {}
    for name, counts in sizes.items():
        for count in counts:
            if name == "keypoints":
                wanted[name, count, 1] = cases.keypoints(count)
            elif name.startswith("fit"):
                wanted[name, count, 1] = cases.fit(name.split()[1], count)
            elif name.startswith("ief"):
                wanted[f"{name}, train", count, 1] = cases.train(name, count, 1, False)
            else:
                wanted[f"{name}, train", count, FUSED] = cases.train(name, count, FUSED, True)
        if name.startswith("lgd"):
            wanted[f"{name}, unfused", counts[0], FUSED] = cases.train(
                name, counts[0], FUSED, False
            )
    return {key: pool.submit(_first, case, device, DEFAULT) for key, case in wanted.items()}


def _result(future: Future[First], until: float) -> First | None:
    """What was computed; None if it was not in time, or failed, which is said."""
    try:
        return future.result(max(0.0, until - time.perf_counter()))
    except TimeoutError:
        future.cancel()
    except Exception as error:  # too little memory, say: the other figures still count
        print(f"  failed: {type(error).__name__}: {error}"[:300], flush=True)
    return None


def _compare(name: str, one: Future[First], other: Future[First], until: float) -> dict[str, Any]:
    """Largest and median difference, and whether it is small enough."""
    here, there = _result(one, until), _result(other, until)
    if here is None or there is None:
        return {}
    found, expected = here[1], there[1]
    if name.startswith("fit"):
        unit, apart = "mm", 1e3 * np.linalg.norm(found.joints - expected.joints, axis=-1)
    elif name == "keypoints":
        unit, apart = "px", np.linalg.norm(found - expected, axis=-1)
    else:
        # ||a - b|| / ||b|| of each array
        pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
        norm = np.linalg.norm
        unit = "relative"
        apart = np.array([norm(a - b) / max(float(norm(b)), 1e-6) for a, b in pairs])
    largest = float(apart.max())
    return {
        "unit": unit,
        "largest": largest,
        "median": float(np.median(apart)),
        # One person may fall to the other side of a fork; NaN is never good.
        "good": float(np.quantile(apart, 0.95)) <= ALLOWED[unit],
        "compiled": here[2],
        "compiled_on_cpu": there[2],
    }


def _time(
    device: jax.Device, first: First, examples: int, operations: float | None, peak: float
) -> dict[str, Any]:
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
        "share_of_peak": None if operations is None else rate * operations / peak,
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
