"""`ief-jax fit` of many frames: the same however it was cut, killed or shared."""

import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ief_jax import cli
from ief_jax.cli import fit_parts, fit_source
from ief_jax.formats import bodies as formats_bodies
from ief_jax.formats import detection_files, detections
from ief_jax.formats.assembling import Options
from ief_jax.io.files import InputError
from ief_jax.lgd import fitting


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory, standing: np.ndarray) -> Path:
    """Ten frames of two who walk apart, in turns the one first and the other; from frame 8 on
    nobody; one who is cut off in frame 2, and frame 5 is broken."""
    folder = tmp_path_factory.mktemp("frames")
    noise = np.random.default_rng(0).normal(0, 2, (12, 2, 25, 2))
    half = np.where(np.arange(25)[:, None] < 4, standing, 0)
    for number in range(12):
        people = [standing + [4 * number, 0, 0], standing + [250 - 2 * number, 0, 0]]
        for person, shift in zip(people, noise[number], strict=True):
            person[:, :2] += shift
        people = people[:: -1 if number % 2 else 1] if number < 8 else []
        people += [half] if number == 2 else []
        entries = [{"pose_keypoints_2d": person.reshape(-1).tolist()} for person in people]
        text = json.dumps({"people": entries}) if number != 5 else '{"people": ['
        (folder / f"walk_{number}_keypoints.json").write_text(text)
    return folder


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of four frames, fitted in batches of eight."""
    monkeypatch.setattr(fit_source, "PART", 4)
    monkeypatch.setattr(fit_parts, "_FIT_BATCH", 8)
    monkeypatch.setattr(fitting, "PART", 8)


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def arrays(output: Path) -> dict[str, np.ndarray]:
    with np.load(output / "bodies.npz") as file:
        return {key: file[key] for key in file.files}


@pytest.fixture
def whole(frames: Path, checkpoint: Path, tmp_path: Path) -> dict[str, np.ndarray]:
    """What comes out in one go."""
    output = tmp_path / "whole"
    words = ("fit", frames, "--no-pictures", "--checkpoint", checkpoint, "--output", output)
    assert run(*words) == 0
    assert sorted(path.name for path in (output / "parts").glob("*.npz")) == [
        "000000.npz",
        "000001.npz",
        "000002.npz",
    ]
    return arrays(output)


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], two[key], err_msg=key)


def test_parts_are_what_all_frames_at_once_are(
    whole: dict[str, np.ndarray],
    frames: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fit_source, "PART", 1000)
    words = ("--no-pictures", "--checkpoint", checkpoint, "--output", tmp_path / "once")
    assert run("fit", frames, *words) == 0
    once = arrays(tmp_path / "once")
    assert once["id"].tolist() == [0, 1] * 7 and once["frame"][-1] == 7
    assert once["skipped_frame"].tolist() == [2] and len(once["passed_over"]) == 1
    assert once.keys() == whole.keys()
    for key, expected in once.items():
        assert whole[key].dtype.kind == expected.dtype.kind
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(whole[key], expected, rtol=1e-4, atol=1e-3, err_msg=key)
        else:
            np.testing.assert_array_equal(whole[key], expected, err_msg=key)


def test_shards_make_the_same(
    whole: dict[str, np.ndarray],
    frames: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "shared"
    words = ("fit", frames, "--no-pictures", "--checkpoint", checkpoint, "--output", output)
    assert run(*words, "--shard", "2/2") == 0
    assert "1 of 3 parts are there; the same command without --shard" in capsys.readouterr().err
    assert run(*words, "--shard", "1/2") == 0
    assert [path.name for path in output.iterdir()] == ["parts"]
    made = {path: path.stat().st_mtime_ns for path in (output / "parts").iterdir()}
    assert run(*words) == 0
    assert made == {path: path.stat().st_mtime_ns for path in made}
    same(arrays(output), whole)
    for wrong in ("0/2", "3/2", "2", "a/b"):
        assert run(*words, "--shard", wrong) == 2
        assert f"--shard {wrong}: expected I/N" in capsys.readouterr().err
    assert run(*words, "--focal", 500, "--image-size", 400, 400) == 2
    assert "has parts of focal None, not 500.0" in capsys.readouterr().err


def test_what_was_done_before_an_interruption_stays(
    whole: dict[str, np.ndarray],
    frames: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "broken"
    words = ("fit", frames, "--no-pictures", "--checkpoint", checkpoint, "--output", output)
    write, made = formats_bodies.write, []

    def interrupted(path: Path, *rest: object) -> None:
        made.append(path.name)
        if len(made) == 2:
            raise KeyboardInterrupt
        write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(formats_bodies, "write", interrupted)
    assert run(*words) == 130
    assert not (output / "bodies.npz").exists()
    assert run(*words) == 0
    assert "1 part of 3 are there already" in capsys.readouterr().err
    assert made == ["000000.npz", "000001.npz", "000001.npz", "000002.npz"]
    same(arrays(output), whole)
    damaged = output / "parts" / "000001.npz"
    damaged.write_bytes(damaged.read_bytes()[:-500])
    assert run(*words) == 2
    assert "000001.npz: not an npz" in capsys.readouterr().err


SMALL_PARTS = """
import sys, time
from ief_jax import cli
from ief_jax.cli import fit_parts, fit_source
from ief_jax.lgd import fitting
fit_source.PART, fit_parts._FIT_BATCH, fitting.PART = 4, 8, 8
make = fit_parts.make
fit_parts.make = lambda *part: (make(*part), time.sleep(1))
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_end(
    whole: dict[str, np.ndarray], frames: Path, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "killed"
    words = ["fit", frames, "--no-pictures", "--checkpoint", checkpoint, "--output", output]
    process = subprocess.Popen([sys.executable, "-c", SMALL_PARTS, *map(str, words)])
    until = time.monotonic() + 240
    while not (output / "parts" / "000000.npz").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (output / "bodies.npz").exists()
    kept = {path: path.stat().st_mtime_ns for path in (output / "parts").glob("*.npz")}
    assert 1 <= len(kept) < 3
    assert run(*words) == 0
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    same(arrays(output), whole)


def test_one_file_of_many_frames_is_cut_too(
    standing: np.ndarray, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = np.stack([standing] * 10)
    people[..., :2] += np.random.default_rng(0).normal(0, 1, (10, 25, 2))
    np.savez(tmp_path / "k.npz", keypoints=people, skeleton="BODY_25")
    words = ("fit", tmp_path / "k.npz", "--no-pictures", "--checkpoint", checkpoint)
    assert run(*words, "--output", tmp_path / "parts") == 0
    assert len(list((tmp_path / "parts" / "parts").glob("*.npz"))) == 3
    monkeypatch.setattr(fit_source, "PART", 1000)
    assert run(*words, "--output", tmp_path / "once") == 0
    parts, once = arrays(tmp_path / "parts"), arrays(tmp_path / "once")
    np.testing.assert_allclose(parts["joints"], once["joints"], atol=1e-4)
    for key in ("frame", "id", "points", "frame_names"):
        np.testing.assert_array_equal(parts[key], once[key], err_msg=key)


def test_a_folder_of_few_large_files_is_read_file_by_file(
    standing: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        np.savez(
            tmp_path / f"k{number}.npz", keypoints=np.stack([standing] * 4), skeleton="BODY_25"
        )
    monkeypatch.setattr(fit_source, "PART", 1000)
    assert not fit_source.are_many([tmp_path])
    size = (tmp_path / "k0.npz").stat().st_size
    monkeypatch.setattr(fit_source, "MOST_BYTES", 2 * size)
    monkeypatch.setattr(fit_source, "SAMPLE_BYTES", size)
    assert fit_source.are_many([tmp_path])
    assert not fit_source.are_many([tmp_path / "k0.npz"] * 3)
    monkeypatch.setattr(fit_source, "PART", 4)
    found = fit_source.of_files([tmp_path], Options())
    assert found.parts == 3 and len(found.read(2).points) == 4


STORED: dict[str, dict[str, Any]] = {
    "npz": {},
    "frames in no order, some with two": {
        "frame": [3, 3, 9, 4, 12, 0, 0, 12, 5, 7],
        "id": [0, 1, 2, 0, 1, 1, 0, 2, 0, 1],
    },
    "names": {"frame_names": [f"v_{i:03d}" for i in range(5, 19)], "images": [*"abcdefghijklmn"]},
    "numbers": {
        "frame_names": [f"v{i}" for i in range(11)],
        "frame_numbers": [50, *range(10)],
        "images": [b"a", b"", b"c"],
        "person": [*range(10)],
        "fps": 25.0,
    },
    "images alone": {"images": [*"abcdefghij"]},
    "bodies": {"reprojected": 0},
    "steps": {},
    "npy": {},
}


@pytest.mark.parametrize("kind", STORED)
def test_an_npz_in_parts_is_what_it_is_as_a_whole(
    kind: str, standing: np.ndarray, tmp_path: Path
) -> None:
    """Keypoint by keypoint and frame by frame, whoever is passed over or not there too."""
    people = np.stack([standing] * 10).astype(np.float32)
    people[..., :2] += np.random.default_rng(0).normal(0, 1, (10, 25, 2))
    people[6, 3, 0] = 1e7  # too far away to be a keypoint
    people[2, 5, 2] = 0.01  # unlikely
    others: Any = {name: np.asarray(value) for name, value in STORED[kind].items()}
    path = tmp_path / "k.npz"
    if kind == "npy":
        np.save(path.with_suffix(".npy"), people)
        path = path.with_suffix(".npy")
    elif kind == "steps":
        people[7] = 0  # nobody
        np.savez_compressed(path, keypoints=people[..., :2].reshape(5, 2, 25, 2))
    elif kind == "bodies":
        np.savez_compressed(path, points=people[..., :2], confidence=people[..., 2], **others)
    else:
        np.savez(path, keypoints=people, **others)
    options = Options("BODY_25")
    whole = detections.to_union(detection_files.read(path, options=options))
    assert fit_source.are_many([path])
    source = fit_source.of_files([path], options)
    assert source.parts == -(-len(whole.frame_names) // 4)
    found = detections.joined([source.read(number) for number in range(source.parts)])
    for name, expected in whole._asdict().items():
        if name not in ("skeleton", "evidence"):  # parts without anybody have their own
            np.testing.assert_array_equal(getattr(found, name), expected, err_msg=name)
    # a part again, out of turn
    first = source.read(0)
    np.testing.assert_array_equal(first.points, found.points[: len(first.points)])


def test_a_damaged_npz_is_an_error_before_anybody_is_fitted(
    standing: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "k.npz"
    np.savez(path, keypoints=np.stack([standing] * 100))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"k\.npz.*'keypoints' cannot be read: Bad CRC-32"):
        fit_source.of_files([path], Options("BODY_25"))


def test_memory_does_not_grow_with_an_npz(
    standing: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what says who is where, three numbers a person, and not by the 75 of the keypoints."""
    monkeypatch.setattr(fit_source, "PART", 500)
    monkeypatch.setattr(fit_source, "SAMPLE_FRAMES", 64)
    peaks = {}
    for count in (2_000, 12_000):
        path = tmp_path / f"{count}.npz"
        np.savez_compressed(path, keypoints=np.tile(standing.astype(np.float32), (count, 1, 1)))
        tracemalloc.start()
        source = fit_source.of_files([path], Options("BODY_25"))
        assert len(source.read(source.parts - 1).points) == 500
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[12_000] - peaks[2_000] < 10_000 * 8 * 8
