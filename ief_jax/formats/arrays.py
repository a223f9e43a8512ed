"""Keypoints in npz and npy files: [K, C], [N, K, C] or [T, P, K, C] of x, y and a confidence.

An npz may also have `confidence`, and say `skeleton`, `frame`, `person`, `id`, `frame_names`,
`frame_numbers`, `images`, `image_size` and `fps`, as the npz of fitted bodies does.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ief_jax.formats.content import Collector, Content, Frame, number_in, rate, size
from ief_jax.geometry import skeletons
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


def wanted(names: Sequence[str]) -> list[str]:
    """Of the names of an npz's arrays those that `read` needs; the only one whatever it is."""
    if len(names) == 1:
        return list(names)
    known = {*KEYS, *CONFIDENCES, *OTHERS, *(alias for some in _ALIASES.values() for alias in some)}
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
    stacked = _stacked(key, arrays[key], arrays)
    within = None
    if stacked.ndim == 4:
        steps, people = stacked.shape[:2]
        stacked = stacked.reshape(-1, *stacked.shape[2:])
        frame = np.repeat(np.arange(steps), people)
        identity = np.tile(np.arange(people), steps)
        # People who are not there in a frame have no keypoint there.
        finite = np.isfinite(stacked[..., :2]).all(-1) & (stacked[..., :2] != 0).any(-1)
        there = finite.any(1) | (steps * people == 1)
    else:
        count = len(stacked)
        frame = _index(arrays, "frame", count, np.arange(count))
        identity = _index(arrays, "id", count, np.full(count, -1), least=-1)
        there = np.ones(count, bool)
        if "person" in arrays:
            within = _index(arrays, "person", count, np.zeros(count))
    if not len(stacked):
        raise InputError(f"'{key}' is empty: nobody was detected")
    frames = _frames(arrays, frame)
    index = {number: i for i, number in enumerate(sorted(set(frame.tolist()) | set(frames)))}
    found = Collector()
    for number in index:
        found.frame(number, frames[number])
    for row in np.flatnonzero(there):
        owner = int(identity[row])
        found.person(
            f"{key}[{row}]", index[int(frame[row])], stacked[row], owner if owner >= 0 else None
        )
        if within is not None:
            found.people[-1] = found.people[-1]._replace(within=int(within[row]))
    return Content(
        "npz",
        found.frames,
        found.people,
        found.passed_over,
        f"'{key}' is empty: nobody was detected",
        names=_keypoint_names(arrays),
        skeleton=_skeleton(arrays),
        finds="reprojected" in names,  # bodies' own: keypoints that were thought unseen have 0
        fps=rate(arrays["fps"].item()) if _is_scalar(arrays.get("fps")) else None,
    )


def _stacked(key: str, values: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """[N, K, 3] or [T, P, K, 3] float64."""
    if values.dtype.kind not in "iuf":
        raise InputError(f"'{key}' is of type {values.dtype}, expected numbers")
    if values.ndim == 2 and values.shape[1] in (2, 3):
        values = values[None]
    if values.ndim == 4 and values.shape[3] == 4 or values.ndim == 3 and values.shape[2] == 4:
        # MediaPipe: x, y, z, visibility
        values = values[..., [0, 1, 3]]
    if values.ndim not in (3, 4) or values.shape[-1] not in (2, 3) or values.shape[-2] == 0:
        raise InputError(
            f"'{key}' has shape {values.shape}, expected [N, K, 3] of x, y, confidence, [N, K, 2] "
            "of x, y, or [T, P, K, 3]"
        )
    shape = values.shape[:-1]
    confidences = [name for name in CONFIDENCES if name in arrays]
    confidences += [
        name for name in arrays if _of_scores(name) and arrays[name].shape in (shape, (*shape, 1))
    ]
    if confidences and values.shape[-1] == 2:
        confidence = arrays[confidences[0]]
        if confidence.shape == (*shape, 1):
            confidence = confidence[..., 0]
        if confidence.shape == shape[1:] and shape[0] == 1:
            confidence = confidence[None]
        if confidence.shape != shape:
            raise InputError(
                f"'{key}' {values.shape} and '{confidences[0]}' {confidence.shape}, expected "
                "[N, K, 2] and [N, K]"
            )
        if confidence.dtype.kind not in "biuf":
            raise InputError(f"'{confidences[0]}' is of type {confidence.dtype}, expected numbers")
    elif values.shape[-1] == 3:
        values, confidence = values[..., :2], values[..., 2]
    else:
        confidence = np.ones(values.shape[:-1])
    return np.concatenate([values, confidence[..., None]], -1, dtype=np.float64)


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


def _frames(arrays: Mapping[str, np.ndarray], frame: np.ndarray) -> dict[int, Frame]:
    """The frames by what `frame` calls them.

    Without names, only those in which somebody is; with names, `frame` is an index into them, or
    into `frame_numbers`' values.
    """
    numbers = arrays.get("frame_numbers")
    names = _texts(arrays, "frame_names")
    images = _texts(arrays, "images")
    shape = _size(arrays)
    if numbers is not None and (
        numbers.ndim != 1
        or numbers.dtype.kind not in "iu"
        or not set(frame.tolist()) <= set(numbers.tolist())
        or len(numbers) not in (len(names), 0)
        or len(set(numbers.tolist())) < len(numbers)
    ):
        raise InputError("'frame_numbers' is not a list of each frame's number, one a name")
    last = int(frame.max(initial=0))
    if numbers is None and (names or images):
        for key, texts in (("frame_names", names), ("images", images)):
            if texts and len(texts) <= last:
                raise InputError(f"'{key}' is not a list of {last + 1} names, one a frame")
    if numbers is None and "frame_names" in arrays and not names:
        raise InputError(f"'frame_names' is not a list of {last + 1} names, one a frame")
    digits = len(str(last))
    if numbers is not None:
        return {
            int(number): Frame(
                names[i], images[i] or None if i < len(images) else None, int(number), shape
            )
            for i, number in enumerate(numbers)
        }
    if names:
        return {
            i: Frame(name, images[i] or None if images else None, number_in(name), shape)
            for i, name in enumerate(names)
        }
    return {
        i: Frame(f"{i:0{digits}d}", images[i] or None if images else None, i, shape)
        for i in sorted(set(frame.tolist()))
    }


def _texts(arrays: Mapping[str, np.ndarray], key: str) -> tuple[str, ...]:
    value = arrays.get(key)
    if value is None:
        return ()
    if value.ndim != 1 or value.dtype.kind not in "SU":
        raise InputError(f"'{key}' is not a list of names, one a frame")
    if value.dtype.kind == "S":
        return tuple(bytes(name).decode(errors="replace") for name in value)
    return tuple(str(name) for name in value)


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
    return _texts(arrays, "keypoint_names") or None


def _skeleton(arrays: Mapping[str, np.ndarray]) -> str | None:
    if "skeleton" not in arrays:
        return None
    stated = str(arrays["skeleton"])
    return None if stated not in skeletons.LAYOUTS and "keypoint_names" in arrays else stated
