"""Keypoints in npz and npy files: [K, C], [N, K, C] or [T, P, K, C] of x, y and a confidence.

An npz may also have `confidence`, and say `skeleton`, `frame`, `person`, `id`, `frame_names`,
`frame_numbers`, `images`, `image_size` and `fps`, as the npz of fitted bodies does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ief_jax.formats.content import Collector, Content, Frame, number_in, rate, size
from ief_jax.geometry import skeletons
from ief_jax.io import npz
from ief_jax.io.files import InputError

MOST_FRAMES = 10_000_000
"""Frame numbers from here on are taken for a broken file."""

KEYS = ("keypoints", "points", "keypoints_2d", "keypoints2d", "kpts", "joints_2d", "joints2d")
"""What an npz may call its keypoints; or there is one array only."""
_LIKE_KEYPOINTS = re.compile("keypoint|kpt|kps|landmark|pose2d|joints2d")
_UNLIKE_KEYPOINTS = re.compile("score|conf|visib|name|3d|world|number|id2|2id|hand|face|left|right")
CONFIDENCES = ("confidence", "confidences", "scores", "keypoint_scores", "conf")
OTHERS = (
    *("skeleton", "keypoint_names", "frame", "person", "id", "frame_names", "frame_numbers"),
    *("images", "image_size", "fps"),
)
_ALIASES = {
    "frame": ("frame_ids", "frame_id", "frame_idx", "frame_indices"),
    "id": ("ids", "track_ids", "track_id", "person_ids"),
}
SMALL = frozenset({*OTHERS, *(alias for some in _ALIASES.values() for alias in some)})
"""What an npz may say of its people and frames, a number or a name each."""


_BLOCK = 4096
"""People, or frames of people, who are read at once."""

Arrays = Mapping[str, np.ndarray] | Mapping[str, np.ndarray | npz.Rows]
"""Arrays by name, those of keypoints and confidences in memory or in the file."""


class Index(NamedTuple):
    """Who is where among the N people and F frames of an npz: all but keypoints.

    Attributes:
      key: name of the array of keypoints.
      shape: of this array, [N, K, C] or [T, P, K, C].
      confidence: name of the array of confidences, if they have one of their own.
      frame: [N] what the file calls each person's frame, one of `numbers`.
      identity: [N] number of the person over frames, or -1.
      within: [N] place within the frame, where the file says.
      numbers: [F] ascending, what the file calls its frames.
      names: [F] text, where the frames have names.
      images: [F] text, where the file says, '' for none.
      numbered: whether `numbers` are the frames' own, not only their places among the names.
      size: width and height of every image, where the file says.
      about: what is said of all people: a `Content` without frames and people.
    """

    key: str
    shape: tuple[int, ...]
    confidence: str | None
    frame: np.ndarray
    identity: np.ndarray
    within: np.ndarray | None
    numbers: np.ndarray
    names: np.ndarray | None
    images: np.ndarray | None
    numbered: bool
    size: tuple[float, float] | None
    about: Content


def wanted(names: Sequence[str]) -> list[str]:
    """Of the names of an npz's arrays those that `read` needs; the only one whatever it is."""
    if len(names) == 1:
        return list(names)
    known = {*KEYS, *CONFIDENCES, *SMALL}
    return [name for name in names if name in known or _of_keypoints(name) or _of_scores(name)]


def _of_keypoints(name: str) -> bool:
    plain = name.lower().replace("_", "")
    return bool(_LIKE_KEYPOINTS.search(plain)) and not _UNLIKE_KEYPOINTS.search(plain)


def _of_scores(name: str) -> bool:
    return "score" in name.lower() or "conf" in name.lower()


def read(arrays: Mapping[str, np.ndarray], names: tuple[str, ...]) -> Content:
    """The people of an npz.

    Args:
      arrays: those of `KEYS`, `CONFIDENCES` and `OTHERS` that the file has, or the only one.
      names: of all arrays in the file, for messages.

    Raises:
      InputError: something is not what was expected; names the array.
    """
    index = indexed(arrays, names)
    return some(index, arrays, np.arange(len(index.numbers)))


