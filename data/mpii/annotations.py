"""The two forms of MPII Human Pose's annotation: the release's `.mat` file, and JSON."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.keypoints import matlab
from ief_jax.io.files import InputError, read_json

JOINTS = 16
LARGEST = 1e6
"""Pixel coordinates from here on are taken for a broken file."""
HEAD_SHARE = 0.6
"""PCKh's head size, in units of the diagonal of the head's box."""
_OTHER = "is this the annotation of another data set?"


class Annotation(NamedTuple):
    """A person; pixels count from 0 here, in the files from 1, as MATLAB does.

    image: name of the file.
    points: [16, 2] px, zero where not annotated.
    annotated, visible: [16].
    marked: [2] px, `objpos`.
    scale: the person's height, in units of 200 px.
    head_size: px, or NaN.
    video: number of the video that the image is from, or where that is not known of the image; 0
    if neither is.
    """

    image: str
    points: np.ndarray
    annotated: np.ndarray
    visible: np.ndarray
    marked: np.ndarray
    scale: float
    head_size: float
    video: int


def from_mat(path: Path) -> list[Annotation]:
    """The annotated people of the release's training images; its test images have no joints.

    People without joints, scale or `objpos` are left out. What is not said to be occluded (the
    neck and the head's top never are) counts as visible.

    Raises:
      InputError: it is no such file, or a joint is not finite.
    """
    release = matlab.load(path).get("RELEASE")
    if not isinstance(release, dict) or not {"annolist", "img_train"} <= set(release):
        raise InputError(f"{path}: expected the struct 'RELEASE' of MPII Human Pose; {_OTHER}")
    found = []
    images, training = _list(release["annolist"]), np.atleast_1d(release["img_train"])
    if len(images) != len(training):
        raise InputError(f"{path}: {len(images)} images in 'annolist', {len(training)} flags")
    for number, (image, use) in enumerate(zip(images, training, strict=True), 1):
        for person in _list(_struct(image).get("annorect")) if use else []:
            where = f"{path}: a person in image {number}"
            try:
                annotation = _from_struct(image, person, number)
            except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise InputError(f"{where} is not as in MPII's release ({error!r})") from error
            if annotation is not None:
                found.append(_checked(annotation, where))
    return found


def from_json(path: Path) -> list[Annotation]:
    """The people of `train.json` or `valid.json`.

    Those without a scale are left out. Nothing is said of occlusion: what is annotated counts as
    visible; nor of head sizes.

    Raises:
      InputError: it is no such file, or a joint is not finite.
    """
    records = read_json(path)
    fields = ("image", "joints", "joints_vis", "center", "scale")
    if not isinstance(records, list):
        raise InputError(f"{path}: expected a list of people ({', '.join(fields)}); {_OTHER}")
    found = []
    for number, record in enumerate(records):
        where = f"{path}: person {number}"
        if not isinstance(record, dict) or not set(fields) <= set(record):
            raise InputError(f"{where}: expected {', '.join(fields)}; {_OTHER}")
        try:
            joints = np.array(record["joints"], np.float64).reshape(JOINTS, 2)
            annotated = np.array(record["joints_vis"], np.float64).reshape(JOINTS) > 0
            centre = np.array(record["center"], np.float64).reshape(2)
            scale = float(record["scale"])
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{where}: not 16 joints, a centre and a scale ({error})") from error
        if scale > 0 and annotated.any():
            points = np.where(annotated[:, None], joints - 1, 0)
            found.append(
                _checked(
                    Annotation(
                        str(record["image"]),
                        points,
                        annotated,
                        annotated,
                        centre - 1,
                        scale,
                        float("nan"),
                        0,
                    ),
                    where,
                )
            )
    return found


def completed(people: Iterable[Annotation], release: Iterable[Annotation]) -> list[Annotation]:
    """People of the JSON form with the occlusions and head sizes of the `.mat` file.

    The same person has the same image and the same `objpos` in both.
    """
    known = {_key(person): person for person in release}

    def complete(person: Annotation) -> Annotation:
        same = known.get(_key(person))
        if same is None:
            return person
        return person._replace(
            visible=person.annotated & (same.visible | ~same.annotated),
            head_size=same.head_size,
            video=same.video,
        )

    return [complete(person) for person in people]


def _key(person: Annotation) -> tuple[str, int, int]:
    x, y = np.round(person.marked)
    return person.image, int(x), int(y)


def _from_struct(
    image: Mapping[str, Any], person: Mapping[str, Any], number: int
) -> Annotation | None:
    places = _list(_struct(person.get("annopoints")).get("point"))
    scale, centre = _number(person.get("scale")), _struct(person.get("objpos"))
    if not places or scale is None or not centre:
        return None
    points = np.zeros((JOINTS, 2))
    annotated, visible = np.zeros(JOINTS, bool), np.zeros(JOINTS, bool)
    for place in places:
        joint = int(place["id"])
        points[joint] = float(place["x"]) - 1, float(place["y"]) - 1
        annotated[joint] = True
        visible[joint] = _number(place.get("is_visible")) != 0
    found = (_number(person.get(name)) for name in ("x1", "y1", "x2", "y2"))
    corners = [corner for corner in found if corner is not None]
    head = float("nan")
    if len(corners) == 4:
        left, top, right, bottom = corners
        head = HEAD_SHARE * float(np.hypot(right - left, bottom - top))
    return Annotation(
        image=str(image["image"]["name"]),
        points=points,
        annotated=annotated,
        visible=visible,
        marked=np.array([float(centre["x"]) - 1, float(centre["y"]) - 1]),
        scale=scale,
        head_size=head,
        video=int(_number(image.get("vididx")) or number),
    )


def _checked(annotation: Annotation, where: str) -> Annotation:
    numbers = np.append(annotation.points, annotation.marked)
    if not (np.abs(numbers) < LARGEST).all() or not 0 < annotation.scale < LARGEST:
        raise InputError(
            f"{where} ({annotation.image}): a joint, its centre or the scale is not finite, or too "
            "large"
        )
    if np.isinf(annotation.head_size):
        raise InputError(f"{where} ({annotation.image}): the head's box is not finite")
    return annotation


def _list(value: Any) -> list[Any]:
    """An array of structs: a list, but a dict where there is one, an empty array where none."""
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else []


def _struct(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    """A number, which may be written as text; None where the field is missing or empty."""
    return None if value is None or np.size(value) == 0 else float(value)
