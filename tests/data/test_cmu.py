"""CMU motion capture: both releases read alike, limbs keep their directions, broken files named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.cmu import asf_amc, bvh, clips, retarget
from data.cmu.split import split_of
from data.motion import calibration, kinematics
from ief_jax.body.model_files import PARENTS
from ief_jax.body.smpl import JOINT_NAMES
from ief_jax.io.files import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data"

# CMU's skeleton: parent and direction of each bone in the zero pose, the legs 20 degrees apart.
LEG = np.array([np.sin(np.radians(20)), -np.cos(np.radians(20)), 0])
SIDE = np.array([-1, 1, 1])
SPINE = ("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head")
SKELETON: dict[str, tuple[str, np.ndarray]] = {"root": ("", np.zeros(3))}
SKELETON |= {
    name: (parent, np.array([0, 1, 0.05]))
    for parent, name in zip(("root", *SPINE), SPINE, strict=False)
}
for side, sign in (("l", 1), ("r", SIDE)):
    SKELETON |= {
        f"{side}hipjoint": ("root", np.array([0.65, -0.7, 0.2]) * sign),
        f"{side}femur": (f"{side}hipjoint", LEG * sign),
        f"{side}tibia": (f"{side}femur", LEG * sign),
        f"{side}foot": (f"{side}tibia", np.array([0.1, -0.2, 1.0]) * sign),
        f"{side}toes": (f"{side}foot", np.array([0, 0, 1.0])),
        f"{side}clavicle": ("thorax", np.array([1, 0.2, 0]) * sign),
        f"{side}humerus": (f"{side}clavicle", np.array([1.0, 0, 0]) * sign),
        f"{side}radius": (f"{side}humerus", np.array([1.0, 0, 0]) * sign),
        f"{side}hand": (f"{side}radius", np.array([1.0, 0, 0]) * sign),
    }
NAMES = tuple(SKELETON)
ROOT_PARENTS = [NAMES.index(parent) if parent else -1 for parent, _ in SKELETON.values()]
RIGID = ("lhipjoint", "rhipjoint")
IN_BVH = dict(
    zip(
        " ".join(clips.ASF_BONES.values()).split(),
        " ".join(clips.BVH_BONES.values()).split(),
        strict=True,
    )
) | {"lhipjoint": "LHipJoint", "rhipjoint": "RHipJoint"}


class Fabricated:
    """One clip in both formats, and the world rotations [N, bones, 3, 3] that it was made from."""

    def __init__(self, folder: Path, frames: int = 9, name: str = "02_01") -> None:
        rng = np.random.default_rng(0)
        axes = Rotation.from_rotvec(rng.normal(0, 1, (len(NAMES), 3)))
        axes = Rotation.concatenate([Rotation.identity(), *axes[1:]])
        angles = rng.uniform(-60, 60, (frames, len(NAMES), 3))
        angles[:, [NAMES.index(bone) for bone in ("lfoot", "rfoot")]] /= 3
        angles[:, [NAMES.index(bone) for bone in RIGID]] = 0
        turned = Rotation.from_euler("xyz", angles.reshape(-1, 3), degrees=True).as_matrix()
        bases = axes.as_matrix()
        local = bases @ turned.reshape(frames, -1, 3, 3) @ bases.swapaxes(-1, -2)
        self.world = kinematics.compose(local, ROOT_PARENTS)
        self.asf, self.amc = folder / f"{name[:2]}.asf", folder / f"{name}.amc"
        self.bvh = folder / f"{name}.bvh"
        self.asf.write_text(asf_text(axes))
        self.amc.write_text(amc_text(angles))
        self.bvh.write_text(bvh_text(local))

    def limb(self, bone: str) -> np.ndarray:
        """Where a bone points in each frame, in the world: [N, 3]."""
        along = self.world[:, NAMES.index(bone)] @ SKELETON[bone][1]
        return along / np.linalg.norm(along, axis=-1, keepdims=True)


def asf_text(axes: Rotation) -> str:
    bones = ""
    for i, name in enumerate(NAMES[1:], 1):
        x, y, z = axes[i].as_euler("xyz", degrees=True)
        dof = "" if name in RIGID else "dof rx ry rz"
        direction = " ".join(str(number) for number in SKELETON[name][1])
        bones += (
            f"begin\n id {i}\n name {name}\n direction {direction}\n length 2.5\n"
            f" axis {x:.12f} {y:.12f} {z:.12f}  XYZ\n {dof}\n end\n"
        )
    tree = "".join(f" {parent} {name}\n" for name, (parent, _) in list(SKELETON.items())[1:])
    return (
        "# made up\n:version 1.10\n:name VICON\n:units\n  mass 1.0\n  angle deg\n:documentation\n"
        "   none\n:root\n   order TX TY TZ RX RY RZ\n   axis XYZ\n   position 0 0 0\n"
        f"   orientation 0 0 0\n:bonedata\n{bones}:hierarchy\n begin\n{tree} end\n"
    )


def amc_text(angles: np.ndarray) -> str:
    text = "#!made up\n:FULLY-SPECIFIED\n:DEGREES\n"
    for number, frame in enumerate(angles, 1):
        text += f"{number}\n"
        for name, (x, y, z) in zip(NAMES, frame, strict=True):
            if name not in RIGID:
                place = "1 2 3 " if name == "root" else ""
                text += f"{name} {place}{x:.12f} {y:.12f} {z:.12f}\n"
    return text


def bvh_text(local: np.ndarray) -> str:
    """As the conversion has it: a T-pose first, then the frames; a joint is a bone's beginning."""
    order: list[str] = []

    def joint(name: str, depth: int) -> str:
        order.append(name)
        parent = SKELETON[name][0]
        offset = (
            " ".join(str(2.5 * number) for number in SKELETON[parent][1]) if parent else "0 0 0"
        )
        kind, places = ("JOINT", "3") if parent else ("ROOT", "6 Xposition Yposition Zposition")
        below = [child for child, (above, _) in SKELETON.items() if above == name]
        inner = "".join(joint(child, depth + 1) for child in below)
        if not below:
            end = " ".join(str(number) for number in SKELETON[name][1])
            inner = f"End Site\n{{\nOFFSET {end}\n}}\n"
        return (
            f"{kind} {IN_BVH[name]}\n{{\n\tOFFSET {offset}\n"
            f"\tCHANNELS {places} Zrotation Yrotation Xrotation\n{inner}}}\n"
        )

    tree = joint("root", 0)
    bend = {"lfemur": (-21, 0), "rfemur": (21, 0), "lhumerus": (-8, 0), "rhumerus": (8, 0)}
    bend |= {"lowerneck": (0, -16), "upperneck": (0, 21), "head": (0, 11)}
    rows = [
        [1.0, 2.0, 3.0]
        + [n for name in order for z, x in [bend.get(name, (0, 0))] for n in (z, 0, x)]
    ]
    for frame in local:
        angles = Rotation.from_matrix(frame).as_euler("ZYX", degrees=True)
        rows.append([1.0, 2.0, 3.0, *np.concatenate([angles[NAMES.index(name)] for name in order])])
    lines = "\n".join(" ".join(f"{number:.12f}" for number in row) for row in rows)
    return f"HIERARCHY\n{tree}MOTION\nFrames: {len(rows)}\nFrame Time: .0083333\n{lines}\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    return Fabricated(tmp_path_factory.mktemp("cmu"))


