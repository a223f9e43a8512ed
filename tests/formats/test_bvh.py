"""BVH, read back: joints by the tree of its own offsets, rotations by the reader of CMU's files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.cmu import bvh as cmu
from ief_jax.body import smpl
from ief_jax.body.motion import Motion
from ief_jax.formats import bvh
from ief_jax.io.files import OutputError
from tests.helpers import motions


@pytest.fixture(scope="module")
def person() -> Motion:
    return motions.moving(3, 25)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, body: smpl.BodyModel, person: Motion) -> Path:
    path = tmp_path_factory.mktemp("bvh") / "person.bvh"
    bvh.write(path, body, person, 25)
    return path


def positions(path: Path) -> dict[str, np.ndarray]:
    """[T, 3] of each joint: what a viewer makes of the file."""
    head, motion = path.read_text().split("MOTION\n")
    rows = np.loadtxt(motion.splitlines()[2:], ndmin=2)
    found: dict[str, np.ndarray] = {}
    above: list[tuple[np.ndarray, np.ndarray]] = []  # position and rotation of the open joints
    name, column = "", 0
    for line in head.splitlines():
        word, *rest = line.split() or [""]
        if word in ("ROOT", "JOINT", "End"):
            name = rest[0] if word != "End" else f"{name} end"
        elif word == "OFFSET":
            offset = np.array(rest, float)
            if not above:
                place = np.tile(offset, (len(rows), 1))
            else:
                place = above[-1][0] + above[-1][1] @ offset
            above.append((place, np.tile(np.eye(3), (len(rows), 1, 1))))
            found[name] = place
        elif word == "CHANNELS":
            place, turn = above.pop()
            turn = above[-1][1] if above else turn
            for channel in rest[1:]:
                values, column = rows[:, column], column + 1
                axis = np.eye(3)["XYZ".index(channel[0])]
                if channel.endswith("position"):
                    place = place + values[:, None] * axis
                else:
                    turn = (
                        turn @ Rotation.from_rotvec(np.radians(values)[:, None] * axis).as_matrix()
                    )
            above.append((place, turn))
            found[name] = place
        elif word == "}":
            above.pop()
    assert column == rows.shape[1]
    return found


def test_joints_come_back(path: Path, body: smpl.BodyModel, person: Motion) -> None:
    found = positions(path)
    expected = motions.joints(body, person)
    for joint, name in enumerate(smpl.JOINT_NAMES):
        np.testing.assert_allclose(found[name], expected[:, joint], atol=1e-4, err_msg=name)
    ends = sorted(name.removesuffix(" end") for name in found if name.endswith(" end"))
    assert ends == ["head", "left_foot", "left_hand", "right_foot", "right_hand"]


def test_rotations_come_back(path: Path, person: Motion) -> None:
    motion = cmu.read(path, 25)
    root = motion.names.index("pelvis")
    expected = Rotation.from_rotvec(person.poses[:, 0]).as_matrix()
    np.testing.assert_allclose(motion.rotations[:, root], expected, atol=1e-5)


def test_angles_do_not_jump(path: Path) -> None:
    rows = np.loadtxt(path.read_text().split("MOTION\n")[1].splitlines()[2:])
    assert np.abs(np.diff(rows[:, 3:6], axis=0)).max() < 90, "who turns round and round"


def test_the_rate(path: Path) -> None:
    lines = path.read_text().split("MOTION\n")[1].splitlines()
    assert lines[0] == "Frames: 25"
    assert float(lines[1].removeprefix("Frame Time: ")) == pytest.approx(1 / 25)


def test_a_folder_that_is_not_there(tmp_path: Path, body: smpl.BodyModel, person: Motion) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*none/a\.bvh"):
        bvh.write(tmp_path / "none" / "a.bvh", body, person, 25)
