"""Keypoint detections from OpenPose JSON, COCO keypoint JSON and npz files.

Whatever the file, the result is one `Detections`: arrays over all people of all frames. Nothing
is dropped here but annotations that are not of people; `usable` says who can be fitted.
"""

import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax import skeletons
from ief_jax.files import InputError, read_bytes

MINIMUM_SEEN = 6
"""Keypoints that a person must show to be fitted."""

LARGEST = 1e6
"""Pixel coordinates beyond this are taken for a broken file."""


MOST_FRAMES = 10_000_000
"""Frame numbers in an npz beyond this are taken for a broken file."""


class Detections(NamedTuple):
    """N people found in F frames.

    Attributes:
      points: [N, K, 2] pixels, x right, y down.
      confidence: [N, K] in [0, 1]; 0 where the keypoint was not found.
      names: the K keypoints' names.
      skeleton: a key of `skeletons.LAYOUTS`, or "of its own" where the file names others.
      evidence: why this skeleton.
      frame: [N] index into the frames.
      person: [N] the person's place within its frame, in file order.
      frame_names: F names (file stems, mostly).
      images: F file names of the photographs, None where the file does not say.
    """

    points: np.ndarray
    confidence: np.ndarray
    names: tuple[str, ...]
    skeleton: str
    evidence: str
    frame: np.ndarray
    person: np.ndarray
    frame_names: tuple[str, ...]
    images: tuple[str | None, ...]


class Skipped(NamedTuple):
    """A person who cannot be fitted: index of the frame, place within it, and why not."""

    frame: int
    person: int
    reason: str


def read(path: str | os.PathLike[str], skeleton: str | None = None) -> Detections:
    """Reads detections; the format is told from the content.

    Args:
      path: an OpenPose JSON file (`people`), a folder of them (one a frame, in the order of the
        numbers in their names), a COCO JSON file (`annotations`, or a list of results) or an npz
        with `keypoints` [N, K, 3] or `points` [N, K, 2] and `confidence` [N, K], and optionally
        `skeleton`, `frame` and `person`.
      skeleton: a key of `skeletons.LAYOUTS`. Without it the file's own names count, then the
        number of keypoints, and between BODY_25 and BODY_25B (both have 25) the layout in which
        the limbs are short.

    Raises:
      InputError: anything that keeps the file from being used, with its name and the field.
    """
    path = Path(path)
    if skeleton is not None and skeleton not in skeletons.LAYOUTS:
        raise InputError(f"unknown skeleton '{skeleton}': expected {_known()}")
    if path.is_dir():
        return _read_folder(path, skeleton)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, skeleton)
    content = _parse(path)
    if isinstance(content, dict) and "people" in content:
        return _from_frames([path], [content], skeleton)
    if isinstance(content, dict) and "annotations" in content:
        return _read_coco(path, content["annotations"], content, skeleton)
    if isinstance(content, list):
        return _read_coco(path, content, {}, skeleton)
    raise InputError(
        f"{path}: JSON, but not of keypoints: expected 'people' (OpenPose), 'annotations' (COCO) "
        f"or a list of COCO results{_has(content)}"
    )


def to_coco_18(found: Detections) -> Detections:
    """The same people in the 18 keypoints that bodies are fitted to (`skeletons.COCO_18`)."""
    points, confidence = skeletons.convert(
        found.points, found.confidence, found.names, skeletons.COCO_18
    )
    return found._replace(points=points, confidence=confidence, names=skeletons.COCO_18)


def usable(found: Detections, minimum: int = MINIMUM_SEEN) -> tuple[Detections, list[Skipped]]:
    """Parts the people who can be fitted from those who cannot.

    Args:
      found: detections in the keypoints that will be fitted (`to_coco_18`).
      minimum: keypoints that a person must show.
    """
    seen = (found.confidence > 0).sum(1)
    reasons = np.full(len(seen), "", object)
    reasons[_box_size(found.points, found.confidence) < 1] = "all keypoints within one pixel"
    for row in np.flatnonzero(seen < minimum):
        reasons[row] = f"{seen[row]} of {len(found.names)} keypoints seen, {minimum} needed"
    return part(found, reasons)


def part(found: Detections, reasons: np.ndarray) -> tuple[Detections, list[Skipped]]:
    """Parts the people without a reason to skip them ('' in `reasons` [N]) from the others."""
    skip = reasons != ""
    rows = zip(found.frame[skip], found.person[skip], reasons[skip], strict=True)
    skipped = [Skipped(int(frame), int(person), str(reason)) for frame, person, reason in rows]
    return take(found, np.flatnonzero(~skip)), skipped