def degrees_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles between rotations given as axis-angle vectors [..., 3]."""
    one, other = (Rotation.from_rotvec(v.reshape(-1, 3)) for v in (first, second))
    return np.degrees((one.inv() * other).magnitude()).reshape(first.shape[:-1])


def world_of(poses: np.ndarray) -> np.ndarray:
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape, 3)
    return kinematics.compose(local, PARENTS)


def test_both_formats_give_the_same_poses(clip: Fabricated) -> None:
    by_bvh, by_amc = clips.read_bvh(clip.bvh, 120), clips.read_amc(clip.amc, clip.asf, 120)
    assert by_bvh.poses.shape == by_amc.poses.shape == (9, 24, 3)
    assert degrees_apart(by_bvh.poses, by_amc.poses).max() < 1e-6


def test_limbs_point_where_the_capture_has_them(clip: Fabricated) -> None:
    """Directions from the rotations that the files were made of, not from the readers."""
    world = world_of(clips.read_amc(clip.amc, clip.asf, 120).poses)
    for name, rest in retarget.LIMBS.items():
        found = world[:, JOINT_NAMES.index(name)] @ np.array(rest)
        np.testing.assert_allclose(found, clip.limb(clips.ASF_BONES[name]), atol=1e-9)


def test_a_t_pose_is_smpls_rest_pose(tmp_path: Path) -> None:
    still = np.tile(np.eye(3), (2, len(NAMES), 1, 1))
    for bone, angle in (("lfemur", -20), ("rfemur", 20)):
        turn = Rotation.from_euler("z", angle, degrees=True).as_matrix()
        still[:, NAMES.index(bone)] = turn
    (tmp_path / "a.bvh").write_text(bvh_text(still))
    poses = clips.read_bvh(tmp_path / "a.bvh", 120).poses
    upright = [i for i, name in enumerate(JOINT_NAMES) if name not in ("neck", "head")]
    # Feet turn with the legs of the T-pose, which are a degree narrower.
    assert degrees_apart(poses, np.zeros_like(poses))[:, upright].max() < 1.01


def test_angles_of_an_amc_frame_by_hand(clip: Fabricated) -> None:
    """L = C Rz Ry Rx C^-1 with matrices written out, for one bone."""
    skeleton = asf_amc.read_skeleton(clip.asf)
    bone = skeleton.bones[skeleton.names.index("ltibia")]

    def about(axis: int, angle: float) -> np.ndarray:
        cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        matrix = np.eye(3)
        matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = cosine, -sine, sine, cosine
        return matrix

    line = next(line for line in clip.amc.read_text().splitlines() if line.startswith("ltibia"))
    x, y, z = (float(word) for word in line.split()[1:])
    expected = bone.axes @ about(2, z) @ about(1, y) @ about(0, x) @ bone.axes.T
    world = asf_amc.read(clip.amc, skeleton, 120).rotations[0]
    names = skeleton.names
    local = world[names.index("lfemur")].T @ world[names.index("ltibia")]
    np.testing.assert_allclose(local, expected, atol=1e-9)


def test_thinning_keeps_the_same_frames_of_both(clip: Fabricated) -> None:
    every = clips.read_amc(clip.amc, clip.asf, 120).poses
    for rate, kept in ((30, every[::4]), (60, every[::2]), (500, every)):
        np.testing.assert_array_equal(clips.read_amc(clip.amc, clip.asf, rate).poses, kept)
        assert degrees_apart(clips.read_bvh(clip.bvh, rate).poses, kept).max() < 1e-6


def test_ankles_captured_upside_down_are_left_out(tmp_path: Path, clip: Fabricated) -> None:
    """Half a turn of the left foot in frames 2 and 5, then in all."""
    lines = clip.amc.read_text().splitlines()
    feet = [i for i, line in enumerate(lines) if line.startswith("lfoot")]
    for frames, expected in (([2, 5], [0, 1, 3, 4, 6, 7, 8]), (range(9), None)):
        for frame in frames:
            lines[feet[frame]] = "lfoot 170 0 0"
        (tmp_path / "a.amc").write_text("\n".join(lines))
        if expected is None:
            with pytest.raises(InputError, match="a.amc: in every frame an ankle"):
                clips.read_amc(tmp_path / "a.amc", clip.asf, 120)
        else:
            every = clips.read_amc(clip.amc, clip.asf, 120).poses
            found = clips.read_amc(tmp_path / "a.amc", clip.asf, 120).poses
            np.testing.assert_array_equal(found, every[expected])


@pytest.mark.skipif(not (SHARED / "cmu").is_dir(), reason="needs CMU clips in ../shared/data/cmu")
def test_released_files_of_a_clip_agree() -> None:
    folder = SHARED / "cmu"
    by_bvh = clips.read_bvh(folder / "bvh" / "02_01.bvh", 30).poses
    by_amc = clips.read_amc(folder / "asfamc" / "02_01.amc", folder / "asfamc" / "02.asf", 30).poses
    assert degrees_apart(by_bvh, by_amc).max() < 0.1


@pytest.mark.skipif(
    not ((SHARED / "cmu").is_dir() and (SHARED / "mocap").is_dir()),
    reason="needs CMU clips and poses in ../shared/data",
)
def test_poses_are_those_of_an_independent_retargeting() -> None:
    with np.load(SHARED / "mocap" / "cmu_poses.npz") as file:
        number = list(file["sequence_names"]).index("02_01")
        others = file["poses"][file["sequence"] == number].astype(float).reshape(-1, 24, 3)
    ours = clips.read_bvh(SHARED / "cmu" / "bvh" / "02_01.bvh", 30).poses
    # The file leaves out near-duplicates: each of its poses is one of ours (they are float16).
    apart = np.abs(others[:, None] - ours).max((2, 3))
    assert degrees_apart(others, ours[apart.argmin(1)]).max() < 0.1


def test_clips_of_a_folder(tmp_path: Path) -> None:
    for name in ("02_01", "07_12", "13_02"):
        (tmp_path / name[:2]).mkdir()
        Fabricated(tmp_path / name[:2], 2, name)
    (tmp_path / "02" / "02_01.amc").unlink()
    found = clips.find(tmp_path)
    assert [(c.path.name, c.split) for c in found] == [
        ("02_01.bvh", "train"),
        ("07_12.amc", "validation"),  # there in both formats, taken once
        ("13_02.amc", "test"),
    ]
    assert all(c.read(30).poses.shape == (1, 24, 3) for c in found)
    assert split_of("exp:soccer") == "test"


def test_a_subjects_clips_are_calibrated_by_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one clip the subject stands, its knees captured 20 degrees too bent; in one it sits."""
    axes = [Rotation.identity()] * len(NAMES)
    seated: dict[str, tuple[float, float, float]] = {}
    stood: dict[str, tuple[float, float, float]] = {}
    for side, sign in (("l", 1), ("r", -1)):  # as in CMU's skeletons, x across the leg
        for bone in ("femur", "tibia", "foot", "toes"):
            axes[NAMES.index(side + bone)] = Rotation.from_euler("z", sign * 20, degrees=True)
        seated |= {f"{side}femur": (-90, 0, -20 * sign), f"{side}tibia": (90, 0, 0)}
        stood |= {f"{side}femur": (-10, 0, -20 * sign), f"{side}tibia": (20, 0, 0)}
        stood |= {f"{side}foot": (-10, 0, 0)}
    rng = np.random.default_rng(0)
    for number, bends in ((1, seated), (2, stood)):
        angles = np.zeros((40, len(NAMES), 3))
        for bone, turn in bends.items():
            angles[:, NAMES.index(bone)] = turn
        arms = [NAMES.index(bone) for bone in ("lhumerus", "rhumerus")]
        angles[:, arms] = rng.uniform(-60, 60, (40, 2, 3))  # no two poses alike
        (tmp_path / f"02_0{number}.amc").write_text(amc_text(angles))
    (tmp_path / "02.asf").write_text(asf_text(Rotation.concatenate(axes)))
    (tmp_path / "02_03.amc").write_text("hello")  # is said when it is read, and not before
    sits, stands, broken = clips.find(tmp_path)
    knees = [JOINT_NAMES.index(name) for name in ("left_knee", "right_knee")]
    # 90 -> (90 - 20) 150 / 130
    assert np.degrees(np.abs(sits.read(120).poses[:, knees, 0] - np.radians(80.8))).max() < 0.5
    assert np.degrees(np.abs(stands.read(120).poses[:, knees, 0])).max() < 1.5
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="02_03.amc: has no frames"):
        broken.read(120)


