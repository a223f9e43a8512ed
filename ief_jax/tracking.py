"""Who is who over the frames of a video: people are assigned by where their keypoints are.

From frame to frame each track says where its person should be, moving on as before, and people
and tracks are paired so that the sum of distances is least (the Hungarian method). Distances are
those of keypoints and of their middle, relative to the person's size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ief_jax import checks
from ief_jax.formats import detections
from ief_jax.formats.detections import Detections

FARTHEST = 0.35
"""Of the person's size: who is farther than this from where a track should be is another."""
LONGEST_GAP = 1.5
"""Seconds after which nobody who comes is taken for the one who went."""
USUAL_RATE = 30.0
"""Frames per second, where nothing says it."""

_SHARED = 3
"""Keypoints that must be seen of both to compare two."""
_SMOOTHING = 0.3
"""Weight of a frame's own motion in a track's velocity."""
_COASTING = 0.5
"""Seconds for which a person who is not seen is taken to move on."""
_CONTINUED = 0.7
"""Of the people of a sequence's frames, at least, who are in the frame before too,"""
_NEAR = 0.1
"""and of the person's size as far as this at most, in the median."""


class Track(NamedTuple):
    """One person who is followed.

    Attributes:
      number: of the person.
      points: [K, 2] pixels, where each keypoint was last seen, moved along since.
      confidence: [K]; 0 for keypoints never seen.
      velocity: [2] pixels per second, of the person as a whole.
      size: of the person, pixels.
      time: seconds, when the person was last seen.
    """

    number: int
    points: np.ndarray
    confidence: np.ndarray
    velocity: np.ndarray
    size: float
    time: float


class State(NamedTuple):
    """What is handed on from frame to frame.

    Attributes:
      tracks: those who may come back.
      unused: the least number that nobody has.
    """

    tracks: tuple[Track, ...] = ()
    unused: int = 0


def step(
    state: State,
    points: np.ndarray,
    confidence: np.ndarray,
    time: float,
    identity: np.ndarray | None = None,
    farthest: float = FARTHEST,
    longest_gap: float = LONGEST_GAP,
) -> tuple[State, np.ndarray]:
    """Says who the people of the next frame are.

    Args:
      state: after the frame before; `State()` at first.
      points: [P, K, 2] keypoints of the people, pixels.
      confidence: [P, K]; 0 where a keypoint was not found.
      time: of the frame, seconds.
      identity: [P] number of each person where it is known, or -1; such numbers are kept.
      farthest: mean distance of keypoints and of their middles, of the person's size, up to which
        two are one; more for who was away for longer.
      longest_gap: seconds after which a track ends.

    Returns:
      The state after this frame, and the people's numbers [P].
    """
    checks.arrays(("points", points, "[P, K, 2] pixels"), ("confidence", confidence, "[P, K]"))
    known = np.full(len(points), -1) if identity is None else np.asarray(identity)
    alive = [track for track in state.tracks if time - track.time <= longest_gap]
    free = [track for track in alive if track.number not in known]
    open_rows = np.flatnonzero(known < 0)
    numbers = known.copy()
    cost = np.array(
        [
            [_distance(track, points[row], confidence[row], time) for track in free]
            for row in open_rows
        ]
    ).reshape(len(open_rows), len(free))
    # Who was away for longer may be farther away.
    limit = farthest * (1 + np.array([time - track.time for track in free]))
    near = cost < limit[None]
    # Beyond the limit all are equally bad, so that they do not weigh against good pairs.
    pairs = linear_sum_assignment(np.where(near, cost, farthest * (1 + longest_gap)))
    for row, column in zip(*pairs, strict=True):
        if near[row, column]:
            numbers[open_rows[row]] = free[column].number
    unused = max([state.unused, *(int(number) + 1 for number in known)])
    for row in np.flatnonzero(numbers < 0):
        numbers[row], unused = unused, unused + 1
    tracks = {track.number: track for track in alive}
    for number, place, sure in zip(numbers.tolist(), points, confidence, strict=True):
        tracks[number] = _seen(tracks.get(number), number, place, sure, time)
    return State(tuple(tracks.values()), unused), numbers


def follow(found: Detections, times: Sequence[float] | np.ndarray) -> Detections:
    """Detections with the numbers of their people; rows are in the order of frames and numbers.

    Numbers that detections bring are kept.

    Args:
      found: people of frames that follow each other.
      times: of the F frames, seconds, not decreasing.

    Raises:
      ValueError: there is not one time a frame.
    """
    if len(times) != len(found.frame_names):
        raise ValueError(f"times: expected {len(found.frame_names)}, one a frame, got {len(times)}")
    state = State(unused=int(found.identity.max(initial=-1)) + 1)
    identity = found.identity.copy()
    for rows, time in zip(_rows_of_frames(found), times, strict=True):
        points, confidence = found.points[rows], found.confidence[rows]
        state, identity[rows] = step(state, points, confidence, time, identity[rows])
    order = np.lexsort((np.arange(len(identity)), identity, found.frame))
    return detections.take(found._replace(identity=identity), order)


def frame_times(found: Detections) -> np.ndarray:
    """[F] seconds: the frames' numbers over the rate, `USUAL_RATE` where it is not known."""
    return np.asarray(found.numbers, float) / (found.fps or USUAL_RATE)


def followed(found: Detections) -> Detections:
    """`follow`, where nobody has a number yet and the frames are a sequence; else as it was.

    Frames are a sequence if their numbers rise and most people are near where somebody was in the
    frame before: photographs of other people are not.
    """
    rising = (np.diff(found.numbers) > 0).all()
    if (found.identity >= 0).any() or len(found.numbers) < 2 or not rising:
        return found
    after = follow(found, frame_times(found))
    return after if _continues(after) else found


