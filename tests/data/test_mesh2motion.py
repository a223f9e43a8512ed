"""Mesh2Motion: a joint's turn in a glTF file comes out as SMPL's, whatever the rig's own axes."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation

from data import prepare
from data.mesh2motion import anatomy, clips, gltf
from data.motion import kinematics
from data.motion.preparation import rest_offsets
from ief_jax.body.model_files import PARENTS
from ief_jax.body.smpl import JOINT_NAMES
from ief_jax.formats import poses as formats_poses
from ief_jax.io.files import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "mesh2motion"
RIGIFY, UNREAL = clips.RIGS
JOINTS = {name: i for i, name in enumerate(JOINT_NAMES)}
LEFT = {"collar", "shoulder", "elbow", "wrist"}

# Where a bone points at rest, which is its own y; the shanks lean back by 9 degrees.
POINTS = {
    "hip": (0, -1, 0.0),
    "knee": (0, -1, -0.16),
    "ankle": (0, -0.5, 0.9),
    "foot": (0, 0, 1),
}
LEAN = np.degrees(np.arctan(0.16))


def direction(joint: str) -> np.ndarray:
    side, _, kind = joint.partition("_")
    if kind in LEFT:
        return np.array([1.0 if side == "left" else -1.0, 0, 0])
    return np.array(POINTS.get(kind, (0, 1, 0)), float)


def axes(joint: str, spin: float) -> Rotation:
    """Axes in the world of a bone at rest: y along it, spun about it."""
    along = direction(joint) / np.linalg.norm(direction(joint))
    (found, _) = Rotation.align_vectors([along], [[0, 1, 0]])
    return found * Rotation.from_rotvec([0, spin, 0])


Keys = tuple[list[float], list[Rotation], str]
"""Times, turns in the world away from rest, relative to the parent's, and the interpolation."""


def write(path: Path, rig: Mapping[str, str], animations: Mapping[str, Mapping[str, Keys]]) -> Path:
    """A file with a rig whose joints' axes are their own, and its animations."""
    rng = np.random.default_rng(0)
    joints = list(JOINT_NAMES[:22])
    # Blender's armature has z up: the root node turns it.
    root = Rotation.from_euler("x", -90, degrees=True)
    rest = {joint: axes(joint, rng.uniform(-3, 3)) for joint in joints}
    parent = {joint: JOINT_NAMES[PARENTS[i]] if i else "" for i, joint in enumerate(joints)}
    above = {joint: rest[parent[joint]] if parent[joint] else root for joint in joints}
    order = joints[::-1]  # children first, as in the real files
    document = pygltflib.GLTF2(asset=pygltflib.Asset(version="2.0"))
    for joint in order:
        children = [order.index(child) for child in joints if parent[child] == joint]
        document.nodes.append(
            pygltflib.Node(
                name=rig[joint],
                children=children,
                rotation=(above[joint].inv() * rest[joint]).as_quat().tolist(),
            )
        )
    document.nodes.append(
        pygltflib.Node(
            name="root", children=[order.index("pelvis")], rotation=root.as_quat().tolist()
        )
    )
    data = b""

    def accessor(numbers: np.ndarray) -> int:
        nonlocal data
        packed = numbers.astype("<f4").tobytes()
        document.bufferViews.append(
            pygltflib.BufferView(buffer=0, byteOffset=len(data), byteLength=len(packed))
        )
        data += packed
        document.accessors.append(
            pygltflib.Accessor(
                bufferView=len(document.bufferViews) - 1,
                componentType=pygltflib.FLOAT,
                count=len(numbers),
                type="SCALAR" if numbers.ndim == 1 else "VEC4",
            )
        )
        return len(document.accessors) - 1

    for name, moved in animations.items():
        animation = pygltflib.Animation(name=name)
        for joint, (times, turns, interpolation) in moved.items():
            own = [above[joint].inv() * turn * rest[joint] for turn in turns]
            animation.samplers.append(
                pygltflib.AnimationSampler(
                    input=accessor(np.array(times)),
                    output=accessor(np.stack([turn.as_quat() for turn in own])),
                    interpolation=interpolation,
                )
            )
            target = pygltflib.AnimationChannelTarget(node=order.index(joint), path="rotation")
            animation.channels.append(
                pygltflib.AnimationChannel(sampler=len(animation.samplers) - 1, target=target)
            )
        document.animations.append(animation)
    document.buffers.append(pygltflib.Buffer(byteLength=len(data)))
    document.set_binary_blob(data)
    document.save_binary(str(path))
    return path