def test_a_subject_that_never_stands_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Fabricated(tmp_path)
    (found,) = clips.find(tmp_path)
    raw = clips.read_amc(tmp_path / "02_01.amc", tmp_path / "02.asf", 120).poses
    for _ in range(2):
        np.testing.assert_array_equal(found.read(120).poses, calibration.calibrated(raw, None))
    assert capsys.readouterr().err.count("subject 02: hardly stands on each leg") == 1


def test_incomplete_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder; make it and download"):
        clips.find(tmp_path / "none")
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(InputError, match=r"no clips \(.*\); it has readme.txt; download"):
        clips.find(tmp_path)
    (tmp_path / "allasfamc.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"archives \(allasfamc.zip\): unpack them"):
        clips.find(tmp_path)
    Fabricated(tmp_path, 2).asf.unlink()
    with pytest.raises(InputError, match=r"1 clips without .* 02.asf missing, for 02_01.amc"):
        clips.find(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "declares 10 frames and has 9"),
        (lambda text: text[:-50], "last frame has .* of 78 numbers; is it all there"),
        (lambda text: text[: text.index("MOTION")], "not a BVH file"),
        (lambda text: text[: text.index("Frame Time")], "no 'Frames:' and 'Frame Time:'"),
        (lambda text: text.replace("}", "", 1), "HIERARCHY cannot be read"),
        (lambda text: text.replace("LeftUpLeg", "lThigh"), "skeleton has no LeftUpLeg"),
        (lambda text: text.replace("1.000000000000 2.0", "one 2.0", 3), "frames cannot be read"),
        (lambda text: text.replace("Zrotation Yrotation", "Zrotation Qrotation"), "channels of"),
    ],
)
def test_broken_bvh(
    tmp_path: Path, clip: Fabricated, change: Callable[[str], str], message: str
) -> None:
    (tmp_path / "bad.bvh").write_text(change(clip.bvh.read_text()))
    with pytest.raises(InputError, match=f"bad.bvh: .*{message}"):
        clips.read_bvh(tmp_path / "bad.bvh", 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.rindex("rhand")], "last frame, 9, is not whole; is it all"),
        (lambda text: text[:-20], "last frame, 9, is not whole"),
        (lambda text: "hello", "has no frames"),
        (lambda text: text.replace("ltibia", "tail"), "its skeleton lacks: tail"),
        (lambda text: text.replace("head", "head x", 1), "last frame, 9, is not whole"),
        (lambda text: text.replace("\nhead ", "\nhead 1e999", 1), "'head'"),
    ],
)
def test_broken_amc(
    tmp_path: Path, clip: Fabricated, change: Callable[[str], str], message: str
) -> None:
    (tmp_path / "bad.amc").write_text(change(clip.amc.read_text()))
    with pytest.raises(InputError, match=f"bad.amc: .*{message}"):
        clips.read_amc(tmp_path / "bad.amc", clip.asf, 120)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.index(":hierarchy")], "not a whole ASF file"),
        (lambda text: text[: text.rindex("end")], "not a whole ASF file"),
        (lambda text: text.replace("angle deg", "angle rad"), "'angle deg'"),
        (lambda text: text.replace("orientation 0 0 0", "orientation 0 9 0"), "root is turned"),
        (lambda text: text.replace("  XYZ", "  ZYX", 1), "axis order ZYX"),
    ],
)
def test_broken_asf(
    tmp_path: Path, clip: Fabricated, change: Callable[[str], str], message: str
) -> None:
    (tmp_path / "bad.asf").write_text(change(clip.asf.read_text()))
    with pytest.raises(InputError, match=f"bad.asf: .*{message}"):
        asf_amc.read_skeleton(tmp_path / "bad.asf")


