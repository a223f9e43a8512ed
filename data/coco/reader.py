"""Reads COCO's person keypoints: `annotations/person_keypoints_*.json` and the image folders."""

from pathlib import Path

import numpy as np

from data.keypoints.people import Person, middle
from data.releases import folder, images
from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief.person_height import person_height
from ief_jax.io.files import InputError, read_json

LAYOUT = COCO_17
PARTS = {"train": "train2017", "validation": "val2017"}
SPLITS = tuple(PARTS)
LARGEST = 1e6
"""Pixel coordinates from here on are taken for a broken file."""
LEAST = 6
"""Annotated keypoints that a person must have: more than a face, which says no height."""
HOW = (
    "download annotations_trainval2017.zip, train2017.zip and val2017.zip from "
    "https://cocodataset.org/#download and unpack them there"
)
_OTHER = "is this the annotation of another data set?"


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The people of a split, with `COCO_17`'s keypoints: train2017, or val2017 for validation.

    Args:
      data_dir: the folder that holds `coco/`.
      chosen: "train" or "validation".

    Raises:
      InputError: something is missing, or is not what the release holds.
    """
    part = PARTS[chosen]
    annotation = f"annotations/person_keypoints_{part}.json"
    where = folder(data_dir, "coco", (annotation, part), HOW)
    return people(where / annotation, where / part)


def people(annotation: Path, image_folder: Path) -> list[Person]:
    """The people of an annotation file in COCO's format.

    Crowds are left out, and people with fewer than six annotated keypoints. COCO marks no point:
    it is the middle of the keypoints' bounding box. The height is estimated from the keypoints,
    and is no less than the longer side of the annotated box.

    Raises:
      InputError: it is no such file, an image is missing, or a keypoint is not finite.
    """
    content = read_json(annotation)
    if not isinstance(content, dict) or not {"images", "annotations"} <= set(content):
        raise InputError(f"{annotation}: expected 'images' and 'annotations'; {_OTHER}")
    found = []
    try:
        files = {image["id"]: str(image["file_name"]) for image in content["images"]}
        for record in content["annotations"]:
            keypoints = np.array(record["keypoints"], np.float64).reshape(len(COCO_17), 3)
            if not (np.abs(keypoints) < LARGEST).all():
                raise InputError(f"{annotation}: person {record['id']}: not finite, or no pixels")
            if not record.get("iscrowd") and (keypoints[:, 2] > 0).sum() >= LEAST:
                longer = max(float(side) for side in record["bbox"][2:])
                if not all(0 <= float(side) < LARGEST for side in record["bbox"][2:]):
                    raise InputError(f"{annotation}: person {record['id']}: 'bbox' is no box")
                found.append((record["id"], files[record["image_id"]], keypoints, longer))
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(
            f"{annotation}: not COCO's person keypoints (17 a person; {error!r}); {_OTHER}"
        ) from error
    paths = images(image_folder, (file for _, file, _, _ in found), HOW)
    return [
        _person(f"coco/{file}#{number}", path, keypoints, longer)
        for (number, file, keypoints, longer), path in zip(found, paths, strict=True)
    ]


def _person(name: str, image: Path, keypoints: np.ndarray, longer: float) -> Person:
    # The third column: 0 not annotated, 1 annotated but hidden, 2 visible.
    points, flag = keypoints[:, :2], keypoints[:, 2]
    return Person(
        name=name,
        image=image,
        points=points.astype(np.float32),
        annotated=flag > 0,
        visible=flag == 2,
        marked=middle(points, flag > 0).astype(np.float32),
        height=max(longer, person_height(points, flag > 0, COCO_17)),
    )