def about(axis: str, degrees: float) -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def still(turn: Rotation, interpolation: str = "LINEAR") -> Keys:
    return [0.0, 1.0], [turn, turn], interpolation


@pytest.mark.parametrize("rig", clips.RIGS, ids=("rigify", "unreal"))
def test_known_turns_come_out(tmp_path: Path, rig: Mapping[str, str]) -> None:
    """Bends that no joint's share changes: from rest, one about its own axis each."""
    moved = {
        "pelvis": still(about("x", -90)),  # on the back
        "left_knee": still(about("x", 50)),
        "right_hip": still(about("x", -70), "STEP"),
        "right_elbow": still(about("y", 60)),
        "head": still(about("y", 25)),
    }
    path = write(tmp_path / "a.glb", rig, {"Known": moved})
    (pose, *_) = np.degrees(clips.read(path, 10)["Known"])
    expected = np.zeros((24, 3))
    expected[JOINTS["pelvis"], 0] = -90
    # The rig's knees are bent at rest; SMPL's are measured between the bones.
    expected[JOINTS["left_knee"], 0] = 50 + LEAN
    expected[JOINTS["right_knee"], 0] = LEAN
    expected[JOINTS["right_hip"], 0] = -70
    expected[JOINTS["right_elbow"], 1] = 60
    expected[JOINTS["head"], 1] = 25
    # The feet stay as the rig's were turned from rest.
    for side in ("left", "right"):
        expected[JOINTS[f"{side}_ankle"], 0] = -LEAN
    np.testing.assert_allclose(pose, expected, atol=1e-3)


def test_limbs_point_where_the_rig_points_them(tmp_path: Path) -> None:
    """Whatever all its joints do; and pelvis, chest and head are turned as the rig's are."""
    rng = np.random.default_rng(1)
    moved = {joint: still(Rotation.from_rotvec(rng.normal(0, 0.5, 3))) for joint in UNREAL}
    path = write(tmp_path / "a.glb", UNREAL, {"All": moved})
    file = gltf.read(path)
    rig = gltf.motion(file, "All", 10).rotations[0]
    at = {joint: rig[file.names.index(bone)] for joint, bone in UNREAL.items()}
    start = dict(zip(file.names, gltf.rest(file), strict=True))
    (pose, *_) = clips.read(path, 10)["All"]
    local = Rotation.from_rotvec(pose).as_matrix()[None]
    (world,) = kinematics.compose(local, PARENTS)
    for joint in UNREAL:
        side, _, kind = joint.partition("_")
        if kind in ("hip", "knee", "shoulder", "elbow"):
            along = direction(joint) if kind in LEFT else np.array([0, -1.0, 0])
            np.testing.assert_allclose(
                world[JOINTS[joint]] @ along, at[joint][:, 1], atol=1e-6, err_msg=joint
            )
    for joint in ("pelvis", "spine3", "neck", "head"):
        turned = at[joint] @ start[UNREAL[joint]].T
        np.testing.assert_allclose(world[JOINTS[joint]], turned, atol=1e-6, err_msg=joint)


