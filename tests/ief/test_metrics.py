"""Measures of keypoints, in closed form and against loops that spell the definitions out."""

import numpy as np
import pytest

from ief_jax.geometry import skeletons
from ief_jax.ief import metrics

NAMES = skeletons.LSP_14
AT = {name: i for i, name in enumerate(NAMES)}


@pytest.fixture
def people() -> np.ndarray:
    """[5, 14, 2] people about 100 pixels tall."""
    return np.random.default_rng(0).uniform(0, 100, (5, 14, 2))


def moved(points: np.ndarray, name: str, by: tuple[float, float]) -> np.ndarray:
    points = points.copy()
    points[..., AT[name], :] += by
    return points


def test_a_joint_is_right_up_to_its_reach() -> None:
    truth = np.zeros((3, 14, 2))
    estimate = moved(truth, "upper_neck", (3.0, 4.0))
    found = metrics.within(estimate, truth, np.array([4.999, 5.0, np.nan]))
    assert found[:, AT["upper_neck"]].tolist() == [False, True, False]
    assert found[:, AT["head_top"]].tolist() == [True, True, False]


def test_the_torso_runs_from_the_left_shoulder_to_the_right_hip() -> None:
    truth = moved(np.zeros((2, 14, 2)), "left_shoulder", (30.0, -40.0))
    annotated = np.ones((2, 14), bool)
    assert metrics.torso_diameter(truth, annotated, NAMES).tolist() == [50.0, 50.0]
    truth = moved(truth, "right_hip", (30.0, -28.0))
    annotated[1, AT["right_hip"]] = False
    np.testing.assert_equal(metrics.torso_diameter(truth, annotated, NAMES), [12.0, np.nan])


# LSP's sticks as its customary evaluation lists them, joints counted from 1.
STICKS = [(1, 2), (2, 3), (4, 5), (5, 6), (7, 8), (8, 9), (10, 11), (11, 12), (13, 14)]


