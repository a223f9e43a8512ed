"""Tracking, on people whose ways are known: who is who, over gaps, crossings and strangers."""

import numpy as np
import pytest

from ief_jax import tracking
from ief_jax.formats.detections import Detections

RATE = 30.0
STANDING = np.stack([np.tile([-20.0, 20.0, 0.0], 4), np.linspace(-90, 90, 12)], 1)
"""[12, 2] keypoints of somebody 180 pixels high."""


def detected(
    people: list[tuple[int, int, np.ndarray, int]],
    frames: int,
    names: tuple[int, ...] | None = None,
) -> Detections:
    """Detections of (frame, place in the frame, keypoints [12, 2], number or -1)."""
    frame, person, points, identity = (np.array(column) for column in zip(*people, strict=True))
    numbers = names or tuple(range(frames))
    return Detections(
        points=points.astype(np.float32),
        confidence=np.full(points.shape[:2], 0.8, np.float32),
        names=tuple("abcdefghijkl"),
        skeleton="of its own",
        evidence="",
        frame=frame,
        person=person,
        frame_names=tuple(map(str, numbers)),
        images=(None,) * frames,
        numbers=numbers,
        identity=identity,
        fps=RATE,
    )


def crossing(
    rng: np.random.Generator, hidden: range = range(0), frames: int = 60
) -> tuple[Detections, np.ndarray]:
    """Two people who walk through each other, in any order within a frame; and who each is.

    Args:
      rng: of noise and order.
      hidden: frames without the second person.
      frames: how many.
    """
    people, truth = [], []
    for frame in range(frames):
        ways = (100 + 6 * frame, 460 - 6 * frame)
        there = [who for who in (0, 1) if not (who == 1 and frame in hidden)]
        for place, who in enumerate(rng.permutation(there)):
            swing = 8 * np.sin(frame / 4 + who) * np.sign(STANDING[:, :1])
            points = STANDING + [ways[who], 200 + 12 * who] + swing + rng.normal(0, 2, (12, 2))
            people.append((frame, place, points, -1))
            truth.append(who)
    return detected(people, frames), np.array(truth)


def same_people(identity: np.ndarray, truth: np.ndarray) -> bool:
    """One number a person, and one person a number."""
    pairs = set(zip(identity.tolist(), truth.tolist(), strict=True))
    return len(pairs) == len(set(identity.tolist())) == len(set(truth.tolist()))


def who_is_who(found: Detections, truth: np.ndarray) -> np.ndarray:
    """Numbers by `follow` in the order of `found`'s rows."""
    after = tracking.follow(found, tracking.frame_times(found))
    place = {(f, p): i for f, p, i in zip(after.frame, after.person, after.identity, strict=True)}
    return np.array([place[f, p] for f, p in zip(found.frame, found.person, strict=True)])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hidden", [range(0), range(24, 36)])
def test_people_who_cross_are_not_exchanged(seed: int, hidden: range) -> None:
    found, truth = crossing(np.random.default_rng(seed), hidden)
    assert same_people(who_is_who(found, truth), truth)


def test_rows_are_in_the_order_of_frames_and_numbers() -> None:
    found, _ = crossing(np.random.default_rng(0))
    after = tracking.followed(found)
    assert after.frame.tolist() == sorted(found.frame.tolist())
    assert after.identity.tolist() == [0, 1] * 60
    # Each row is still the person it was.
    row = {
        (f, p): points for f, p, points in zip(found.frame, found.person, found.points, strict=True)
    }
    for f, p, points in zip(after.frame, after.person, after.points, strict=True):
        np.testing.assert_array_equal(points, row[f, p])


@pytest.mark.parametrize(("seconds", "people"), [(1.2, 1), (1.7, 2)])
def test_who_is_away_for_too_long_comes_back_as_another(seconds: float, people: int) -> None:
    frames = [*range(20), *range(20 + round(seconds * RATE), 90)]
    found = detected([(f, 0, STANDING + 3 * f, -1) for f in frames], 90)
    after = tracking.follow(found, tracking.frame_times(found))
    assert len(set(after.identity.tolist())) == people