def test_frames_are_between_the_keys(tmp_path: Path) -> None:
    """LINEAR on the shortest way at an even pace; STEP holds; a channel holds behind its end."""
    turns = [about("x", 0), about("x", 80)]
    moved = {
        "head": ([0.5, 1.5], turns, "LINEAR"),
        "neck": ([0.5, 1.05], turns, "STEP"),
    }
    file = gltf.read(write(tmp_path / "a.glb", RIGIFY, {"Nod": moved}))
    found = gltf.motion(file, "Nod", 10)
    start = dict(zip(file.names, gltf.rest(file), strict=True))

    def pitch(joint: str) -> np.ndarray:
        bone = found.rotations[:, file.names.index(RIGIFY[joint])] @ start[RIGIFY[joint]].T
        return Rotation.from_matrix(bone).as_rotvec(degrees=True)[:, 0]

    neck = np.where(np.arange(11) >= 6, 80.0, 0)
    np.testing.assert_allclose(pitch("neck"), neck, atol=1e-3)
    np.testing.assert_allclose(pitch("head") - neck, np.arange(11) * 8.0, atol=1e-3)


def test_knees_are_hinges() -> None:
    """A twisted shank: hip, knee and ankle keep their places, the foot its turn."""
    poses = np.zeros((3, 24, 3))
    knee, hip, ankle = JOINTS["left_knee"], JOINTS["left_hip"], JOINTS["left_ankle"]
    bent = Rotation.from_euler("x", [[20], [60], [110]], degrees=True)
    poses[:, hip] = [0.3, -0.4, 0.2]
    poses[:, knee] = (bent * about("y", 25)).as_rotvec()
    poses[:, ankle] = about("y", -15).as_rotvec()
    found = anatomy.personal(poses)
    before, after = (
        kinematics.compose(
            Rotation.from_rotvec(p.reshape(-1, 3)).as_matrix().reshape(3, 24, 3, 3), PARENTS
        )
        for p in (poses, found)
    )
    # About the bend's own axis, and nearly so where the leg is nearly straight
    assert np.abs(np.degrees(found[:, knee, 1:])).max() < 3.0
    np.testing.assert_allclose(np.degrees(found[:, knee, 0]), [20, 60, 110], atol=0.5)
    legs = [hip, knee, ankle]
    places = [kinematics.positions(w, rest_offsets(), PARENTS)[:, legs] for w in (before, after)]
    np.testing.assert_allclose(places[1], places[0], atol=0.006)
    np.testing.assert_allclose(after[:, ankle], before[:, ankle], atol=0.06)


def test_the_back_bends_all_along() -> None:
    poses = np.zeros((1, 24, 3))
    poses[0, JOINTS["spine3"], 0] = np.radians(40)
    (found,) = np.degrees(anatomy.personal(poses))
    back = [JOINTS[f"spine{i}"] for i in (1, 2, 3)]
    np.testing.assert_allclose(found[back, 0], [20, 10, 10], atol=1e-6)


def test_command_writes_distinct_poses(tmp_path: Path) -> None:
    """Not a reference, and not the same animation twice."""
    wave = {"left_elbow": ([0.0, 2.0], [about("y", 0), about("y", -100)], "LINEAR")}
    lying = {"pelvis": still(about("x", -90))}
    write(tmp_path / "a.glb", RIGIFY, {"T-Pose": lying, "Wave": wave})
    write(tmp_path / "b.glb", UNREAL, {"Wave RM": wave, "Lie": lying})
    out = tmp_path / "out"
    assert prepare.main(["mesh2motion", str(tmp_path), str(out)]) == 0
    found = np.load(out / "mesh2motion.npz")
    assert found["sequence_names"].tolist() == ["Wave", "Wave RM", "Lie"]
    counts = np.bincount(found["sequence"], minlength=3)
    assert 5 < counts[0] <= 21
    assert counts[1:].tolist() == [0, 1]
    poses = formats_poses.read(out / "mesh2motion.npz")
    assert len(poses.poses) == counts.sum()
    assert poses.subject is not None
    assert set(poses.subject) == {"mesh2motion"}