def take(found: Detections, rows: np.ndarray) -> Detections:
    """The people in these rows; the frames stay as they are."""
    return found._replace(
        points=found.points[rows],
        confidence=found.confidence[rows],
        frame=found.frame[rows],
        person=found.person[rows],
    )


# OpenPose


def _read_folder(folder: Path, skeleton: str | None) -> Detections:
    paths = sorted((p for p in folder.iterdir() if p.suffix.lower() == ".json"), key=_natural)
    if not paths:
        raise InputError(f"{folder}: no .json file in this folder; expected one a frame")
    contents = [_parse(path) for path in paths]
    for path, content in zip(paths, contents, strict=True):
        if not isinstance(content, dict) or "people" not in content:
            raise InputError(
                f"{path}: not an OpenPose frame: expected 'people', as in every file of a "
                f"folder{_has(content)}"
            )
    return _from_frames(paths, contents, skeleton)


def _from_frames(
    paths: Sequence[Path], contents: Sequence[Mapping[str, Any]], skeleton: str | None
) -> Detections:
    rows: list[np.ndarray] = []
    places: list[str] = []
    frame, person = [], []
    for index, (path, content) in enumerate(zip(paths, contents, strict=True)):
        people = content["people"]
        if not isinstance(people, list):
            raise InputError(f"{path}: 'people' is {_kind(people)}, expected a list")
        for number, entry in enumerate(people):
            field = f"people[{number}]"
            # OpenPose before 1.2 had the shorter name.
            names = ("pose_keypoints_2d", "pose_keypoints")
            keys = [name for name in names if isinstance(entry, dict) and name in entry]
            if not keys:
                raise InputError(
                    f"{path}: {field}.pose_keypoints_2d is missing: expected [x, y, confidence, "
                    f"...]{_has(entry)}"
                )
            places.append(f"{path}: {field}.{keys[0]}")
            rows.append(_triples(entry[keys[0]], places[-1]))
            frame.append(index)
            person.append(number)
    where = paths[0] if len(paths) == 1 else paths[0].parent
    if skeleton is None:
        skeleton = _stated(paths, contents)
    if not rows:
        frames = "'people' is empty" if len(paths) == 1 else "'people' is empty in every file"
        raise InputError(f"{where}: {frames}: nobody was detected")
    return _assemble(
        where,
        places,
        rows,
        skeleton,
        None,
        np.array(frame),
        np.array(person),
        tuple(path.stem.removesuffix("_keypoints") for path in paths),
        (None,) * len(paths),
    )


def _stated(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]]) -> str | None:
    """The skeleton that the files themselves name: those of `keypoints.write` do."""
    stated = {
        content["skeleton"]: path
        for path, content in zip(paths, contents, strict=True)
        if isinstance(content.get("skeleton"), str)
    }
    for name, path in stated.items():
        if name not in skeletons.LAYOUTS or len(stated) > 1:
            others = "" if len(stated) == 1 else f"; the files name {', '.join(sorted(stated))}"
            raise InputError(f"{path}: 'skeleton' is '{name}', expected {_known()}{others}")
    return next(iter(stated), None)


# COCO


def _read_coco(
    path: Path, annotations: Any, content: Mapping[str, Any], skeleton: str | None
) -> Detections:
    field = "annotations" if content else "results"
    if not isinstance(annotations, list):
        raise InputError(f"{path}: '{field}' is {_kind(annotations)}, expected a list")
    categories, names = _coco_people(path, content.get("categories"))
    images = _coco_images(path, content.get("images"))
    frames: dict[Any, int] = {identifier: i for i, identifier in enumerate(images)}
    rows: list[np.ndarray] = []
    places: list[str] = []
    frame, person = [], []
    count: dict[int, int] = {}
    for number, entry in enumerate(annotations):
        place = f"{path}: {field}[{number}]"
        if not isinstance(entry, dict) or "keypoints" not in entry or "image_id" not in entry:
            raise InputError(
                f"{place} is no keypoint annotation: expected 'image_id' and 'keypoints' "
                f"[x, y, visibility, ...]{_has(entry)}"
            )
        if categories is not None and entry.get("category_id") not in categories:
            continue
        identifier = entry["image_id"]
        if not isinstance(identifier, int | str):
            raise InputError(f"{place}.image_id is {_kind(identifier)}, expected a number or name")
        if content.get("images") is not None and identifier not in images:
            raise InputError(f"{place}.image_id {identifier} is not in 'images'")
        index = frames.setdefault(identifier, len(frames))
        places.append(f"{place}.keypoints")
        rows.append(_triples(entry["keypoints"], places[-1]))
        frame.append(index)
        person.append(count.get(index, 0))
        count[index] = person[-1] + 1
    if not rows:
        raise InputError(f"{path}: '{field}' holds no person")
    known = [images.get(identifier) for identifier in frames]
    stems = [
        str(identifier) if image is None else str(Path(image).with_suffix(""))
        for identifier, image in zip(frames, known, strict=True)
    ]
    return _assemble(
        path,
        places,
        rows,
        skeleton,
        names,
        np.array(frame),
        np.array(person),
        tuple(stems),
        tuple(known),
    )


