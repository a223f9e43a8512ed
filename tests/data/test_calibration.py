"""Faults that are put into the poses of a person are found and taken out; the rest is kept."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data import prepare
from data.cmu import asf_amc, clips
from data.motion import calibration, kinematics
from data.motion.preparation import rest_offsets
from ief_jax.body.model_files import PARENTS
from ief_jax.body.smpl import JOINT_NAMES

SHARED = Path(__file__).parents[3] / "shared" / "data"
J = {name: i for i, name in enumerate(JOINT_NAMES)}
HIP, KNEE, ANKLE, TOES = ([J[f"{side}_{n}"] for side in ("left", "right")]
                          for n in ("hip", "knee", "ankle", "foot"))  # fmt: skip


def standing(count: int = 60) -> np.ndarray:
    """A person [N, 24, 3] who stands, turned anywhere, arms moving; half of the poses crouch."""
    rng = np.random.default_rng(0)
    poses = np.zeros((count, 24, 3))
    poses[:, 0, 1] = rng.uniform(-3, 3, count)
    for shoulder, sign in (("left_shoulder", -1), ("right_shoulder", 1)):
        poses[:, J[shoulder], 2] = sign * rng.uniform(0.5, 1.3, count)
        poses[:, J[shoulder], :2] = rng.normal(0, 0.4, (count, 2))
    for wrist in ("left_wrist", "right_wrist"):
        poses[:, J[wrist]] = rng.normal(0, 0.15, (count, 3))
    crouch(poses, np.where(np.arange(count) % 2, rng.uniform(5, 20, count), 0))
    return poses


def crouch(poses: np.ndarray, degrees: np.ndarray | float) -> None:
    """Bends both knees, in place; the feet stay flat below the hips."""
    bend = np.radians(degrees)
    for leg in (0, 1):
        poses[:, HIP[leg], 0] -= bend / 2
        poses[:, KNEE[leg], 0] += bend
        poses[:, ANKLE[leg], 0] -= bend / 2


def world_of(poses: np.ndarray) -> np.ndarray:
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape, 3)
    return kinematics.compose(local, PARENTS)


def degrees_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles [...] between rotation matrices [..., 3, 3]."""
    turn = Rotation.from_matrix((first.swapaxes(-1, -2) @ second).reshape(-1, 3, 3))
    return np.degrees(turn.magnitude()).reshape(first.shape[:-2])


def own(poses: np.ndarray) -> np.ndarray:
    """Calibrated by their own zero."""
    zero = calibration.zero_of(poses)
    assert zero is not None
    return calibration.calibrated(poses, zero)


def test_a_crouch_of_the_capture_is_removed_and_the_feet_stay() -> None:
    captured = standing()
    crouch(captured, 20)
    zero = calibration.zero_of(captured)
    assert zero is not None
    np.testing.assert_allclose(zero.knees, 20, atol=1)
    found = calibration.calibrated(captured, zero)
    upright = np.arange(len(found)) % 2 == 0
    # The soft limit of hyperextension leaves straight knees within a degree of zero.
    for joints in (HIP, KNEE, ANKLE):
        assert np.degrees(np.abs(found[upright][:, joints])).max() < 2.5
    before, after = world_of(captured), world_of(found)
    assert degrees_apart(before[:, ANKLE], after[:, ANKLE]).max() < 0.5
    # Below the hips, and further below: nothing else moves the feet.
    offsets = rest_offsets()
    line = [kinematics.positions(w, offsets, PARENTS) for w in (before, after)]
    line = [places[:, ANKLE] - places[:, HIP] for places in line]
    assert np.abs(line[0] - line[1])[..., [0, 2]].max() < 0.012
    assert (line[1][..., 1] < line[0][..., 1]).all()


def test_a_bent_knee_stays_bent() -> None:
    """What is 150 degrees stays that, what is between is stretched, in order."""
    zero = calibration.Zero(np.full(2, 20.0), np.zeros(2), np.zeros(2), 0)
    poses = np.zeros((5, 24, 3))
    poses[:, KNEE[0], 0] = np.radians([0, 20, 60, 110, 150])
    bend = np.degrees(calibration.calibrated(poses, zero)[:, KNEE[0], 0])
    np.testing.assert_allclose(bend[2:], [46.15, 103.85, 150], atol=0.01)
    assert -5 < bend[0] < -4.9 and 0 < bend[1] < 1.1