def broken(path: Path, kind: str) -> Path:
    turns = {"head": still(about("x", 10))}
    write(path, RIGIFY, {"Nod": turns})
    document = pygltflib.GLTF2().load(str(path))
    match kind:
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
            return path
        case "text":
            path.write_text("glTF?")
            return path
        case "rig":
            document.nodes[0].name = "Nobody"
        case "spline":
            document.animations[0].samplers[0].interpolation = "CUBICSPLINE"
        case "count":
            document.accessors[1].count = 1
        case "integers":
            document.accessors[1].componentType = pygltflib.SHORT
        case "extension":
            document.extensionsRequired = ["EXT_meshopt_compression"]
        case "matrix":
            document.nodes[-1].matrix = np.eye(4).ravel().tolist()
        case "loop":
            document.nodes[0].children = [len(document.nodes) - 1]
        case "infinite":
            blob = bytearray(document.binary_blob())
            blob[8:12] = struct.pack("<f", np.nan)
            document.set_binary_blob(bytes(blob))
    document.save_binary(str(path))
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "not a whole binary glTF file"),
        ("text", "not a whole binary glTF file"),
        ("rig", "its rig has no DEF-hand.R; expected Mesh2Motion's"),
        ("spline", "'Nod' is interpolated CUBICSPLINE"),
        ("count", "'Nod' cannot be read .*as many as its rotations"),
        ("integers", "'Nod' cannot be read .*plain floats"),
        ("extension", "needs extensions: EXT_meshopt_compression"),
        ("matrix", "nodes with a matrix"),
        ("loop", "not a tree"),
        ("infinite", "'Nod' cannot be read .*not finite"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, kind: str, message: str) -> None:
    path = broken(tmp_path / "a.glb", kind)
    with pytest.raises(InputError, match=rf"a\.glb: .*{message}"):
        clips.read(path, 10)


def test_empty_folders_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare.main(["mesh2motion", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "mesh2motion-app" in capsys.readouterr().err
    write(tmp_path / "a.glb", RIGIFY, {"Nod": {"head": still(about("x", 10))}})
    words = ["mesh2motion", str(tmp_path), str(tmp_path / "out"), "--rate", "0"]
    assert prepare.main(words) == 2
    assert "--rate is 0" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs Mesh2Motion's animations")
def test_real_animations() -> None:
    """Who sleeps lies on the back, who idles stands straight, knees and elbows bend inwards."""
    found = clips.read_all(SHARED, 10)
    assert len(found.names) == 84
    assert 600 < len(found.poses) < 900
    degrees = np.degrees(found.poses)
    of = {
        name: degrees[found.sequence == i]
        for i, name in enumerate(found.names)
        if (found.sequence == i).any()
    }
    knees = [JOINTS["left_knee"], JOINTS["right_knee"]]
    np.testing.assert_allclose(of["Sleeping"][:, 0], [[-90, 0, 0]], atol=10)
    assert (of["Pushup"][:, 0, 0] > 60).all()
    assert np.abs(of["Idle"][:, knees]).max() < 10
    assert np.abs(of["Greeting"][:, knees]).max() < 10
    assert degrees[:, knees, 0].min() > -5
    assert np.abs(degrees[:, knees, 1:]).max() < 15
    # Mostly bent forwards in the T-pose: the left about -y, the right about +y
    assert np.percentile(degrees[:, JOINTS["left_elbow"], 1], 95) < 5
    assert np.percentile(degrees[:, JOINTS["right_elbow"], 1], 5) > -5
    # Chest and head of who stands and talks
    world = kinematics.compose(
        Rotation.from_rotvec(np.radians(of["Idle"]).reshape(-1, 3))
        .as_matrix()
        .reshape(-1, 24, 3, 3),
        PARENTS,
    )
    assert (world[:, [JOINTS["spine3"], JOINTS["head"]], 1, 1] > np.cos(np.radians(15))).all()