def _coco_people(path: Path, categories: Any) -> tuple[set[int] | None, tuple[str, ...] | None]:
    """Which category ids are people (None: all), and the names of their keypoints if given."""
    if categories is None:
        return None, None
    if not isinstance(categories, list) or not all(isinstance(c, dict) for c in categories):
        raise InputError(f"{path}: 'categories' is not a list of objects")
    people = [c for c in categories if c.get("name") == "person"]
    people = people or (categories if len(categories) == 1 else [])
    if not people:
        raise InputError(f"{path}: 'categories' has no category named 'person'")
    names = people[0].get("keypoints")
    if names is not None:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: 'keypoints' of category 'person' is not a list of names")
        names = tuple(re.sub(r"[\s\-]+", "_", name.strip().lower()) for name in names)
    return {c["id"] for c in people if isinstance(c.get("id"), int)}, names


def _coco_images(path: Path, images: Any) -> dict[Any, str]:
    if images is None:
        return {}
    if not isinstance(images, list):
        raise InputError(f"{path}: 'images' is {_kind(images)}, expected a list")
    for number, image in enumerate(images):
        if not (
            isinstance(image, dict)
            and isinstance(image.get("id"), int | str)
            and isinstance(image.get("file_name"), str)
        ):
            raise InputError(f"{path}: images[{number}] lacks 'id' or 'file_name'")
    return {image["id"]: image["file_name"] for image in images}


# npz


_NPZ_KEYS = (
    *("keypoints", "points", "confidence", "skeleton"),
    *("frame", "person", "frame_names", "images"),
)


def _read_npz(path: Path, skeleton: str | None) -> Detections:
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in _NPZ_KEYS if key in stored.files}
            keys = stored.files
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("a member is no array")
    except InputError:
        raise
    except Exception as error:
        # Truncated archives, pickled objects, an array where an archive should be: numpy raises
        # many kinds.
        raise InputError(
            f"{path}: not an npz of plain arrays ({error}); pickled objects are never loaded"
        ) from error
    if "points" in arrays and "confidence" in arrays:
        points, confidence = arrays["points"], arrays["confidence"]
        if points.ndim != 3 or points.shape[2] != 2 or confidence.shape != points.shape[:2]:
            raise InputError(
                f"{path}: 'points' {points.shape} and 'confidence' {confidence.shape}, expected "
                "[N, K, 2] and [N, K]"
            )
        key = "points"
    elif "keypoints" in arrays:
        stacked, key = arrays["keypoints"], "keypoints"
        if stacked.ndim != 3 or stacked.shape[2] != 3:
            raise InputError(
                f"{path}: 'keypoints' has shape {stacked.shape}, expected [N, K, 3] of x, y, "
                "confidence"
            )
        points, confidence = stacked[..., :2], stacked[..., 2]
    else:
        raise InputError(
            f"{path}: expected 'keypoints' [N, K, 3], or 'points' [N, K, 2] and 'confidence' "
            f"[N, K]; has {', '.join(keys) or 'nothing'}"
        )
    if points.dtype.kind not in "iuf" or confidence.dtype.kind not in "biuf":
        raise InputError(f"{path}: '{key}' is of type {points.dtype}, expected numbers")
    if not len(points):
        raise InputError(f"{path}: '{key}' is empty: nobody was detected")
    count = len(points)
    frame = _npz_index(path, arrays, "frame", count, np.arange(count))
    person = _npz_index(path, arrays, "person", count, _places_within(frame))
    frames = int(frame.max()) + 1
    digits = len(str(frames - 1))
    frame_names = _npz_names(path, arrays, "frame_names", frames)
    images = _npz_names(path, arrays, "images", frames)
    if "skeleton" in arrays and skeleton is None:
        skeleton = str(arrays["skeleton"])
        if skeleton not in skeletons.LAYOUTS:
            raise InputError(f"{path}: 'skeleton' is '{skeleton}', expected {_known()}")
    return _assemble(
        path,
        [f"{path}: {key}[{row}]" for row in range(count)],
        list(np.concatenate([points, confidence[..., None]], -1, dtype=np.float64)),
        skeleton,
        None,
        frame,
        person,
        frame_names or tuple(f"{i:0{digits}d}" for i in range(frames)),
        tuple(name or None for name in images) if images else (None,) * frames,
    )


