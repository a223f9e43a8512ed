import numpy as np
import pytest

from ief_jax.body import joints, smpl
from ief_jax.geometry import skeletons

# OpenPose's own tables (POSE_COCO_BODY_PARTS, POSE_BODY_25_BODY_PARTS; BODY_25B as documented in
# openpose_train), by number.
OPENPOSE = {
    "COCO_18": """Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip
        LKnee LAnkle REye LEye REar LEar""",
    "BODY_25": """Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle
        LHip LKnee LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel""",
    "BODY_25B": """Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip
        RHip LKnee RKnee LAnkle RAnkle UpperNeck HeadTop LBigToe LSmallToe LHeel RBigToe RSmallToe
        RHeel""",
    "COCO_17": """Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip
        LKnee RKnee LAnkle RAnkle""",
}


@pytest.mark.parametrize("layout", OPENPOSE)
def test_order_is_openposes(layout: str) -> None:
    def short(name: str) -> str:
        """left_big_toe to LBigToe, and so on."""
        name = name.replace("left_", "L_").replace("right_", "R_")
        return "".join(part[0].upper() + part[1:] for part in name.split("_"))

    assert [short(name) for name in skeletons.LAYOUTS[layout]] == OPENPOSE[layout].split()


# Of hands and faces, and what other layouts call by names of their own.
NOT_ON_THE_BODY = {
    *("left_eye_inner", "left_eye_outer", "right_eye_inner", "right_eye_outer"),
    *("mouth_left", "mouth_right", "mpi_chest", "crowdpose_neck"),
    *("h36m_spine", "h36m_neck", "h36m_jaw"),
}


@pytest.mark.parametrize("layout", skeletons.LAYOUTS)
def test_selection_of_the_embedded_body_reads_every_keypoint(
    layout: str, joint_model: joints.JointModel
) -> None:
    matrix = skeletons.selection(skeletons.LAYOUTS[layout], joint_model.names)
    assert matrix.shape == (len(skeletons.LAYOUTS[layout]), len(joint_model.names))
    named = [name in NOT_ON_THE_BODY or name[-1].isdigit() for name in skeletons.LAYOUTS[layout]]
    spine = [name.startswith("spine") for name in skeletons.LAYOUTS[layout]]
    np.testing.assert_allclose(matrix.sum(1), ~np.array(named) | np.array(spine))
    assert (matrix >= 0).all()


def test_selection_by_names() -> None:
    layout = ("nose", "neck", "left_knee", "mid_hip", "smpl_neck", "smpl_head", "no_such_point")
    matrix = skeletons.selection(layout, (*smpl.JOINT_NAMES, "nose"))
    read = [
        {(*smpl.JOINT_NAMES, "nose")[i]: float(row[i]) for i in np.flatnonzero(row)}
        for row in matrix
    ]
    assert read == [
        {"nose": 1.0},
        # The keypoint is half-way between the shoulders; SMPL's neck joint is elsewhere.
        {"left_shoulder": 0.5, "right_shoulder": 0.5},
        {"left_knee": 1.0},
        {"left_hip": 0.5, "right_hip": 0.5},
        {"neck": 1.0},
        {"head": 1.0},
        {},
    ]


def test_selection_without_landmarks_leaves_their_rows_empty() -> None:
    matrix = skeletons.selection(skeletons.COCO_18, smpl.JOINT_NAMES)
    face = {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}
    for name, row in zip(skeletons.COCO_18, matrix, strict=True):
        assert row.sum() == (name not in face)


def test_evaluation_joints_are_fourteen_of_smpls() -> None:
    matrix = skeletons.selection(skeletons.EVALUATION_14, smpl.JOINT_NAMES)
    chosen = [smpl.JOINT_NAMES[i] for i in matrix.argmax(1)]
    assert len(set(chosen)) == 14
    np.testing.assert_array_equal(matrix.max(1), 1)
    assert set(chosen) == {
        *(f"{side}_{part}" for side in ("left", "right")
          for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")),
        "neck", "head",
    }  # fmt: skip


@pytest.mark.parametrize("source", skeletons.LAYOUTS)
@pytest.mark.parametrize("target", skeletons.LAYOUTS)
def test_conversion_moves_what_both_have_and_nothing_else(source: str, target: str) -> None:
    names, wanted = skeletons.LAYOUTS[source], skeletons.LAYOUTS[target]
    rng = np.random.default_rng(0)
    points = rng.uniform(1, 100, (3, len(names), 2)).astype(np.float32)
    confidence = rng.uniform(0.1, 1, (3, len(names))).astype(np.float32)
    found, certain = skeletons.convert(points, confidence, names, wanted)
    assert found.shape == (3, len(wanted), 2)
    assert certain.shape == (3, len(wanted))
    for i, name in enumerate(wanted):
        if name in names:
            np.testing.assert_array_equal(found[:, i], points[:, names.index(name)])
            np.testing.assert_array_equal(certain[:, i], confidence[:, names.index(name)])
        elif name not in ("neck", "mid_hip", "thorax", "upper_neck"):
            np.testing.assert_array_equal(found[:, i], 0)
            np.testing.assert_array_equal(certain[:, i], 0)


def test_neck_and_mid_hip_are_made_of_their_pairs() -> None:
    points = np.zeros((17, 2), np.float32)
    confidence = np.ones(17, np.float32)
    left, right = (skeletons.COCO_17.index(f"{side}_shoulder") for side in ("left", "right"))
    points[left], points[right] = (10, 20), (30, 24)
    confidence[left], confidence[right] = 0.9, 0.4
    found, certain = skeletons.convert(
        points, confidence, skeletons.COCO_17, ("neck", "mid_hip", "nose")
    )
    np.testing.assert_allclose(found[0], [20, 22])
    # As sure as the less certain one: a neck of a hidden shoulder is hidden.
    np.testing.assert_allclose(certain, [0.4, 1, 1])


def test_conversion_keeps_the_input() -> None:
    points, confidence = np.ones((25, 2)), np.ones(25)
    found, _ = skeletons.convert(points, confidence, skeletons.BODY_25, skeletons.COCO_18)
    found[:] = 7
    np.testing.assert_array_equal(points, 1)
