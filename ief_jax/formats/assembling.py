"""What all formats have in common: their people are checked and put into one array."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ief_jax.formats import keypoint_names, skeleton_choice
from ief_jax.formats.content import Content, Frame, Person, number_in, numbers_in
from ief_jax.formats.detections import Detections, box_size
from ief_jax.formats.messages import known
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

LARGEST = 1e6
"""Pixel coordinates beyond this are taken for a broken file."""
UNLIKELY = 0.1
"""Of a person's largest confidence: less is unseen, where a detector places every keypoint."""
_PILE = 5
_LARGE = 50.0
_SHARE = 3.0
"""Coordinates are shares of an image if half of them are below this."""
_MOST_NEGATIVE = 0.1
_SLIGHTLY = 0.01
_DEPTH = 1000.0
"""Third numbers are depths if more of them than that share are below minus the second, or if half
of them are above the third: the largest of a heat map can be a little negative, and confidences can
be of 100 or 255."""


class Options(NamedTuple):
    """How files are to be read.

    Attributes:
      skeleton: a key of `skeletons.LAYOUTS`; None for what the file says.
      minimum: confidences below it are unseen; None for `UNLIKELY` of the person's largest, and
        for nothing where the detector itself leaves out what it does not find.
      size: width and height of every image, for files that give shares of it.
      sizes: of one image, by its frame's name, its file name and the frame's number; None where it
        is not known.
      names: what a file calls a keypoint, and its name here.
      strict: what cannot be read is an error, not passed over.
    """

    skeleton: str | None = None
    minimum: float | None = None
    size: tuple[float, float] | None = None
    sizes: Callable[[str, str | None, int | None], tuple[float, float] | None] | None = None
    names: Mapping[str, str] | None = None
    strict: bool = False


