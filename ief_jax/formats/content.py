"""What every format is read into: the people of frames, and what had to be passed over."""

import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ief_jax.formats.messages import kind
from ief_jax.geometry import skeletons


class ItemError(ValueError):
    """One item of a file cannot be used; the message says which field, and what was expected."""


class Frame(NamedTuple):
    """One image.

    Attributes:
      name: of the frame; None for that of the file.
      image: file name of the photograph, where the file says.
      number: of the frame, where the file says.
      size: width and height in pixels, where the file says.
    """

    name: str | None = None
    image: str | None = None
    number: int | None = None
    size: tuple[float, float] | None = None


class Person(NamedTuple):
    """One person in one frame.

    Attributes:
      place: the field, for messages.
      keypoints: [K, 3] x, y, confidence; NaN where there is none; [0, 3] if nothing was found.
      frame: index into the frames.
      identity: number of the person over frames, where the file says.
      within: place within its frame, those that were passed over counted too.
    """

    place: str
    keypoints: np.ndarray
    frame: int
    identity: int | None = None
    within: int = 0


class Content(NamedTuple):
    """What a file holds.

    Attributes:
      form: name of the format.
      frames: in the order of the file, empty ones too.
      people: likewise.
      passed_over: of each item that cannot be used, field and reason.
      nobody: what to say if there are no people.
      names: of the K keypoints, where the file has them.
      skeleton: the file's own word, which may be none that is known.
      fps: frames per second, where the file says.
      shares: coordinates are shares of the image by the format's definition.
      finds: the format leaves out the keypoints that were not found, as OpenPose's does; others
        have a place for each, however unlikely.
      usual: the layouts that the format's own tool writes; they count where people do not tell.
    """

    form: str
    frames: list[Frame]
    people: list[Person]
    passed_over: list[str]
    nobody: str
    names: tuple[str, ...] | None = None
    skeleton: str | None = None
    fps: float | None = None
    shares: bool = False
    finds: bool = False
    usual: tuple[str, ...] = ()


class Collector:
    """Gathers frames and people one after the other; items that fail are passed over."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.people: list[Person] = []
        self.passed_over: list[str] = []
        self._index: dict[Hashable, int] = {}
        self._within: dict[int, int] = {}

    def frame(self, key: Hashable, frame: Frame) -> int:
        """The index of the frame of this key; `frame` if it is new."""
        if key not in self._index:
            self._index[key] = len(self.frames)
            self.frames.append(frame)
        return self._index[key]

    def person(self, place: str, frame: int, values: Any, identity: Any = None) -> None:
        """Adds a person whose keypoints are `values`, as `triples` reads them."""
        within = self._within.get(frame, 0)
        self._within[frame] = within + 1
        try:
            keypoints = values if isinstance(values, np.ndarray) else triples(values, place)
        except ItemError as error:
            self.passed_over.append(str(error))
            return
        self.people.append(Person(place, keypoints, frame, whole(identity), within))


KNOWN_COUNTS = frozenset(len(layout) for layout in skeletons.LAYOUTS.values())
"""Numbers of keypoints that known layouts have."""


def triples(values: Any, place: str) -> np.ndarray:
    """The keypoints [K, 3] in [x, y, confidence, ...], [[x, y, confidence], ...] or null.

    Numbers may be text; null is NaN. Without a confidence ([[x, y], ...], or [x, y, ...] of as many
    numbers as a known layout has and no multiple of three) it is 1.

    Raises:
      ItemError: it is no such list; the message starts with `place`.
    """
    if values is None:
        return np.zeros((0, 3))
    if not isinstance(values, list):
        raise ItemError(f"{place} is {kind(values)}, expected [x, y, confidence, ...]")
    if values and isinstance(values[0], list):
        return rows(values, place)
    if len(values) % 3 and len(values) % 2 == 0 and len(values) // 2 in KNOWN_COUNTS:
        return with_confidence(numbers(values, place).reshape(-1, 2))
    if len(values) % 3:
        raise ItemError(f"{place} is {kind(values)}, expected [x, y, confidence, ...]")
    return numbers(values, place).reshape(-1, 3)


def rows(values: Any, place: str) -> np.ndarray:
    """The keypoints [K, 3] in [[x, y], ...] or [[x, y, confidence], ...]; raises `ItemError`."""
    if not isinstance(values, list):
        raise ItemError(f"{place} is {kind(values)}, expected [[x, y, confidence], ...]")
    width = 3
    for number, row in enumerate(values):
        if row is None:
            continue
        if not isinstance(row, list) or len(row) not in (2, 3):
            raise ItemError(f"{place}[{number}] is {kind(row)}, expected [x, y, confidence]")
        width = len(row)
    flat: list[Any] = []
    for number, row in enumerate(values):
        row = [None] * width if row is None else row
        if len(row) != width:
            raise ItemError(f"{place}[{number}] is {kind(row)}, others are lists of {width}")
        flat.extend(row)
    return with_confidence(numbers(flat, place).reshape(-1, width))


def with_confidence(points: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """[..., 3] from coordinates [..., 2], by default all seen; what has a confidence is kept."""
    if points.shape[-1] == 3 and confidence is None:
        return points
    if confidence is None:
        confidence = np.ones(points.shape[:-1])
    return np.concatenate([points[..., :2], confidence[..., None]], -1)


def numbers(values: Iterable[Any], place: str) -> np.ndarray:
    """Numbers, numbers written as text, and null (NaN); raises `ItemError`."""
    found = []
    for value in values:
        if type(value) is float or type(value) is int:
            found.append(value)
        elif value is None or value == "":
            found.append(math.nan)
        else:
            found.append(number(value, place))
    try:
        return np.array(found, np.float64)
    except OverflowError as error:
        raise ItemError(f"{place}: a number is too large") from error


def number(value: Any, place: str) -> float:
    """A number, or one written as text; raises `ItemError`."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            raise ItemError(f"{place} holds something that is not a number") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ItemError(f"{place} holds something that is not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ItemError(f"{place}: a number is too large") from error