def without_ghosts(found: Detections, least: int) -> tuple[Detections, int]:
    """Without people who are in fewer than `least` frames, and how many these are."""
    people, count = np.unique(found.identity, return_counts=True)
    ghosts = people[count < least]
    rows = np.flatnonzero(~np.isin(found.identity, ghosts))
    return detections.take(found, rows), len(ghosts)


class Bridged(NamedTuple):
    """Detections without gaps.

    Attributes:
      found: with people where they were not seen for a short time, too.
      interpolated: [N] whether the row was put in.
    """

    found: Detections
    interpolated: np.ndarray


def bridge(
    found: Detections,
    times: Sequence[float] | np.ndarray,
    longest: float = LONGEST_GAP,
    faith: float = 0.1,
) -> Bridged:
    """Puts people where they were not seen for up to `longest` seconds, on straight ways.

    Args:
      found: with numbers (`follow`).
      times: of the frames, seconds.
      longest: seconds without a person, at most, that are bridged.
      faith: confidence of what is put in, of the lesser of the two ends'; a keypoint that is not
        seen at both has none.

    Returns:
      The people, rows in the order of frames and numbers.
    """
    clock = np.asarray(times, float)
    parts = [(found.points, found.confidence, found.frame, found.person, found.identity)]
    for number in np.unique(found.identity[found.identity >= 0]):
        rows = np.flatnonzero(found.identity == number)
        rows = rows[np.argsort(found.frame[rows], kind="stable")]
        for before, after in zip(rows[:-1], rows[1:], strict=True):
            between = np.arange(found.frame[before] + 1, found.frame[after])
            start, end = clock[found.frame[before]], clock[found.frame[after]]
            if len(between) and end - start <= longest:
                share = ((clock[between] - start) / (end - start))[:, None, None]
                points = (1 - share) * found.points[before] + share * found.points[after]
                sure = faith * np.minimum(found.confidence[before], found.confidence[after])
                count = len(between)
                parts.append(
                    (
                        points,
                        np.tile(sure, (count, 1)),
                        between,
                        np.full(count, -1),
                        np.full(count, number),
                    )
                )
    points, confidence, frame, person, identity = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    put_in = np.arange(len(frame)) >= len(found.frame)
    every = found._replace(
        points=points.astype(found.points.dtype),
        confidence=confidence.astype(found.confidence.dtype),
        frame=frame,
        person=person,
        identity=identity,
    )
    order = np.lexsort((np.arange(len(frame)), identity, frame))
    return Bridged(detections.take(every, order), put_in[order])


def _seen(
    track: Track | None, number: int, points: np.ndarray, confidence: np.ndarray, time: float
) -> Track:
    """The track after its person was seen."""
    here = confidence > 0
    size = float(detections.box_size(points[None], confidence[None])[0])
    if track is None:
        return Track(number, points, confidence, np.zeros(2), size, time)
    elapsed = time - track.time
    shared = here & (track.confidence > 0)
    velocity = track.velocity
    if elapsed > 0 and shared.any():
        # Of the whole person: the median keypoint's, since limbs swing.
        moved = np.median(points[shared] - track.points[shared], 0) / elapsed
        velocity = (1 - _SMOOTHING) * velocity + _SMOOTHING * moved
    expected = _expected(track, time)
    return Track(
        number,
        np.where(here[:, None], points, expected),
        np.where(here, confidence, track.confidence),
        velocity,
        # A person of whom less is seen has not shrunk.
        max(size, 0.95 * track.size),
        time,
    )


def _expected(track: Track, time: float) -> np.ndarray:
    """Where the keypoints of a track should be: constant velocity, for a while."""
    return track.points + track.velocity * min(time - track.time, _COASTING)


def _distance(track: Track, points: np.ndarray, confidence: np.ndarray, time: float) -> float:
    """How far the keypoints seen of both are apart, and their middles, in the mean.

    In units of the larger person's size; infinite where too few are seen of both.
    """
    weight = np.sqrt(confidence * track.confidence)
    if np.count_nonzero(weight) < _SHARED:
        return np.inf
    size = max(float(detections.box_size(points[None], confidence[None])[0]), track.size, 1.0)
    apart = (points - _expected(track, time)) / size
    weight = weight / weight.sum()
    # No keypoint counts for more than a whole person: sides may be exchanged.
    each = float(weight @ np.minimum(np.linalg.norm(apart, axis=-1), 1))
    # Who turns over moves every keypoint, and not the middle.
    middle = float(np.linalg.norm(weight @ apart))
    return (each + middle) / 2


def _rows_of_frames(found: Detections) -> list[np.ndarray]:
    """The rows of each of the F frames."""
    order = np.argsort(found.frame, kind="stable")
    starts = np.searchsorted(found.frame[order], np.arange(1, len(found.frame_names)))
    return np.split(order, starts)


def _continues(found: Detections) -> bool:
    """Are most people in the frame before too, and near?"""
    distances, chances = [], 0
    frames = _rows_of_frames(found)
    for before, now in zip(frames[:-1], frames[1:], strict=True):
        chances += min(len(before), len(now))
        for row in now:
            for earlier in before[found.identity[before] == found.identity[row]]:
                both = (found.confidence[row] > 0) & (found.confidence[earlier] > 0)
                apart = np.linalg.norm(found.points[row] - found.points[earlier], axis=-1)[both]
                size = detections.box_size(found.points[[row]], found.confidence[[row]])[0]
                distances.append(apart.mean() / max(size, 1.0))
    return len(distances) >= _CONTINUED * chances > 0 and float(np.median(distances)) <= _NEAR
