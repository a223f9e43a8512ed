"""How fast motion capture is prepared and streamed, and in how much memory.

    python -m benchmarks.poses [--cmu FOLDER] [--frames 2000000] [--batch-size 128]

An AMASS-like tree of so many made-up frames (2.8 GB for two million) is written to a temporary
folder, prepared, and streamed for one epoch; and so are the clips of FOLDER, CMU's BVH or ASF/AMC.
Preparing and streaming run in processes of their own, whose peak memory is theirs alone.
"""

import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tyro

DATA_SETS = ("ACCAD", "BMLmovi", "CMU", "EKUT", "KIT", "MPI_Limits", "SFU", "TotalCapture")
SEQUENCE = 2000
"""Frames of a made-up sequence."""
RATE = 30.0


def main(
    cmu: Path | None = None,
    frames: int = 2_000_000,
    batch_size: int = 128,
    folder: Path | None = None,
) -> None:
    """Prints a table.

    Args:
      cmu: folder with CMU's clips; left out without one.
      frames: of the made-up tree; 0 for none.
      batch_size: poses of a batch.
      folder: where to write; a temporary folder by default.
    """
    print(f"{os.cpu_count()} cores, batches of {batch_size}")
    with tempfile.TemporaryDirectory(dir=folder) as work:
        if cmu is not None:
            _measure("cmu", cmu, Path(work) / "prepared", batch_size)
        if frames:
            _made_up(Path(work) / "amass", frames)
            _measure("amass", Path(work) / "amass", Path(work) / "prepared", batch_size)


def epoch(name: str, data_dir: str, batch_size: int) -> None:
    """Streams each pose of the training split once; prints how many, seconds, seconds of CPU."""
    from data import amass, cmu
    from data.motion import pipeline

    prepared = {"amass": amass, "cmu": cmu}[name].prepared(Path(data_dir))
    began, working = time.perf_counter(), time.process_time()
    batches = -(-prepared.count // batch_size)
    for batch in itertools.islice(pipeline.stream(prepared, batch_size, seed=0), batches):
        assert batch.poses.shape == (batch_size, 24, 3)
    print(batches * batch_size, time.perf_counter() - began, time.process_time() - working)


def _measure(name: str, source: Path, data_dir: Path, batch_size: int) -> None:
    words = ["-m", "data.prepare", name, str(source), str(data_dir)]
    began = time.perf_counter()
    text, usage = _run(words)
    kept = int(text.split(": ")[1].split(" poses")[0])
    working = usage.ru_utime + usage.ru_stime
    _print(f"{name}: prepare", kept, time.perf_counter() - began, working, usage)
    code = f"from benchmarks import poses; poses.epoch({name!r}, {str(data_dir)!r}, {batch_size})"
    text, usage = _run(["-c", code])
    count, seconds, working = (float(word) for word in text.split())
    _print(f"{name}: one epoch", int(count), seconds, working, usage)


def _run(words: list[str]) -> tuple[str, resource.struct_rusage]:
    """What a Python process of its own prints, and what it used."""
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        text = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit status {process.returncode}")
    return text, usage


def _print(
    name: str, count: int, seconds: float, working: float, usage: resource.struct_rusage
) -> None:
    print(
        f"{name:20}{count:10} poses{seconds:8.1f} s, {working:.1f} s of CPU"
        f"{count / seconds:10.0f} a second{usage.ru_maxrss / 2**20:8.2f} GB at most",
        flush=True,
    )


def _made_up(folder: Path, frames: int) -> None:
    """Writes sequences of moving people in the layout of AMASS's SMPL+H release."""
    rng = np.random.default_rng(0)
    for number in range(-(-frames // SEQUENCE)):
        count = min(SEQUENCE, frames - number * SEQUENCE)
        where = folder / DATA_SETS[number % len(DATA_SETS)] / f"s{number % 37}"
        where.mkdir(parents=True, exist_ok=True)
        # Each angle swings at its own rate, and trembles so that no two poses are the same.
        rate, phase, middle = rng.uniform(0, 0.2, 66), rng.uniform(0, 6, 66), rng.normal(0, 0.2, 66)
        poses = np.zeros((count, 156))
        poses[:, :66] = middle + 0.4 * np.sin(np.arange(count)[:, None] * rate + phase)
        poses[:, :66] += rng.normal(0, 0.1, (count, 66))
        np.savez(
            where / f"{number}_poses.npz",
            trans=np.zeros((count, 3)),
            gender=np.array("neutral"),
            mocap_framerate=np.array(RATE),
            betas=rng.normal(0, 1, 16),
            dmpls=np.zeros((count, 8)),
            poses=poses,
        )


if __name__ == "__main__":
    tyro.cli(main)