def indexed(arrays: Arrays, names: tuple[str, ...]) -> Index:
    """Who is where in an npz, as `read` has it; no keypoints are looked at.

    Raises:
      InputError: as `read` does.
    """
    keys = [key for key in KEYS if key in arrays]
    keys += [key for key in arrays if len(names) == 1 and arrays[key].ndim >= 2]
    like = [key for key in arrays if _of_keypoints(key) and arrays[key].ndim >= 2]
    keys += like if len(like) == 1 else []
    if not keys:
        raise InputError(
            "expected 'keypoints' [N, K, 3], or 'points' [N, K, 2] and 'confidence' [N, K]; has "
            f"{', '.join(names) or 'nothing'}"
        )
    # The npz of fitted bodies has `points` and `confidence`.
    key = keys[0]
    shape = _shape(key, arrays[key])
    confidence = _confidence(key, shape, arrays)
    whole = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    within = None
    if len(shape) == 4:
        steps, people = shape[:2]
        frame = np.repeat(np.arange(steps), people)
        identity = np.tile(np.arange(people), steps)
    else:
        count = shape[0]
        frame = _index(whole, "frame", count, np.arange(count))
        identity = _index(whole, "id", count, np.full(count, -1), least=-1)
        if "person" in arrays:
            within = _index(whole, "person", count, np.zeros(count))
    nobody = f"'{key}' is empty: nobody was detected"
    if not len(frame):
        raise InputError(nobody)
    about = Content(
        "npz",
        [],
        [],
        [],
        nobody,
        names=_keypoint_names(whole),
        skeleton=_skeleton(whole),
        finds="reprojected" in names,  # bodies' own: keypoints that were thought unseen have 0
        fps=rate(whole["fps"].item()) if _is_scalar(whole.get("fps")) else None,
    )
    return Index(
        key,
        shape,
        confidence,
        frame,
        identity,
        within,
        *_frames(whole, frame),
        _size(whole),
        about,
    )


def some(index: Index, arrays: Arrays, chosen: np.ndarray) -> Content:
    """The people of some frames.

    Args:
      index: of the npz.
      arrays: of the same, with the keypoints.
      chosen: places in `index.numbers`, ascending.

    Raises:
      InputError: the file is damaged.
    """
    found = Collector()
    for place in chosen.tolist():
        found.frame(place, _frame(index, place))
    numbers = index.numbers[chosen]
    rows = np.flatnonzero(np.isin(index.frame, numbers))
    if not len(rows):
        return index.about._replace(frames=found.frames)
    confidence = None
    if index.confidence is not None:
        confidence = _people(arrays[index.confidence], index.shape[:-2], 1, rows)
    stacked = _stacked(_people(arrays[index.key], index.shape[:-2], 2, rows), confidence)
    there = np.ones(len(rows), bool)
    if len(index.shape) == 4 and len(index.frame) > 1:
        # People who are not there in a frame have no keypoint there.
        finite = np.isfinite(stacked[..., :2]).all(-1) & (stacked[..., :2] != 0).any(-1)
        there = finite.any(1)
    places = np.searchsorted(numbers, index.frame[rows])
    for at in np.flatnonzero(there):
        row, owner = rows[at], int(index.identity[rows[at]])
        found.person(
            f"{index.key}[{row}]", int(places[at]), stacked[at], owner if owner >= 0 else None
        )
        if index.within is not None:
            found.people[-1] = found.people[-1]._replace(within=int(index.within[row]))
    return index.about._replace(
        frames=found.frames, people=found.people, passed_over=found.passed_over
    )


def _shape(key: str, array: np.ndarray | npz.Rows) -> tuple[int, ...]:
    """[N, K, C] or [T, P, K, C] of an array of keypoints."""
    if array.dtype.kind not in "iuf":
        raise InputError(f"'{key}' is of type {array.dtype}, expected numbers")
    shape = array.shape
    if len(shape) == 2 and shape[1] in (2, 3):
        shape = (1, *shape)
    # Four are MediaPipe's: x, y, z, visibility
    if len(shape) not in (3, 4) or shape[-1] not in (2, 3, 4) or shape[-2] == 0:
        raise InputError(
            f"'{key}' has shape {shape}, expected [N, K, 3] of x, y, confidence, [N, K, 2] "
            "of x, y, or [T, P, K, 3]"
        )
    return shape


def _confidence(key: str, shape: tuple[int, ...], arrays: Arrays) -> str | None:
    """The name of the confidences of keypoints of a shape, if those do not have their own."""
    *people, width = shape
    shapes = [tuple(people), (*people, 1)]
    names = [name for name in CONFIDENCES if name in arrays]
    names += [name for name in arrays if _of_scores(name) and arrays[name].shape in shapes]
    if not names or width != 2:
        return None
    found = arrays[names[0]]
    if found.shape not in shapes and (people[0] != 1 or found.shape != tuple(people[1:])):
        raise InputError(
            f"'{key}' {shape} and '{names[0]}' {found.shape}, expected [N, K, 2] and [N, K]"
        )
    if found.dtype.kind not in "biuf":
        raise InputError(f"'{names[0]}' is of type {found.dtype}, expected numbers")
    return names[0]


