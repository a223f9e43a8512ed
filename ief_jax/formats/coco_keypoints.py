"""COCO keypoint JSON: annotations, or a list of results."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.formats.assembling import assemble, triples
from ief_jax.formats.detections import Detections
from ief_jax.formats.messages import has, kind
from ief_jax.io.files import InputError


def read(
    path: Path, annotations: Any, content: Mapping[str, Any], skeleton: str | None
) -> Detections:
    """The people of annotations or results.

    Args:
      path: of the file, for messages.
      annotations: the list of them.
      content: what else is in the file (`images`, `categories`); empty for a list of results.
      skeleton: a key of `skeletons.LAYOUTS`, or None for what the file itself says.

    Raises:
      InputError: nobody is there, or something is not what was expected; names file and field.
    """
    field = "annotations" if content else "results"
    if not isinstance(annotations, list):
        raise InputError(f"{path}: '{field}' is {kind(annotations)}, expected a list")
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
                f"[x, y, visibility, ...]{has(entry)}"
            )
        if categories is not None and entry.get("category_id") not in categories:
            continue
        identifier = entry["image_id"]
        if not isinstance(identifier, int | str):
            raise InputError(f"{place}.image_id is {kind(identifier)}, expected a number or name")
        if content.get("images") is not None and identifier not in images:
            raise InputError(f"{place}.image_id {identifier} is not in 'images'")
        index = frames.setdefault(identifier, len(frames))
        places.append(f"{place}.keypoints")
        rows.append(triples(entry["keypoints"], places[-1]))
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
    return assemble(
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
        raise InputError(f"{path}: 'images' is {kind(images)}, expected a list")
    for number, image in enumerate(images):
        if not (
            isinstance(image, dict)
            and isinstance(image.get("id"), int | str)
            and isinstance(image.get("file_name"), str)
        ):
            raise InputError(f"{path}: images[{number}] lacks 'id' or 'file_name'")
    return {image["id"]: image["file_name"] for image in images}
