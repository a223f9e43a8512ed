"""The accelerator's check tells a device that is wrong from one that rounds otherwise."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks import accelerator


class Bodies(NamedTuple):
    joints: np.ndarray


JOINTS = np.random.default_rng(0).normal(size=(8, 24, 3)).astype(np.float32)


def first(found: Any) -> accelerator.First:
    return lambda: found, found, 1.0


@pytest.mark.parametrize(("millimetres", "good"), [(0.0, True), (0.2, True), (2.0, False)])
def test_bodies_a_millimetre_apart_are_wrong(millimetres: float, good: bool) -> None:
    moved = np.concatenate([JOINTS, JOINTS]) + np.array([1e-3 * millimetres, 0, 0])
    found = accelerator._compare("fit paper", first(Bodies(moved)), first(Bodies(JOINTS)))
    assert found["good"] is good
    assert found["largest"] == pytest.approx(millimetres, abs=1e-3)


def test_nan_and_another_gradient_are_wrong() -> None:
    expected = {"kernel": JOINTS, "bias": 1e-7 * JOINTS}
    for factor, good in ((1.0, True), (1.0 + 1e-4, True), (1.01, False), (np.nan, False)):
        found = {"kernel": factor * JOINTS, "bias": 1.5e-7 * JOINTS}
        line = accelerator._compare("training lgd paper", first(found), first(expected))
        assert line["good"] is good, factor
    assert accelerator._compare("keypoints", None, first(JOINTS)) == {}


def test_a_case_that_fails_or_is_late_counts_as_not_computed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> accelerator.First:
        raise MemoryError("too little")

    def sleep() -> accelerator.First:
        time.sleep(0.5)
        return first(0)

    with ThreadPoolExecutor(1) as pool:
        assert accelerator._result(pool.submit(fail), time.perf_counter() + 9) is None
        late = pool.submit(sleep)
        assert accelerator._result(late, time.perf_counter()) is None
    assert "failed: MemoryError: too little" in capsys.readouterr().out


def test_all_that_is_timed_is_known() -> None:
    for timed in accelerator.SIZES.values():
        for name, count in timed:
            assert callable(accelerator._timed(name, count))