def _npz_index(
    path: Path, arrays: Mapping[str, np.ndarray], key: str, count: int, default: np.ndarray
) -> np.ndarray:
    value = arrays.get(key, default)
    whole = value.shape == (count,) and value.dtype.kind in "iu"
    if not whole or value.min() < 0 or value.max() >= MOST_FRAMES:
        raise InputError(
            f"{path}: '{key}' is not [{count}] whole numbers from 0 to {MOST_FRAMES}, one a person"
        )
    return value.astype(np.int64)


def _npz_names(
    path: Path, arrays: Mapping[str, np.ndarray], key: str, frames: int
) -> tuple[str, ...]:
    value = arrays.get(key)
    if value is None:
        return ()
    if value.ndim != 1 or len(value) < frames or value.dtype.kind != "U":
        raise InputError(f"{path}: '{key}' is not a list of {frames} names, one a frame")
    return tuple(str(name) for name in value)


def _places_within(frame: np.ndarray) -> np.ndarray:
    """0, 1, ... for the people of each frame, in file order."""
    order = np.argsort(frame, kind="stable")
    _, first, count = np.unique(frame[order], return_index=True, return_counts=True)
    place = np.empty(len(frame), np.int64)
    place[order] = np.arange(len(frame)) - np.repeat(first, count)
    return place


# Shared


def _assemble(
    path: Path,
    places: Sequence[str],
    rows: Sequence[np.ndarray],
    skeleton: str | None,
    names: tuple[str, ...] | None,
    frame: np.ndarray,
    person: np.ndarray,
    frame_names: tuple[str, ...],
    images: tuple[str | None, ...],
) -> Detections:
    """Checks what all formats have in common, and settles the skeleton.

    Args:
      path: what was read, for messages.
      places: of each person, file and field.
      rows: of each person [K, 3], or [0, 3] where nothing of the body was found.
      skeleton: the user's word, or None.
      names: the file's word, or None.
      frame, person, frame_names, images: as in `Detections`.
    """
    count = max(len(row) for row in rows)
    for place, row in zip(places, rows, strict=True):
        if len(row) not in (0, count):
            raise InputError(f"{place} has {len(row)} keypoints, others have {count}")
    stacked = np.zeros((len(rows), count, 3))
    for place, row, target in zip(places, rows, stacked, strict=True):
        if len(row):
            _check_numbers(place, row)
            target[:] = row
    points, confidence = stacked[..., :2], np.clip(stacked[..., 2], 0, 1)
    if not confidence.any():
        raise InputError(f"{path}: all confidences are zero: no keypoint was detected")
    seen = points[confidence > 0]
    if np.ptp(seen, 0).max() > 0 and (np.abs(seen) <= 1).all():
        raise InputError(
            f"{path}: all coordinates lie within [-1, 1]: expected pixels, not a share of the image"
        )
    names, skeleton, evidence = _settle(path, points, confidence, skeleton, names)
    return Detections(
        points.astype(np.float32),
        confidence.astype(np.float32),
        names,
        skeleton,
        evidence,
        frame,
        person,
        frame_names,
        images,
    )