def sticks(person: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    torso = (person[[2, 3]].mean(0), person[[8, 9]].mean(0))
    return [*((person[a - 1], person[b - 1]) for a, b in STICKS), torso]


def test_strict_pcp_is_the_customary_loop(people: np.ndarray) -> None:
    estimates = people + np.random.default_rng(1).normal(0, 15, people.shape)
    hits = np.zeros(5)
    for row, (estimate, truth) in enumerate(zip(estimates, people, strict=True)):
        for (a, b), (c, d) in zip(sticks(estimate), sticks(truth), strict=True):
            reach = np.hypot(*(c - d)) / 2
            hits[row] += np.hypot(*(a - c)) <= reach and np.hypot(*(b - d)) <= reach
    found = metrics.limbs_found(estimates, people, NAMES)
    assert found.shape == (5, 10)
    assert 5 < hits.sum() < 45, "neither all right nor all wrong"
    np.testing.assert_equal(found.sum(1), hits)


def test_both_ends_of_a_limb_must_be_near() -> None:
    truth = moved(np.zeros((14, 2)), "left_wrist", (10.0, 0.0))
    limb = list(metrics.LIMBS).index("left_forearm")
    for wrist, elbow, right in ((5.0, -5.0, True), (5.1, 0.0, False), (0.0, 5.1, False)):
        estimate = moved(moved(truth, "left_wrist", (wrist, 0)), "left_elbow", (elbow, 0))
        assert metrics.limbs_found(estimate, truth, NAMES)[limb] == right


def test_a_limb_needs_all_its_joints() -> None:
    annotated = np.ones(14, bool)
    annotated[AT["left_hip"]] = False
    known = metrics.limbs_annotated(annotated, NAMES)
    missing = {name for name, there in zip(metrics.LIMBS, known, strict=True) if not there}
    assert missing == {"torso", "left_upper_leg"}


def test_sides_are_mistaken_where_the_other_joint_is_nearer_and_within_reach() -> None:
    left, right = np.zeros((5, 1, 2)), np.zeros((5, 1, 2))
    right[..., 0] = 100.0
    # The left wrist, truly at 0: on the right one, near it, between the two, beyond, in its place.
    estimate = left.copy()
    estimate[:, 0, 0] = [100.0, 91.0, 60.0, 120.0, 1.0]
    reach = np.array([10.0] * 4 + [200.0])
    found = metrics.mistaken_sides(estimate, left, right, reach)
    assert found[:, 0].tolist() == [True, True, False, False, False]


def test_swapped_people_are_all_mistaken(people: np.ndarray) -> None:
    annotated = np.ones((5, 14), bool)
    annotated[0, AT["left_wrist"]] = False
    swapped = people[:, None, skeletons.opposite(NAMES)]
    none = np.full(5, np.nan)
    sides = metrics.scores(swapped, NAMES, people, annotated, NAMES, none).mistaken_sides
    assert sides is not None
    assert np.isnan(sides.each[0, [AT["upper_neck"], AT["head_top"]]]).all()
    assert np.nansum(sides.each[0]) == 1200
    assert sides.mean[0] == 100
    # The other wrist of the first person has nothing to be mistaken for.
    swapped[0, 0, AT["right_wrist"]] += 500
    sides = metrics.scores(swapped, NAMES, people, annotated, NAMES, none).mistaken_sides
    assert sides is not None and sides.mean[0] == 100


def test_percentages_count_what_is_annotated() -> None:
    hits = np.array([[True, True, False], [False, True, False]])
    counted = np.array([[True, False, False], [True, True, False]])
    np.testing.assert_equal(metrics.percent(hits, counted, 0), [50.0, 100.0, np.nan])
    assert metrics.percent(hits, counted, (0, 1)) == pytest.approx(200 / 3)


def test_scores_by_step(people: np.ndarray) -> None:
    torso = np.linalg.norm(people[:, 9] - people[:, 2], axis=-1)
    # First step: everybody's left wrist is just too far; last step: nothing is.
    beyond = np.zeros((5, 14, 2))
    beyond[:, AT["left_wrist"], 0] = 0.2001 * torso
    estimates = np.stack([people + beyond, people], 1)
    annotated = np.ones((5, 14), bool)
    annotated[3:, AT["left_wrist"]] = False
    spoiled = np.where(annotated[..., None], people, np.nan)
    head = np.array([*(0.41 * torso[:4]), np.nan])
    found = metrics.scores(estimates, NAMES, spoiled, annotated, NAMES, head)
    assert found.pck is not None and found.pckh is not None and found.pcp is not None
    wrist = AT["left_wrist"]
    assert found.pck.each[:, wrist].tolist() == [0.0, 100.0]
    np.testing.assert_allclose(found.pck.mean, [100 * (1 - 3 / (5 * 14 - 2)), 100])
    assert (np.delete(found.pck.each, wrist, 1) == 100).all()
    # 0.5 x 0.41 torsos reach as far as the wrist is off; the fifth head is not known.
    assert found.pckh.each[0, wrist] == 100
    assert found.pckh.mean.tolist() == [100, 100]
    assert found.pcp.names == tuple(metrics.LIMBS)
    assert found.pcp.mean[1] == 100
    assert found.mistaken_sides is not None
    assert found.mistaken_sides.mean[1] == 0


def test_pcp_weighs_limbs_alike(people: np.ndarray) -> None:
    # One of two people's head is annotated, and it is wrong.
    truth = people[:2]
    annotated = np.ones((2, 14), bool)
    annotated[1, AT["head_top"]] = False
    estimates = moved(truth, "head_top", (500.0, 0.0))[:, None]
    found = metrics.scores(estimates, NAMES, truth, annotated, NAMES, np.full(2, np.nan))
    assert found.pckh is None
    assert found.pcp is not None
    np.testing.assert_allclose(found.pcp.mean, [90.0])


def test_pelvis_and_thorax_are_not_in_the_mean_of_pckh() -> None:
    names = ("pelvis", "thorax", "head_top")
    truth = np.zeros((1, 3, 2))
    estimates = np.array([[[[9.0, 0.0], [9.0, 0.0], [0.0, 0.0]]]])
    found = metrics.scores(estimates, names, truth, np.ones((1, 3), bool), names, np.array([10.0]))
    assert found.pckh is not None
    assert found.pckh.each.tolist() == [[0, 0, 100]]
    assert found.pckh.mean.tolist() == [100]
    assert found.pck is None and found.pcp is None and found.mistaken_sides is None


def test_some_joints_of_the_truth(people: np.ndarray) -> None:
    # One joint alone, in a skeleton that holds its counterpart and the torso.
    annotated = np.ones((5, 14), bool)
    head = np.full(5, np.nan)
    for name, right, mistaken in (("left_knee", 100, 0), ("right_knee", 0, 100)):
        estimates = people[:, None, [AT[name]]]
        found = metrics.scores(estimates, ("left_knee",), people, annotated, NAMES, head)
        assert found.pck is not None and found.mistaken_sides is not None
        assert found.pck.names == ("left_knee",)
        assert found.pck.mean.tolist() == [right]
        assert found.mistaken_sides.mean.tolist() == [mistaken]
        assert found.pcp is None


def test_nobody_annotated_is_no_number(people: np.ndarray) -> None:
    annotated = np.zeros((5, 14), bool)
    found = metrics.scores(people[:, None], NAMES, people, annotated, NAMES, np.full(5, 10.0))
    assert found.pck is None and found.mistaken_sides is None
    assert found.pckh is not None and found.pcp is not None
    for rates in (found.pckh, found.pcp):
        assert np.isnan(rates.each).all() and np.isnan(rates.mean).all()


def test_reliability_counts_pairs_and_ranges() -> None:
    confidence = np.array([0.05, 0.15, 0.15, 0.5, 0.9, 1.0])
    hits = np.array([False, True, False, True, False, True])
    found = metrics.reliability(confidence, hits)
    pairs = [(a > b) + (a == b) / 2 for a in confidence[hits] for b in confidence[~hits]]
    assert found.ranking == pytest.approx(np.mean(pairs))
    np.testing.assert_equal(found.joints, [3, 0, 1, 0, 2])
    np.testing.assert_allclose(found.right, [100 / 3, np.nan, 100, np.nan, 50])
    assert np.isnan(metrics.reliability(confidence, np.ones(6, bool)).ranking)


def test_a_joint_half_way_between_both_sides_is_not_mistaken() -> None:
    left, right = np.zeros((2, 1, 2)), np.zeros((2, 1, 2))
    right[..., 0] = 16.0
    estimate = left.copy()
    # As far from either; and nearer to the other one, just within reach of it.
    estimate[:, 0, 0] = [8.0, 12.0]
    found = metrics.mistaken_sides(estimate, left, right, np.array([8.0, 4.0]))
    assert found[:, 0].tolist() == [False, True]