def test_feet_toes_and_heads_are_levelled() -> None:
    captured = standing()
    for leg, (sole, toes) in enumerate(((12, -20), (-6, 15))):
        captured[:, ANKLE[leg], 0] += np.radians(sole)
        captured[:, TOES[leg], 0] += np.radians(toes)
    captured[:, J["head"], 0] -= np.radians(50)
    world = world_of(own(captured))
    ahead = world[..., 1, 2]
    for joint in (*ANKLE, *TOES):
        assert np.degrees(np.abs(np.arcsin(ahead[:, joint]))).max() < 0.5
    # Level with the others, but for the part that may be the person's own way of looking.
    down = -np.degrees(np.arcsin(ahead[:, J["head"]]))
    np.testing.assert_allclose(down, calibration.LEVEL - calibration.REGARD, atol=1e-6)


def test_a_heel_that_rises_often_is_no_fault_of_the_foot() -> None:
    captured = standing(90)
    captured[::2, ANKLE, 0] += np.radians(np.linspace(10, 40, 45))[:, None]
    zero = calibration.zero_of(captured)
    assert zero is not None
    np.testing.assert_allclose(zero.soles, 0, atol=0.1)


def test_collars_share_and_arms_point_where_they_did() -> None:
    captured = standing()
    found = own(captured)
    before, after = world_of(captured), world_of(found)
    for side, rest in (("left", [1.0, 0, 0]), ("right", [-1.0, 0, 0])):
        shoulder, collar = J[f"{side}_shoulder"], J[f"{side}_collar"]
        assert degrees_apart(before[:, shoulder], after[:, shoulder]).max() < 1e-6
        turned = np.degrees(
            np.arccos(Rotation.from_rotvec(captured[:, shoulder]).apply(rest) @ rest)
        )
        share = np.degrees(np.linalg.norm(found[:, collar], axis=-1))
        np.testing.assert_allclose(share, calibration.RHYTHM * turned, atol=1e-6)
        # And downwards, as the arm.
        assert (np.sign(found[:, collar, 2]) == np.sign(captured[:, shoulder, 2])).all()
        forearm = before[:, J[f"{side}_elbow"]] @ rest, after[:, J[f"{side}_elbow"]] @ rest
        np.testing.assert_allclose(*forearm, atol=1e-9)


