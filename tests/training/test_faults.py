"""Runs that are stopped, killed, damaged or out of their minds: each is really done to a process.

The run is that of `tests.helpers.tiny_run`, in a process of its own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from tests.helpers import tiny_run

ROOT = Path(__file__).parents[2]
LIMIT = 240.0
"""Seconds that a process may take: many times what it does."""
STEPS = 40


def start(work: Path, *more: str) -> subprocess.Popen[str]:
    words = ["--workdir", str(work), "--iterations", str(STEPS), *more]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.helpers.tiny_run", *words],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(work: Path, *more: str) -> tuple[int, str]:
    """The exit status, and what was said."""
    process = start(work, *more)
    _, said = process.communicate(timeout=LIMIT)
    assert "Traceback" not in said, said
    return process.returncode, said


def lines(work: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]


def losses(work: Path) -> list[tuple[float, float]]:
    return [(line["step"], line["loss"]) for line in lines(work)]


def events(work: Path) -> list[tuple[int, float]]:
    """Steps and losses in the one file of TensorBoard events, by the format's own description."""
    (path,) = work.glob("events.out.tfevents.*")
    content, found, at = path.read_bytes(), [], 0
    while at < len(content):
        # Length (8 bytes), its checksum (4), the event, its checksum (4)
        size = int.from_bytes(content[at : at + 8], "little")
        event = event_pb2.Event.FromString(content[at + 12 : at + 12 + size])
        at += 16 + size
        found += [(event.step, v.simple_value) for v in event.summary.value if v.tag == "loss"]
    return found


def published(work: Path) -> np.ndarray:
    return np.load(work / tiny_run.PUBLISHED)


def steps_saved(work: Path) -> list[int]:
    return sorted(int(p.name) for p in (work / "checkpoints").iterdir() if p.name.isdigit())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    work = tmp_path_factory.mktemp("whole") / "run"
    status, said = run(work, "--save-every", "7")
    assert status == 0, said
    assert [step for step, _ in losses(work)] == list(range(4, STEPS + 1, 4))
    return work


def agrees(work: Path, whole: Path) -> None:
    """The run came to the end that the one without a break did, with the same history."""
    np.testing.assert_array_equal(published(work), published(whole))
    assert losses(work) == losses(whole)
    np.testing.assert_allclose(events(work), losses(whole), rtol=1e-6)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (signal.SIGTERM, 143, "SIGTERM: finishing the step"),
        pytest.param(*(signal.SIGINT, 130, "SIGINT: finishing the step"), marks=pytest.mark.slow),
    ],
)
def test_asked_to_stop_a_run_saves_and_says_so(
    number: int, status: int, words: str, tmp_path: Path, whole: Path
) -> None:
    work = tmp_path / "run"
    process = start(work, "--seconds", "0.1")
    wait_for(lambda: (work / "metrics.jsonl").exists() and lines(work), process)
    process.send_signal(number)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == status, said
    assert words in said
    (saved,) = steps_saved(work)
    assert 4 <= saved < STEPS
    assert f"stopped after step {saved}; saved" in said
    assert (work / tiny_run.PUBLISHED).exists()
    code, said = run(work)
    assert code == 0 and f"going on from step {saved}" in said
    agrees(work, whole)


def test_killed_a_run_goes_on_to_the_same_end(tmp_path: Path, whole: Path) -> None:
    work = tmp_path / "run"
    for after in (5, 20):
        process = start(work, "--seconds", "0.05", "--save-every", "5")
        wait_for(
            lambda after=after: (
                (work / "checkpoints").exists()  # type: ignore[misc]
                and max(steps_saved(work), default=0) >= after
            ),
            process,
        )
        process.kill()
        process.communicate(timeout=LIMIT)
    assert run(work)[0] == 0
    agrees(work, whole)


@pytest.mark.slow
def test_a_line_cut_off_and_lines_ahead_are_written_anew(tmp_path: Path, whole: Path) -> None:
    work = tmp_path / "run"
    shutil.copytree(whole, work)
    shutil.rmtree(work / "checkpoints" / str(STEPS))
    with open(work / "metrics.jsonl", "a") as file:
        file.write('{"step": 44, "lo')
    code, said = run(work)
    assert code == 0 and "going on from step 35" in said
    agrees(work, whole)


def damage_truncated(folder: Path) -> None:
    largest(folder).write_bytes(largest(folder).read_bytes()[:-20])