def test_who_turns_over_is_the_same() -> None:
    turns = [np.deg2rad(130 * max(f - 5, 0)) for f in range(9)]
    people = [
        (f, 0, STANDING @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), -1)
        for f, a in enumerate(turns)
    ]
    found = detected(people, 9)
    assert set(tracking.follow(found, tracking.frame_times(found)).identity.tolist()) == {0}


def test_a_stranger_elsewhere_is_another() -> None:
    found = detected([(0, 0, STANDING, -1), (1, 0, STANDING + [400, 0], -1)], 2)
    assert tracking.follow(found, [0, 1 / RATE]).identity.tolist() == [0, 1]


def test_numbers_that_detections_bring_are_kept() -> None:
    # 7 jumps to where the unnumbered one was: numbers count for more than places.
    far = STANDING + [300, 0]
    people = [(0, 0, STANDING, 7), (0, 1, far, -1), (1, 0, far, 7), (1, 1, far + 20, -1)]
    after = tracking.follow(detected(people, 2), [0, 1 / RATE])
    assert after.person.tolist() == [0, 1, 0, 1]
    assert after.identity.tolist() == [7, 8, 7, 8]


def test_unseen_keypoints_do_not_count() -> None:
    found = detected([(0, 0, STANDING, -1), (1, 0, STANDING, -1)], 2)
    found.points[1, 6:] = 5000  # where detectors put what they do not find
    found.confidence[1, 6:] = 0
    assert tracking.follow(found, [0, 1 / RATE]).identity.tolist() == [0, 0]


def test_photographs_of_other_people_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    people = [(f, 0, rng.uniform(0, 180, (12, 2)), -1) for f in range(30)]
    found = detected(people, 30)
    assert tracking.followed(found) is found
    # A sequence, but its numbers fall.
    found = crossing(rng)[0]._replace(numbers=tuple(range(60))[::-1])
    assert tracking.followed(found) is found
    one = detected([(0, 0, STANDING, -1)], 1)
    assert tracking.followed(one) is one


def test_ghosts_are_dropped_and_counted() -> None:
    people = [(f, 0, STANDING, -1) for f in range(30)]
    people += [(f, 1, STANDING + [600, 0], -1) for f in (10, 11)]
    found = detected(people, 30)
    after = tracking.follow(found, tracking.frame_times(found))
    kept, ghosts = tracking.without_ghosts(after, 3)
    assert ghosts == 1
    assert kept.identity.tolist() == [0] * 30
    assert tracking.without_ghosts(after, 2)[1] == 0


def test_short_gaps_are_bridged_on_straight_ways() -> None:
    frames = [0, 1, 2, 6, 7, 60]
    found = detected([(f, 0, STANDING + [5.0 * f, 2.0 * f], 4) for f in frames], 61)
    found.confidence[2, 3] = 0
    bridged = tracking.bridge(found, tracking.frame_times(found), faith=0.5)
    assert bridged.found.frame.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 60]
    assert bridged.interpolated.tolist() == [False] * 3 + [True] * 3 + [False] * 3
    assert set(bridged.found.identity.tolist()) == {4}
    for row in np.flatnonzero(bridged.interpolated):
        frame = bridged.found.frame[row]
        np.testing.assert_allclose(
            bridged.found.points[row], STANDING + [5.0 * frame, 2.0 * frame], atol=1e-3
        )
    np.testing.assert_allclose(bridged.found.confidence[3], [0.4] * 3 + [0] + [0.4] * 8)


def test_nobody() -> None:
    state, numbers = tracking.step(tracking.State(), np.zeros((0, 12, 2)), np.zeros((0, 12)), 0.0)
    assert state == tracking.State()
    assert numbers.shape == (0,)


def test_one_time_a_frame() -> None:
    found = detected([(0, 0, STANDING, -1)], 1)
    with pytest.raises(ValueError, match="times: expected 1, one a frame, got 2"):
        tracking.follow(found, [0.0, 1.0])