def test_the_forearm_takes_part_of_the_hands_turn_about_it() -> None:
    captured = standing()
    captured[:, J["left_wrist"]] = [0.6, 0.0, 0.0]
    found = own(captured)
    np.testing.assert_allclose(found[:, J["left_wrist"]] - [0.45, 0, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found[:, J["left_elbow"]] - [0.15, 0, 0], 0, atol=1e-6)
    hand = J["left_hand"]
    assert degrees_apart(world_of(captured)[:, hand], world_of(found)[:, hand]).max() < 1e-4


def test_the_chest_and_the_root_stay() -> None:
    captured = standing()
    captured[:, J["spine2"]] = [0.3, 0.1, -0.1]
    before, after = world_of(captured), world_of(own(captured))
    for name in ("pelvis", "spine3"):
        assert degrees_apart(before[:, J[name]], after[:, J[name]]).max() < 1e-6


def test_joints_beyond_what_they_can() -> None:
    captured = standing()
    captured[0, ANKLE[0]] = [2.5, 0.0, 0.0]  # half a turn off: no foot
    captured[1, J["right_wrist"]] = [0.0, 2.5, 0.0]
    captured[2, TOES[1]] = [1.2, 0.4, 0.0]
    found = calibration.calibrated(captured, None)
    np.testing.assert_allclose(found[0, ANKLE[0]], 0, atol=1e-9)
    np.testing.assert_allclose(found[1, J["right_wrist"]], 0, atol=1e-9)
    for joint, limits in calibration.LIMITS.items():
        low, high = np.radians(limits).T
        assert (found[:, joint] >= low).all() and (found[:, joint] <= high).all()
    assert found[2, TOES[1], 0] > np.radians(19)


def test_each_subject_has_its_own_zero() -> None:
    straight, bent = standing(), standing()
    crouch(bent, 18)
    subject = np.array(["a"] * len(straight) + ["b"] * len(bent))
    order = np.random.default_rng(1).permutation(len(subject))
    both = np.concatenate([straight, bent])
    found, zeros = calibration.calibrated_by_subject(both[order], subject[order])
    assert {name: zero.knees.round() for name, zero in zeros.items() if zero}.keys() == {"a", "b"}
    for name, alone in (("a", straight), ("b", bent)):
        rows = np.argsort(order)[subject == name]
        np.testing.assert_allclose(found[rows], own(alone), atol=1e-9)


def sitting(count: int = 20) -> np.ndarray:
    poses = standing(count)
    poses[:, HIP, 0] -= np.radians(80)
    poses[:, KNEE, 0] += np.radians(80)
    poses[:, J["head"], 0] = -0.6
    return poses


def test_a_subject_that_never_stands_is_left_alone() -> None:
    captured = sitting()
    assert calibration.zero_of(captured) is None
    assert not calibration.stance(captured).any()
    found = calibration.calibrated(captured, None)
    np.testing.assert_allclose(found[:, KNEE + HIP], captured[:, KNEE + HIP], atol=1e-9)
    gaze = [world_of(poses)[:, J["head"]] for poses in (captured, found)]
    assert degrees_apart(*gaze).max() < 1e-6
    assert np.abs(found[:, J["left_collar"]]).max() > 0.1  # arms need no zero


def test_stance_is_on_the_leg_that_bears() -> None:
    poses = np.zeros((5, 24, 3))
    poses[1, HIP[0], 0], poses[1, KNEE[0], 0] = np.radians([-28, 56])  # left foot lifted
    poses[2, 0, 0], poses[2, HIP, 0] = np.radians([45, -45])  # bent over upright legs
    poses[3, HIP, 0] = np.radians(-20)  # legs ahead of the body
    poses[4, HIP, 0], poses[4, KNEE, 0] = np.radians([-35, 70])  # a squat
    assert calibration.stance(poses).tolist() == [
        [True, True],
        [False, True],
        [False, False],
        [False, False],
        [False, False],
    ]


def test_the_split_is_calibrated_unless_it_is_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = np.concatenate([standing(), sitting(), standing()]).astype(np.float32)
    crouch(poses, 20)
    subject = np.repeat(["02", "07", "13"], [60, 20, 60])
    np.savez(tmp_path / "all.npz", poses=poses.reshape(len(poses), 72), subject=subject)
    assert prepare.main(["cmu-split", str(tmp_path / "all.npz"), str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out
    assert "calibrated, 3 subjects" in said and "07: hardly stands" in said
    assert "02: hardly" not in said
    words = ["cmu-split", str(tmp_path / "all.npz"), str(tmp_path / "b"), "--as-captured"]
    assert prepare.main(words) == 0
    assert "as captured" in capsys.readouterr().out
    for name, of in (("train", "02"), ("validation", "07"), ("test", "13")):
        with np.load(tmp_path / "a" / f"{name}.npz") as file:
            expected = calibration.calibrated(
                poses[subject == of], calibration.zero_of(poses[subject == of])
            )
            np.testing.assert_allclose(file["poses"].reshape(-1, 24, 3), expected, atol=1e-5)
            assert (file["subject"] == of).all()
        with np.load(tmp_path / "b" / f"{name}.npz") as file:
            np.testing.assert_array_equal(
                file["poses"].reshape(-1, 24, 3)[:, :22], poses[subject == of][:, :22]
            )


@pytest.mark.skipif(not (SHARED / "cmu").is_dir(), reason="needs CMU clips in ../shared/data/cmu")
def test_released_files_of_a_subject_agree_when_calibrated(tmp_path: Path) -> None:
    """One subject's first two clips in both releases."""
    for folder, names in (("bvh", ("02_01.bvh", "02_02.bvh")),
                          ("asfamc", ("02.asf", "02_01.amc", "02_02.amc"))):  # fmt: skip
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).symlink_to(SHARED / "cmu" / folder / name)
    one, other = (
        [clip.read(30).poses for clip in clips.find(tmp_path / folder)]
        for folder in ("bvh", "asfamc")
    )
    for first, second in zip(one, other, strict=True):
        assert degrees_apart(world_of(first), world_of(second)).max() < 0.1
        assert np.degrees(np.median(first[:, KNEE, 0])) < 20  # 30 as captured


def captured_joints(clip: Path, skeleton: Path) -> dict[str, np.ndarray]:
    """Where the bones of a clip end, [N, 3] by their names: by the file's own lengths."""
    bones = asf_amc.read_skeleton(skeleton)
    motion = asf_amc.read(clip, bones, 30)
    text = skeleton.read_text()
    lengths = dict(re.findall(r"name (\w+)\s+direction[^\n]*\s+length (\S+)", text))
    ends = {"root": np.zeros((len(motion.rotations), 3))}
    for i, name in enumerate(motion.names[1:], 1):
        along = motion.rotations[:, i] @ motion.directions[i] * float(lengths[name])
        ends[name] = ends[bones.names[bones.parents[i]]] + along
    return ends


def lean(hips: tuple[np.ndarray, np.ndarray], end: np.ndarray) -> np.ndarray:
    """How far ahead of the hips something leans, degrees: [N] of [N, 3] each."""
    ahead = np.cross((hips[0] - hips[1]) * [1, 0, 1], [0, 1, 0])
    up = end - (hips[0] + hips[1]) / 2
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    return np.degrees(np.arctan2((up * ahead).sum(-1), up[:, 1]))


@pytest.mark.skipif(not (SHARED / "cmu").is_dir(), reason="needs CMU clips in ../shared/data/cmu")
def test_upright_trunks_lean_as_captured() -> None:
    """The body's shoulders and neck are where the capture's own skeleton has them."""
    folder = SHARED / "cmu" / "asfamc"
    own: list[np.ndarray] = []
    poses = []
    for name in ("02_01", "02_02", "02_03"):
        clip, skeleton = folder / f"{name}.amc", folder / "02.asf"
        at = captured_joints(clip, skeleton)
        hips = at["lhipjoint"], at["rhipjoint"]
        shoulders = (at["lclavicle"] + at["rclavicle"]) / 2
        own.append(np.stack([lean(hips, shoulders), lean(hips, at["thorax"])], -1))
        poses.append(clips.read_amc(clip, skeleton, 30).poses)
    captured, retargeted = np.concatenate(own), np.concatenate(poses).reshape(-1, 24, 3)
    found = calibration.calibrated(retargeted, calibration.zero_of(retargeted))
    places = kinematics.positions(world_of(found), rest_offsets(), PARENTS)
    hips = places[:, HIP[0]], places[:, HIP[1]]
    shoulders = places[:, [J["left_shoulder"], J["right_shoulder"]]].mean(1)
    ours = np.stack([lean(hips, shoulders), lean(hips, places[:, J["neck"]])], -1)
    upright = calibration.stance(found).any(1)
    assert upright.sum() > 100
    assert (np.abs(np.median((ours - captured)[upright], axis=0)) < 3).all()


@pytest.mark.skipif(
    not (SHARED / "mocap").is_dir(), reason="needs retargeted CMU poses in ../shared/data/mocap"
)
def test_poses_have_the_published_statistics() -> None:
    """Of SMPLify's prior, degrees: means within 5, deviations within 30 per cent."""
    with np.load(SHARED / "mocap" / "cmu_poses.npz") as file:
        rows = file["subject"] != "01"  # climbs, and is a third of the file
        poses = file["poses"][rows].astype(float).reshape(-1, 24, 3)
        subject = file["subject"][rows]
    found = np.degrees(calibration.calibrated_by_subject(poses, subject)[0])
    published = {
        ("knee", 0): ((18, 22), (25, 25)),
        ("hip", 0): ((-12, -14), (20, 20)),
        ("ankle", 0): ((1, -4), (10, 10)),
        ("collar", 1): (None, (14, 19)),
        ("collar", 2): ((-19, 17), (14, 19)),
        ("shoulder", 2): ((-39, 36), (20, 20)),
        ("wrist", 0): (None, (20, 20)),
    }
    for (name, axis), (means, deviations) in published.items():
        for side in (0, 1):
            values = found[:, J[f"{('left', 'right')[side]}_{name}"], axis]
            if means is not None:
                assert abs(values.mean() - means[side]) < 5, (name, side)
            assert 0.7 * min(deviations) < values.std() < 1.3 * max(deviations), (name, side)
    for name, mean in (("spine1", 13), ("head", 10), ("neck", -3)):
        assert abs(found[:, J[name], 0].mean() - mean) < 5, name