def _settle(
    path: Path,
    points: np.ndarray,
    confidence: np.ndarray,
    skeleton: str | None,
    names: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], str, str]:
    """Keypoint names, skeleton and evidence: the user's word, the file's, the count, the limbs."""
    count = points.shape[1]
    if skeleton is not None:
        names = skeletons.LAYOUTS[skeleton]
        if len(names) != count:
            raise InputError(
                f"{path}: {count} keypoints a person, but skeleton {skeleton} has {len(names)}"
            )
        return names, skeleton, "as stated"
    if names is not None:
        if len(names) != count:
            raise InputError(f"{path}: {count} keypoints a person, but {len(names)} names for them")
        fitted = {n for k in skeletons.COCO_18 for n in skeletons.COMBINED.get(k, (k,))}
        if len(fitted & set(names)) < MINIMUM_SEEN:
            raise InputError(
                f"{path}: unknown skeleton: too few of the file's keypoint names "
                f"({', '.join(names[:3])}, ...) are known ({', '.join(skeletons.COCO_17[:3])}, ...)"
            )
        same = (name for name, layout in skeletons.LAYOUTS.items() if layout == names)
        return names, next(same, "of its own"), "names in the file"
    candidates = [name for name, layout in skeletons.LAYOUTS.items() if len(layout) == count]
    if not candidates:
        raise InputError(f"{path}: unknown skeleton of {count} keypoints: expected {_known()}")
    if len(candidates) == 1:
        return skeletons.LAYOUTS[candidates[0]], candidates[0], f"{count} keypoints"
    lengths = {
        name: _limb_length(points, confidence, skeletons.LAYOUTS[name]) for name in candidates
    }
    best = min(candidates, key=lambda name: lengths[name])
    if not np.isfinite(lengths[best]):
        return skeletons.LAYOUTS[best], best, f"{count} keypoints, too few seen to be sure"
    compared = ", ".join(f"{name} {length:.2f}" for name, length in lengths.items())
    return skeletons.LAYOUTS[best], best, f"limbs are shortest with it (of the box: {compared})"


_SIDE_LIMBS = (
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("shoulder", "hip"),
    ("hip", "knee"),
    ("knee", "ankle"),
    ("ankle", "heel"),
    ("eye", "ear"),
    ("big_toe", "small_toe"),
)


def _limb_length(points: np.ndarray, confidence: np.ndarray, layout: Sequence[str]) -> float:
    """Median over people of the mean length of their limbs, as a share of the person's box.

    Read with the wrong layout, limbs run across the body: they come out over half longer
    (sample detections: 0.14 of the box with the right layout, 0.37 with the wrong one).
    """
    index = {name: i for i, name in enumerate(layout)}
    limbs = [
        (index[f"{side}_{a}"], index[f"{side}_{b}"])
        for side in ("left", "right")
        for a, b in _SIDE_LIMBS
    ]
    first, second = np.array(limbs).T
    seen = (confidence[:, first] > 0) & (confidence[:, second] > 0)
    length = np.linalg.norm(points[:, first] - points[:, second], axis=-1)
    people = (seen.sum(1) >= 2) & (_box_size(points, confidence) > 0)
    if not people.any():
        return float("inf")
    mean = (length * seen).sum(1)[people] / seen.sum(1)[people]
    return float(np.median(mean / _box_size(points, confidence)[people]))


def _box_size(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """The larger side of the box round each person's seen keypoints; 0 where none is seen."""
    seen = (confidence > 0)[..., None]
    low = np.where(seen, points, np.inf).min(1)
    high = np.where(seen, points, -np.inf).max(1)
    return np.maximum(high - low, 0).max(1)


def _check_numbers(place: str, row: np.ndarray) -> None:
    bad = ~np.isfinite(row).all(1) | (np.abs(row[:, :2]) > LARGEST).any(1)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        x, y, confidence = row[at]
        raise InputError(
            f"{place}: keypoint {at} is ({x:g}, {y:g}) with confidence {confidence:g}, expected "
            "finite pixel coordinates"
        )


def _triples(values: Any, place: str) -> np.ndarray:
    if not isinstance(values, list) or len(values) % 3:
        raise InputError(f"{place} is {_kind(values)}, expected [x, y, confidence, ...]")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise InputError(f"{place} holds something that is not a number")
    try:
        return np.array(values, np.float64).reshape(-1, 3)
    except OverflowError as error:
        raise InputError(f"{place}: a number is too large") from error


def _parse(path: Path) -> Any:
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error})") from error


def _natural(path: Path) -> tuple[list[Any], str]:
    """Sorts 2 before 10."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if part.isdigit() else part for part in parts], path.name


def _known() -> str:
    return ", ".join(f"{name} ({len(layout)})" for name, layout in skeletons.LAYOUTS.items())


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    names = {"dict": "an object", "str": "text", "NoneType": "null", "bool": "true or false"}
    return names.get(type(value).__name__, "a number")


def _has(content: Any) -> str:
    if not isinstance(content, dict):
        return f"; it is {_kind(content)}"
    shown = ", ".join(list(content)[:6]) or "nothing"
    return f"; it has {shown}"