def damage_flipped(folder: Path) -> None:
    content = bytearray(largest(folder).read_bytes())
    content[len(content) // 2] ^= 0x10
    largest(folder).write_bytes(content)


def damage_emptied(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def damage_no_state(folder: Path) -> None:
    shutil.rmtree(folder / "state")


def damage_no_metadata(folder: Path) -> None:
    for path in folder.rglob("*METADATA*"):
        path.unlink()


def damage_no_content(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def largest(folder: Path) -> Path:
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


@pytest.mark.parametrize(
    "damage",
    [
        damage_truncated,
        pytest.param(damage_flipped, marks=pytest.mark.slow),
        pytest.param(damage_emptied, marks=pytest.mark.slow),
        pytest.param(damage_no_state, marks=pytest.mark.slow),
        pytest.param(damage_no_metadata, marks=pytest.mark.slow),
        pytest.param(damage_no_content, marks=pytest.mark.slow),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(
    damage: Callable[[Path], None], tmp_path: Path, whole: Path
) -> None:
    work = tmp_path / "run"
    shutil.copytree(whole, work)
    assert steps_saved(work) == [35, STEPS]
    damage(work / "checkpoints" / str(STEPS))
    code, said = run(work)
    assert code == 0, said
    assert f"checkpoint {STEPS} in" in said and "is damaged" in said
    assert "going on from step 35" in said
    assert steps_saved(work) == [35, STEPS]
    agrees(work, whole)


def test_where_no_checkpoint_is_whole_it_says_so(tmp_path: Path, whole: Path) -> None:
    work = tmp_path / "run"
    shutil.copytree(whole, work)
    for number in steps_saved(work):
        damage_emptied(work / "checkpoints" / str(number))
    code, said = run(work)
    assert code == 2
    assert "no checkpoint is whole" in said


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path: Path) -> None:
    work = tmp_path / "run"
    words = ("--save-every", "5", "--nan-at", "23")
    for _ in range(2):  # it happens again, and still nothing is lost
        code, said = run(work, *words)
        assert code == 1
        assert "the loss of step 23, on batch 23, is nan" in said
        assert f"the state after step 20 stays in {work}" in said
        assert steps_saved(work) == [15, 20]
        assert np.isfinite(published(work)).all()
        assert [line["step"] for line in lines(work)] == [4, 8, 12, 16, 20]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    work = tmp_path / "run"
    code, said = run(work, "--save-every", "5", "--huge-at", "10")
    assert code == 1
    assert "after step 10, .weights has values that are not finite" in said
    assert "the state after step 5 stays" in said
    assert steps_saved(work) == [5]
    assert np.isfinite(published(work)).all()


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    """As the system says it of files that may not become larger."""
    work = tmp_path / "run"
    code, said = run(work, "--save-every", "5", "--largest-file", str(2**15))
    assert code == 2, said
    assert f"bytes to {work}/checkpoints: File too large" in said
    assert steps_saved(work) == []


def test_a_disk_too_full_for_metrics_is_a_clear_error(tmp_path: Path) -> None:
    """Nothing that is still to be written hides it at the end."""
    work = tmp_path / "run"
    code, said = run(work, "--largest-file", "1500")
    assert code == 2, said
    assert f"cannot write {work}/metrics.jsonl: File too large" in said
    *whole, cut_off = (work / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in whole] == [step for step, _ in events(work)]
    assert whole and not cut_off.endswith("}")


def test_checkpoints_that_are_no_folder_are_a_clear_error(tmp_path: Path) -> None:
    work = tmp_path / "run"
    work.mkdir()
    (work / "checkpoints").write_bytes(b"")
    code, said = run(work)
    assert code == 2, said
    assert f"cannot write to {work}/checkpoints: it is not a folder" in said


@pytest.mark.slow
def test_a_folder_that_is_taken_away_is_a_clear_error(tmp_path: Path, whole: Path) -> None:
    """It is found while steps go on; what had been saved before stays, and is gone on from."""
    work = tmp_path / "run"
    process = start(work, "--seconds", "0.1", "--save-every", "9")
    wait_for(lambda: (work / tiny_run.PUBLISHED).exists(), process)
    before = published(work)
    (work / "checkpoints").rename(work / "elsewhere")
    (work / "checkpoints").write_bytes(b"")
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, said
    assert f"cannot write checkpoint 18 to {work}/checkpoints" in said
    assert "Traceback" not in said
    np.testing.assert_array_equal(published(work), before)
    (work / "checkpoints").unlink()
    (work / "elsewhere").rename(work / "checkpoints")
    code, said = run(work)
    assert code == 0 and "going on from step 9" in said
    agrees(work, whole)


def test_what_cannot_be_published_is_a_clear_error(tmp_path: Path) -> None:
    """It is known in another thread than that of the steps."""
    work = tmp_path / "run"
    (work / tiny_run.PUBLISHED / "in the way").mkdir(parents=True)
    assert tiny_run.main(["--workdir", str(work), "--save-every", "5", "--seconds", "0.05"]) == 2
    assert steps_saved(work)[0] == 5 and steps_saved(work)[-1] < STEPS


def test_steps_go_on_while_a_checkpoint_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, feed, publish = threading.Event(), tiny_run.feed, tiny_run.publish

    def watched(options: tiny_run.Options, rows: np.ndarray, done: int) -> Iterator[Any]:
        for number, item in enumerate(feed(options, rows, done), done + 1):
            if number == 15:
                later.set()
            yield item

    def slow(workdir: Path, weights: Any) -> None:
        assert later.wait(20), "the steps after the checkpoint of step 10 wait for it"
        publish(workdir, weights)

    monkeypatch.setattr(tiny_run, "feed", watched)
    monkeypatch.setattr(tiny_run, "publish", slow)
    work = tmp_path / "run"
    assert tiny_run.main(["--workdir", str(work), "--save-every", "10"]) == 0
    assert steps_saved(work) == [30, STEPS]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--log-every", "0"), "--log-every is 0, expected 1 or more"),
        (("--save-every", "0"), "--save-every is 0, expected 1 or more"),
        (("--save-minutes", "0"), "--save-minutes is 0.0, expected more than 0"),
    ],
)
def test_intervals_that_make_no_sense(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny_run.main(["--workdir", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err


def test_checkpoints_come_by_the_minute(tmp_path: Path) -> None:
    work = tmp_path / "run"
    assert tiny_run.main(["--workdir", str(work), "--save-minutes", "1e-9", "--seconds", "0"]) == 0
    first, last = steps_saved(work)
    assert STEPS - 4 <= first < last == STEPS