def _people(
    array: np.ndarray | npz.Rows, people: tuple[int, ...], axes: int, rows: np.ndarray
) -> np.ndarray:
    """The rows of people, [N] or [T, P], in an array that has at least so many axes behind them."""
    if isinstance(array, np.ndarray) and array.ndim < len(people) + axes:
        array = array[None]  # of one person
    each = people[1] if len(people) == 2 else 1
    found = []
    for first in range(rows[0] // each, rows[-1] // each + 1, _BLOCK):
        block = array[first : first + _BLOCK]
        block = block.reshape(-1, *block.shape[len(people) :])
        inside = rows[np.searchsorted(rows, first * each) :] - first * each
        found.append(block[inside[: np.searchsorted(inside, len(block))]])
    return np.concatenate(found)


def _stacked(values: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
    """[N, K, 3] float64 of keypoints [N, K, C] and confidences [N, K] or [N, K, 1]."""
    if values.shape[-1] > 2:
        confidence = values[..., -1]
    elif confidence is None:
        confidence = np.ones(values.shape[:-1])
    confidence = confidence.reshape(*values.shape[:-1], 1)
    return np.concatenate([values[..., :2], confidence], -1, dtype=np.float64)


def _index(
    arrays: Mapping[str, np.ndarray], key: str, count: int, default: np.ndarray, least: int = 0
) -> np.ndarray:
    others = [arrays[name] for name in _ALIASES.get(key, ()) if name in arrays]
    others = [one for one in others if one.shape == (count,) and one.dtype.kind in "iu"]
    value = arrays.get(key, others[0] if others else default)
    whole = value.shape == (count,) and value.dtype.kind in "iu"
    if not whole or (count and (value.min() < least or value.max() >= MOST_FRAMES)):
        raise InputError(
            f"'{key}' is not [{count}] whole numbers from 0 to {MOST_FRAMES}, one a person"
        )
    return value.astype(np.int64)


def _frames(
    arrays: Mapping[str, np.ndarray], frame: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, bool]:
    """`Index`'s numbers, names, images and numbered: the frames by what `frame` calls them.

    Without names, only those in which somebody is; with names, `frame` is an index into them, or
    into `frame_numbers`' values.
    """
    numbers = arrays.get("frame_numbers")
    names = _texts(arrays, "frame_names")
    images = _texts(arrays, "images")
    if numbers is not None and (
        numbers.ndim != 1
        or numbers.dtype.kind not in "iu"
        or not np.isin(frame, numbers).all()
        or len(numbers) not in (len(names), 0)
        or len(np.unique(numbers)) < len(numbers)
    ):
        raise InputError("'frame_numbers' is not a list of each frame's number, one a name")
    last = int(frame.max(initial=0))
    if numbers is None:
        for key, texts in (("frame_names", names), ("images", images)):
            given = key in arrays and (len(texts) or key == "frame_names")
            if given and len(texts) <= last:
                raise InputError(f"'{key}' is not a list of {last + 1} names, one a frame")
    if numbers is not None:
        order = np.argsort(numbers)
        return numbers[order].astype(np.int64), names[order], _at(images, order), True
    if len(names):
        places = np.arange(len(names))
        return places, names, _at(images, places), False
    numbers = np.unique(frame)
    return numbers, None, _at(images, numbers), True


def _at(images: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """The images in these places, '' beyond the last."""
    if not len(images):
        return None
    return np.where(places < len(images), images[np.minimum(places, len(images) - 1)], "")


def _frame(index: Index, place: int) -> Frame:
    number = int(index.numbers[place])
    if index.names is None:
        name = f"{number:0{len(str(index.numbers[-1]))}d}"
    else:
        name = str(index.names[place])
    image = None if index.images is None else str(index.images[place]) or None
    return Frame(name, image, number if index.numbered else number_in(name), index.size)


def _texts(arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    value = arrays.get(key)
    if value is None:
        return np.array([], str)
    if value.ndim != 1 or value.dtype.kind not in "SU":
        raise InputError(f"'{key}' is not a list of names, one a frame")
    return np.char.decode(value, "utf-8", "replace") if value.dtype.kind == "S" else value


def _size(arrays: Mapping[str, np.ndarray]) -> tuple[float, float] | None:
    value = arrays.get("image_size")
    if value is None or value.shape != (2,) or value.dtype.kind not in "iuf":
        return None
    return size(value[0].item(), value[1].item())


def _is_scalar(value: np.ndarray | None) -> bool:
    return value is not None and value.size == 1 and value.dtype.kind in "iuf"


def _keypoint_names(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...] | None:
    """Names count where no known skeleton is said."""
    if "skeleton" in arrays and str(arrays["skeleton"]) in skeletons.LAYOUTS:
        return None
    return tuple(_texts(arrays, "keypoint_names").tolist()) or None


def _skeleton(arrays: Mapping[str, np.ndarray]) -> str | None:
    if "skeleton" not in arrays:
        return None
    stated = str(arrays["skeleton"])
    return None if stated not in skeletons.LAYOUTS and "keypoint_names" in arrays else stated
