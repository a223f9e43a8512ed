"""Reads MPII Human Pose: `images/` and its annotation in the release's form, in JSON, or both."""

from pathlib import Path

import numpy as np

from data.keypoints.people import Person
from data.mpii.annotations import Annotation, completed, from_json, from_mat
from data.releases import folder, images
from ief_jax.geometry.skeletons import MPII_16
from ief_jax.io.files import InputError

LAYOUT = MPII_16
SPLITS = ("train", "validation")
MAT = ("mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat", "mpii_human_pose_v1_u12_1.mat")
JSON = {"train": "annot/train.json", "validation": "annot/valid.json"}
HOW = (
    "download mpii_human_pose_v1.tar.gz (images/) and mpii_human_pose_v1_u12_2.zip from "
    "http://human-pose.mpi-inf.mpg.de and unpack them there; for the customary validation split "
    "also put the widely used annot/train.json and annot/valid.json there"
)
UNIT_HEIGHT = 200.0
"""Height in pixels of a person of scale 1."""


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The people of a split that have annotated joints, with `MPII_16`'s keypoints.

    The height is 200 px times the annotated scale and the marked point is `objpos`; people
    without either are left out.

    The JSON form holds the customary split of the annotated people (Tompson et al. 2015), but
    neither occlusions nor head sizes, which are filled in from the `.mat` file where that is
    there as well. With the `.mat` file alone, the validation split is one video in ten: not the
    customary one, so that figures on it are not comparable with others'.

    Args:
      data_dir: the folder that holds `mpii/`.
      chosen: "train" or "validation".

    Raises:
      InputError: something is missing, or is not what the release holds.
    """
    where = folder(data_dir, "mpii", ("images",), HOW)
    mat = next((where / name for name in MAT if (where / name).is_file()), None)
    split = where / JSON[chosen]
    release = from_mat(mat) if mat else []
    if split.is_file():
        found = completed(from_json(split), release)
    elif mat:
        found = [person for person in release if _split(person) == chosen]
    else:
        raise InputError(f"{where}: has neither {MAT[0]} nor {JSON[chosen]}; {HOW}")
    paths = images(where / "images", (person.image for person in found), HOW)
    return [
        Person(
            name=f"mpii/{annotation.image}",
            image=path,
            points=annotation.points.astype(np.float32),
            annotated=annotation.annotated,
            visible=annotation.visible,
            marked=annotation.marked.astype(np.float32),
            height=UNIT_HEIGHT * annotation.scale,
            head_size=annotation.head_size,
        )
        for annotation, path in zip(found, paths, strict=True)
    ]


def _split(person: Annotation) -> str:
    return "validation" if person.video % 10 == 9 else "train"