_LARGEST_WHOLE = 2**53


def whole(value: Any) -> int | None:
    """A whole number from 0, also as text, as 3.0, [3] or [[3]]; None for everything else."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,16}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= _LARGEST_WHOLE or value != int(value):
        return None
    return int(value)


def size(width: Any, height: Any) -> tuple[float, float] | None:
    """Width and height if both are positive numbers."""
    both = []
    for value in (width, height):
        found = whole(value)
        if found is None or found == 0:
            return None
        both.append(float(found))
    return both[0], both[1]


_SIZES = (("width", "height"), ("image_width", "image_height"), ("canvas_width", "canvas_height"))


def size_in(fields: Mapping[str, Any]) -> tuple[float, float] | None:
    """Width and height of the image among the fields of an object, whatever it calls them."""
    pair = fields.get("image_size")
    if isinstance(pair, list) and len(pair) == 2:
        return size(*pair)
    return next((s for w, h in _SIZES if (s := size(fields.get(w), fields.get(h)))), None)


def rate(value: Any) -> float | None:
    """Frames per second if it is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e6 else None


def plain_path(name: str) -> str:
    """A file name with the separators of this system, also if it was written on Windows."""
    return name.replace("\\", "/")


_DIGITS = 15
"""Longer numbers in names are none."""


def number_in(name: str) -> int | None:
    """The last number in a name without its suffix: 12 of 'v2_000012'."""
    found = re.findall(r"[0-9]+", name)
    return int(found[-1]) if found and len(found[-1]) <= _DIGITS else None


def numbers_in(names: Sequence[str]) -> list[int | None]:
    """The number of each of several names: the last, or the last but some where only that differs.

    So it is 12 of `12_view2` beside `13_view2`.
    """
    runs = [re.findall(r"[0-9]+", name) for name in names]
    numbered = [run for run in runs if run]
    for back in range(1, min(map(len, numbered), default=0) + 1):
        texts = [run[-back] for run in numbered]
        if len(set(map(_plain, texts))) == len(texts) and max(map(len, texts)) <= _DIGITS:
            return [int(run[-back]) if run else None for run in runs]
    return [number_in(name) for name in names]


def _plain(digits: str) -> str:
    return digits.lstrip("0")
