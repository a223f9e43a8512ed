"""What was kept of a video is taken up where it ends, and never that of another."""

from pathlib import Path

import numpy as np
import pytest

from ief_jax.formats import frame_store
from ief_jax.formats.frame_store import Part

ABOUT = {"video": "clip.mp4", "bytes": 1000, "keypoints": ["nose"]}


def part(first: int, people: list[int]) -> Part:
    """As many frames as there are numbers: of the people in each."""
    frame = np.repeat(np.arange(len(people)), people) + first
    points = np.stack([frame, np.arange(len(frame))], 1)[:, None] * np.ones((1, 5, 1))
    return Part(
        first,
        (np.arange(len(people)) + first) / 25,
        frame,
        points.astype(np.float32),
        np.full((len(frame), 5), 0.5, np.float32),
    )


PARTS = [part(0, [1, 2]), part(2, [0, 0, 0]), part(5, [2])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "found"
    assert frame_store.resume(folder, ABOUT) == []
    for one in PARTS:
        frame_store.keep(folder, one)
    return folder


def test_parts_come_back(folder: Path) -> None:
    found = frame_store.resume(folder, ABOUT)
    assert [one.first for one in found] == [0, 2, 5]
    for one, expected in zip(found, PARTS, strict=True):
        for field, value in expected._asdict().items():
            np.testing.assert_array_equal(getattr(one, field), value)


def test_another_video_begins_anew(folder: Path) -> None:
    assert frame_store.resume(folder, {**ABOUT, "bytes": 1001}) == []
    assert [path.name for path in folder.iterdir()] == ["about.json"]
    assert frame_store.resume(folder, ABOUT) == []


def test_parts_behind_a_gap_or_damage_do_not_count(folder: Path) -> None:
    path = folder / "00000002.npz"
    path.write_bytes(path.read_bytes()[:200])
    assert [one.first for one in frame_store.resume(folder, ABOUT)] == [0]
    assert sorted(path.name for path in folder.iterdir()) == ["00000000.npz", "about.json"]


def test_joined() -> None:
    found, times = frame_store.joined(PARTS, ("a", "b", "c", "d", "e"), "clip", 25.0)
    np.testing.assert_allclose(times, np.arange(6) / 25)
    assert found.frame.tolist() == [0, 1, 1, 5, 5]
    assert found.person.tolist() == [0, 0, 1, 0, 1]
    assert found.points[:, 0, 0].tolist() == found.frame.tolist()
    assert found.frame_names[5] == "clip_000000000005"
    assert found.numbers == tuple(range(6))
    assert found.fps == 25