def test_bones_of_a_bvh_point_to_their_first_child(tmp_path: Path) -> None:
    channels = "CHANNELS 3 Zrotation Yrotation Xrotation"
    (tmp_path / "fork.bvh").write_text(
        f"HIERARCHY\nROOT a\n{{\nOFFSET 0 0 0\n{channels}\n"
        f"JOINT b\n{{\nOFFSET 1 2 3\n{channels}\nEnd Site\n{{\nOFFSET 0 0 1\n}}\n}}\n"
        f"JOINT c\n{{\nOFFSET 4 5 6\n{channels}\nEnd Site\n{{\nOFFSET 0 1 0\n}}\n}}\n}}\n"
        "MOTION\nFrames: 1\nFrame Time: 0.1\n0 0 90 0 90 0 90 0 0\n"
    )
    motion = bvh.read(tmp_path / "fork.bvh", 10)
    assert motion.names == ("a", "b", "b end", "c", "c end")
    np.testing.assert_array_equal(motion.directions[[0, 1, 3]], [[1, 2, 3], [0, 0, 1], [0, 1, 0]])
    about_x = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    turns = [Rotation.from_euler(axis, 90, degrees=True).as_matrix() for axis in "yz"]
    np.testing.assert_allclose(motion.rotations[0, 0], about_x, atol=1e-12)
    np.testing.assert_allclose(motion.rotations[0, 1], about_x @ turns[0], atol=1e-12)
    np.testing.assert_allclose(motion.rotations[0, 3], about_x @ turns[1], atol=1e-12)


def test_half_way() -> None:
    rng = np.random.default_rng(0)
    first, step = (Rotation.from_rotvec(rng.normal(0, 0.5, (5, 3))) for _ in range(2))
    between = retarget.half_way(first.as_matrix(), (first * step * step).as_matrix())
    np.testing.assert_allclose(between, (first * step).as_matrix(), atol=1e-9)
