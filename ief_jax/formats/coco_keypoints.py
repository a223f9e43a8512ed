"""COCO keypoint JSON: annotations, or a list of results (AlphaPose's among them, with `idx`)."""

from collections.abc import Hashable, Mapping
from typing import Any

from ief_jax.formats.content import (
    Collector,
    Content,
    Frame,
    ItemError,
    number_in,
    plain_path,
    rate,
    size_in,
    triples,
    whole,
)
from ief_jax.formats.messages import has, kind
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

_PEOPLE = ("person", "human", "people", "pedestrian", "persons", "humans")
_IMAGE_NAMES = ("file_name", "filename", "path", "name", "image", "coco_url", "flickr_url")
_IDENTITIES = ("track_id", "tracking_id", "idx", "person_id")


def matches(content: Any) -> bool:
    """Does it have annotations, or is it a list of results?"""
    if isinstance(content, dict):
        return "annotations" in content
    return isinstance(content, list) and any(
        isinstance(entry, dict)
        and ("image_id" in entry or isinstance(entry.get("keypoints"), list))
        for entry in content
    )


def read(content: Any) -> Content:
    """The people of annotations or results.

    Raises:
      InputError: the file as a whole is not what was expected; it names the field.
    """
    whole_file: Mapping[str, Any] = content if isinstance(content, dict) else {}
    field = "annotations" if whole_file else "results"
    annotations = whole_file["annotations"] if whole_file else content
    if not isinstance(annotations, list):
        raise InputError(f"'{field}' is {kind(annotations)}, expected a list")
    categories, names = _people(whole_file.get("categories"), annotations)
    found = Collector()
    images = _images(whole_file.get("images"), found)
    without = 0
    others: set[str] = set()
    with_feet = _all_have_feet(annotations)
    for number, entry in enumerate(annotations):
        place = f"{field}[{number}]"
        if not isinstance(entry, dict):
            found.passed_over.append(f"{place} is no keypoint annotation{has(entry)}")
            continue
        if categories is not None and _key(entry.get("category_id")) not in categories:
            others.add(str(entry.get("category_id"))[:20])
            continue
        if entry.get("keypoints") is None:
            without += 1
            continue
        index = _frame(found, entry, images, place)
        if index is None:
            continue
        keypoints = entry["keypoints"]
        try:
            values = triples(keypoints, f"{place}.keypoints")
            if with_feet and len(values):
                feet = triples(entry["foot_kpts"], f"{place}.foot_kpts")
                values = _joined(values, feet)
        except ItemError as error:
            found.passed_over.append(str(error))
            continue
        found.person(f"{place}.keypoints", index, values, _identity(entry))
    if without:
        entries = "annotation has" if without == 1 else "annotations have"
        found.passed_over.append(
            f"{without} {entries} no 'keypoints' [x, y, visibility, ...]"
            f"{has(annotations[0]) if without == len(annotations) else ''}"
        )
    if with_feet:
        names = (*skeletons.COCO_17, *skeletons.FEET)
    return Content(
        "COCO",
        found.frames,
        found.people,
        found.passed_over,
        f"'{field}' holds no person"
        + (f": they are of category {', '.join(sorted(others)[:6])}" if others else ""),
        names=names,
        fps=_rate(whole_file),
    )


def _identity(entry: Mapping[str, Any]) -> Any:
    """Of an entry, or, as CVAT writes it, of its attributes."""
    for holder in (entry, entry.get("attributes")):
        for key in _IDENTITIES:
            if isinstance(holder, dict) and key in holder:
                return holder[key]
    return None


def _all_have_feet(annotations: list[Any]) -> bool:
    """COCO-WholeBody's annotations have 17 `keypoints`, and the 6 of the feet beside them."""
    entries = [e for e in annotations if isinstance(e, dict) and e.get("keypoints") is not None]
    return bool(entries) and all(
        isinstance(e.get("foot_kpts"), list)
        and len(e["foot_kpts"]) == 3 * len(skeletons.FEET)
        and isinstance(e["keypoints"], list)
        and len(e["keypoints"]) == 3 * len(skeletons.COCO_17)
        for e in entries
    )


def _joined(first: Any, second: Any) -> Any:
    import numpy as np

    return np.concatenate([first, second])