class NobodyError(InputError):
    """Files can be read, and there is nobody in them.

    Attributes:
      frames: there are.
      passed_over: of each item that could not be read, where it is and why.
    """

    def __init__(
        self, message: str, frames: Sequence[Frame] = (), passed_over: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.frames, self.passed_over = tuple(frames), tuple(passed_over)


class Part(NamedTuple):
    """One file of what is read together."""

    path: Path
    content: Content


def assemble(
    source: Path, parts: Sequence[Part], options: Options, passed_over: Sequence[str] = ()
) -> Detections:
    """Checks the people of files, and settles the skeleton.

    Args:
      source: what was read, for messages.
      parts: the files, one behind the other.
      options: how.
      passed_over: what was passed over before.

    Raises:
      NobodyError: nobody can be used.
      InputError: coordinates are shares of an image of unknown size, the skeleton is not known; or,
        with `strict`, anything was passed over. Names file and field.
    """
    frames, people = _numbered(parts)
    passed = [*passed_over, *(f"{p.path}: {one}" for p in parts for one in p.content.passed_over)]
    people, more = _of_one_number(people, options.skeleton)
    people, far = _within_reach(people)
    passed += more + far
    if options.strict and passed:
        raise InputError(passed[0])
    if not people:
        raise NobodyError(passed[0] if passed else _nobody(source, parts), frames, passed)
    count = max(len(person.keypoints) for person, _ in people)
    stacked = np.zeros((len(people), count, 3))
    for (person, _), target in zip(people, stacked, strict=True):
        target[: len(person.keypoints)] = person.keypoints
    _not_depths(source, stacked)
    frame = np.array([person.frame for person, _ in people], np.int64)
    finds = np.array([part.content.finds for _, part in people])
    points, confidence = _seen(stacked, finds, options.minimum)
    if not confidence.any():
        raise NobodyError(
            f"{source}: all confidences are zero or below the least: no keypoint was detected",
            frames,
            passed,
        )
    stated = None if options.skeleton else _stated(parts)
    points, taken = _in_pixels(source, points, confidence, frame, frames, parts, options)
    names = _names(source, parts, options)
    try:
        names, skeleton, evidence = skeleton_choice.settle(
            points,
            confidence,
            options.skeleton or stated,
            names,
            {name for part in parts for name in part.content.usual},
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    if taken:
        evidence += f"; coordinates taken as {taken}"
    identity = np.array(
        [-1 if person.identity is None else person.identity for person, _ in people], np.int64
    )
    place = np.array([person.within for person, _ in people], np.int64)
    order = np.arange(len(frame))
    if (identity >= 0).any():
        order = np.lexsort((order, identity, frame))
    return Detections(
        points[order].astype(np.float32),
        confidence[order].astype(np.float32),
        names,
        skeleton,
        evidence,
        frame[order],
        place[order],
        tuple(str(f.name) for f in frames),
        tuple(f.image for f in frames),
        _frame_numbers(frames),
        identity[order],
        next((p.content.fps for p in parts if p.content.fps), None),
        tuple(passed),
    )


def _nobody(source: Path, parts: Sequence[Part]) -> str:
    if len(parts) == 1:
        return f"{parts[0].path}: {parts[0].content.nobody}"
    return f"{source}: nobody was detected in any of {len(parts)} files ({parts[0].content.nobody})"


def _numbered(parts: Sequence[Part]) -> tuple[list[Frame], list[tuple[Person, Part]]]:
    """All frames with names, and people with their index into them and their file."""
    frames: list[Frame] = []
    people = []
    for part in parts:
        stem = part.path.stem.removesuffix("_keypoints")
        start = len(frames)
        for one in part.content.frames:
            if one.name is None:
                number = number_in(stem) if one.number is None else one.number
                one = one._replace(name=stem, number=number)
            frames.append(one)
        for person in part.content.people:
            placed = person._replace(
                frame=person.frame + start, place=f"{part.path}: {person.place}"
            )
            people.append((placed, part))
    return frames, people


def _of_one_number(
    people: Sequence[tuple[Person, Part]], skeleton: str | None
) -> tuple[list[tuple[Person, Part]], list[str]]:
    """The people with the skeleton's number of keypoints, or the commonest; and the others."""
    counts = Counter(len(person.keypoints) for person, _ in people if len(person.keypoints))
    if not counts:
        return list(people), []
    wanted = counts.most_common(1)[0][0]
    if skeleton is not None and len(skeletons.LAYOUTS[skeleton]) in counts:
        wanted = len(skeletons.LAYOUTS[skeleton])
    kept, passed = [], []
    for person, part in people:
        if len(person.keypoints) in (0, wanted):
            kept.append((person, part))
        else:
            passed.append(
                f"{person.place} has {len(person.keypoints)} keypoints, others have {wanted}"
            )
    return kept, passed


def _within_reach(
    people: Sequence[tuple[Person, Part]],
) -> tuple[list[tuple[Person, Part]], list[str]]:
    kept, passed = [], []
    for person, part in people:
        with np.errstate(invalid="ignore"):
            far = (np.abs(person.keypoints[:, :2]) > LARGEST) & np.isfinite(person.keypoints[:, :2])
        rows = np.flatnonzero(far.any(1))
        if len(rows):
            x, y, confidence = person.keypoints[rows[0]]
            passed.append(
                f"{person.place}: keypoint {rows[0]} is ({x:g}, {y:g}) with confidence "
                f"{confidence:g}, expected pixel coordinates"
            )
        else:
            kept.append((person, part))
    return kept, passed


def _frame_numbers(frames: Sequence[Frame]) -> tuple[int, ...]:
    """As the frames say, else as their names do, else in order: no two are the same."""
    for found in ([f.number for f in frames], numbers_in([str(f.name) for f in frames])):
        numbers = [index if number is None else number for index, number in enumerate(found)]
        if len(set(numbers)) == len(numbers):
            return tuple(numbers)
    return tuple(range(len(frames)))


def _not_depths(source: Path, stacked: np.ndarray) -> None:
    """Raises `InputError` if keypoints [N, K, 3] are x, y, z."""
    third = stacked[np.isfinite(stacked).all(-1) & (stacked != 0).any(-1), 2]
    third = third[third != -1]
    if not len(third):
        return
    if (third < -_SLIGHTLY).mean() > _MOST_NEGATIVE or np.median(third) > _DEPTH:
        raise InputError(
            f"{source}: the third number of a keypoint goes from {third.min():g} to "
            f"{third.max():g}, as depths do: expected x and y in pixels and a confidence from 0 "
            "to 1, or x and y alone"
        )


def _seen(
    stacked: np.ndarray, finds: np.ndarray, minimum: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, K, 2] and confidences [N, K] in [0, 1]; both 0 where a keypoint is missing.

    Missing is what is not finite, at (0, 0), at (-1, -1) or, with four others, at one place, or
    has no or too small a confidence.
    """
    points, confidence = stacked[..., :2], stacked[..., 2]
    missing = ~np.isfinite(points).all(-1) | ~(confidence > 0)
    missing |= (points == 0).all(-1) | (points == -1).all(-1)
    missing |= _piled_up(points, missing)
    confidence = np.where(missing, 0, confidence)
    if minimum is None:
        least = UNLIKELY * np.minimum(confidence, 1).max(1, initial=0)
        least = np.where(finds, 0, least)[:, None]
    else:
        least = np.full((len(confidence), 1), minimum)
    missing |= confidence < least
    return (
        np.where(missing[..., None], 0, points),
        np.where(missing, 0, np.clip(confidence, 0, 1)),
    )


def _piled_up(points: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """[N, K] bool: keypoints at a place that several of a person share to the last digit.

    Tools fill in what they have not (the feet of a body detector) with one place or another.
    People so small that keypoints fall onto one pixel are left as they are.
    """
    found = np.zeros(missing.shape, bool)
    if missing.shape[1] < _PILE:
        return found
    large = box_size(np.where(missing[..., None], 0, points), (~missing).astype(float)) >= _LARGE
    for row in np.flatnonzero(large):
        _, place, count = np.unique(points[row], axis=0, return_inverse=True, return_counts=True)
        found[row] = ~missing[row] & (count[place.reshape(-1)] >= _PILE)
    return found


def _in_pixels(
    source: Path,
    points: np.ndarray,
    confidence: np.ndarray,
    frame: np.ndarray,
    frames: Sequence[Frame],
    parts: Sequence[Part],
    options: Options,
) -> tuple[np.ndarray, str]:
    """Shares of an image as pixels, and as which they were taken, where that may be wrong.

    What are pixels stays.
    """
    form = parts[0].content.form
    seen = points[confidence > 0]
    shares = any(part.content.shares for part in parts)
    if not shares:
        # Not all: a keypoint that was guessed can be far outside of the image.
        if np.median(np.abs(seen)) > _SHARE or np.ptp(seen, 0).max() == 0:
            return points, ""
    elif np.median(np.abs(seen)) > _SHARE:
        raise InputError(
            f"{source}: {form} gives shares of the image, from 0 to 1, but coordinates go up to "
            f"{seen.max():g}"
        )
    sizes = []
    for one in frames:
        size = options.size or one.size
        if size is None and options.sizes is not None:
            size = options.sizes(str(one.name), one.image, one.number)
        sizes.append(size)
    unknown = [index for index in np.unique(frame) if sizes[index] is None]
    if unknown:
        what = f"{form} gives shares of the image" if shares else "all coordinates are about 1"
        raise InputError(
            f"{source}: {what}: expected pixels, not a share of the image: multiply x by its width "
            "and y by its height, or say --image-size WIDTH HEIGHT, or --images where the "
            "photographs are"
        )
    scale = np.array([size or (1.0, 1.0) for size in sizes])[frame][:, None]
    taken = ""
    if form == "OpenPose" and seen.min() < -0.2 and seen.max() <= 1:
        points, taken = (points + 1) / 2, "-1 to 1 (--keypoint_scale 4)"
    elif form == "OpenPose":
        # -1 to 1 looks the same where everybody is right of and below the centre.
        taken = "0 to 1 (--keypoint_scale 3): wrong if they are -1 to 1"
    return np.where((confidence > 0)[..., None], points * scale, 0), taken


def _names(source: Path, parts: Sequence[Part], options: Options) -> tuple[str, ...] | None:
    stated = {part.content.names: part.path for part in parts if part.content.names}
    if len(stated) > 1:
        first, second = list(stated.values())[:2]
        raise InputError(f"{source}: {first} and {second} have different names of keypoints")
    names = next(iter(stated), None)
    if names and options.names:
        names = tuple(options.names.get(name, name) for name in names)
    if names and parts[0].content.form == "COCO" and keypoint_names.only_count(names):
        return None  # annotation tools number the points of a skeleton that nobody named
    return names


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _stated(parts: Sequence[Part]) -> str | None:
    """The skeleton that the files themselves name: those of `keypoints.write` do."""
    spelled = {_plain(name): name for name in skeletons.LAYOUTS}
    stated = {
        spelled.get(_plain(part.content.skeleton), part.content.skeleton): part.path
        for part in parts
        if part.content.skeleton
    }
    for name, path in stated.items():
        if name not in skeletons.LAYOUTS or len(stated) > 1:
            others = "" if len(stated) == 1 else f"; the files name {', '.join(sorted(stated))}"
            raise InputError(f"{path}: 'skeleton' is '{name}', expected {known()}{others}")
    return next(iter(stated), None)