def _frame(
    found: Collector, entry: Mapping[str, Any], images: dict[Hashable, Frame] | None, place: str
) -> int | None:
    """The index of an entry's frame; None if it is of no image."""
    identifier = entry.get("image_id")
    if identifier is None and images is not None and len(images) == 1:
        identifier = next(iter(images))
    if identifier is None and images is None:
        return found.frame(None, Frame())  # results of one image, that of the file
    key = _key(identifier)
    if key is None:
        found.passed_over.append(
            f"{place}.image_id is {kind(identifier)}, expected a number or name"
        )
        return None
    if images is not None and key not in images:
        found.passed_over.append(f"{place}.image_id {identifier} is not in 'images'")
        return None
    if images is not None:
        return found.frame(key, images[key])
    name = str(identifier)
    number = whole(identifier)
    if number is not None:
        return found.frame(key, Frame(name, None, number))
    name = plain_path(name)
    stem = _stem(name)
    return found.frame(key, Frame(stem, name, number_in(stem)))


def _key(identifier: Any) -> Hashable | None:
    """Numbers are the same as text."""
    number = whole(identifier)
    if number is not None:
        return number
    if isinstance(identifier, str) and identifier.strip():
        return identifier
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        return identifier
    return None


def _people(
    categories: Any, annotations: list[Any]
) -> tuple[set[Hashable] | None, tuple[str, ...] | None]:
    """Which category ids are people (None: all), and the names of their keypoints if given."""
    if categories is None:
        return None, None
    if isinstance(categories, dict):
        categories = [categories]
    if not isinstance(categories, list) or not all(isinstance(c, dict) for c in categories):
        raise InputError("'categories' is not a list of objects")
    if not categories:
        return None, None
    named = [c for c in categories if str(c.get("name")).strip().lower() in _PEOPLE]
    keyed = [c for c in categories if isinstance(c.get("keypoints"), list) and c["keypoints"]]
    people = [c for c in named if c in keyed] or named or keyed
    if not people:
        people = categories if len(categories) == 1 else []
    if not people:
        # Names do not say; annotations with keypoints do.
        with_keypoints = {
            _key(e.get("category_id"))
            for e in annotations
            if isinstance(e, dict) and e.get("keypoints") is not None
        }
        if len(with_keypoints) > 1:
            shown = ", ".join(str(c.get("name")) for c in categories[:6])
            raise InputError(
                f"'categories' has no category named 'person', and none with names of keypoints: "
                f"{shown}"
            )
        return None, None
    names = people[0].get("keypoints") or None
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise InputError("'keypoints' of the category of people is not a list of names")
    same = [c for c in people if (c.get("keypoints") or None) == names]
    identifiers = {_key(c.get("id")) for c in same}
    return (None if identifiers == {None} else identifiers), tuple(names) if names else None


def _images(images: Any, found: Collector) -> dict[Hashable, Frame] | None:
    """The frames by the ids of the images; all of them become frames."""
    if isinstance(images, dict):
        images = [image for image in images.values() if isinstance(image, dict)]
    if images is None or images == []:
        return None
    if not isinstance(images, list):
        raise InputError(f"'images' is {kind(images)}, expected a list")
    frames: dict[Hashable, Frame] = {}
    for number, image in enumerate(images):
        identifier = _key(image.get("id")) if isinstance(image, dict) else None
        if identifier is None:
            found.passed_over.append(f"images[{number}] lacks 'id'{has(image)}")
            continue
        texts = (image.get(key) for key in _IMAGE_NAMES)
        name = next((plain_path(t) for t in texts if isinstance(t, str) and t.strip()), None)
        stem = _stem(name) if name else str(identifier)
        stated = whole(image.get("frame_id", image.get("frame_number")))
        frames[identifier] = Frame(
            stem,
            name,
            number_in(stem) if stated is None else stated,
            size_in(image),
        )
        found.frame(identifier, frames[identifier])
    return frames


def _rate(content: Mapping[str, Any]) -> float | None:
    videos = content.get("videos")
    places = [content, content.get("info"), videos[0] if isinstance(videos, list) and videos else 0]
    for place in places:
        if isinstance(place, dict) and rate(place.get("fps")):
            return rate(place["fps"])
    return None


def _stem(name: str) -> str:
    head, dot, suffix = name.rpartition(".")
    return head if dot and head and 0 < len(suffix) <= 5 and "/" not in suffix else name
