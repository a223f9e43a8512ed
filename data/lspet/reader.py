"""Reads Leeds Sports Pose Extended: `joints.mat` and `images/im00001.jpg` ... `im10000.jpg`."""

from pathlib import Path

import numpy as np

from data.keypoints.matlab import leeds_joints
from data.keypoints.people import Person, middle
from data.releases import folder, images
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief.person_height import person_height
from ief_jax.io.files import InputError

LAYOUT = LSP_14
COUNT = 10000
SPLITS = ("train", "validation")
HOW = (
    "download lspet_dataset.zip from http://sam.johnson.io/research/lspet.html and unpack it there"
)


def split(number: int) -> str:
    """The split of an image by its number, from 1.

    The release is a training set. One block of 50 images in twenty is kept for validation:
    neighbours are often of one event, so they stay together.
    """
    return "validation" if (number - 1) // 50 % 20 == 19 else "train"


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The people of a split, one an image, with `LSP_14`'s keypoints.

    The flags of `joints.mat` are 1 where a joint is annotated; the other coordinates are junk
    and are replaced by zero. Nothing is said of occlusion: what is annotated counts as visible.

    The marked point is the middle of the keypoints' bounding box. In LSP this is the middle of
    the image, but here it is on the person in 70 % of the images only.

    Args:
      data_dir: the folder that holds `lspet/`.
      chosen: "train" or "validation".

    Raises:
      InputError: something is missing, or is not what the release holds.
    """
    where = folder(data_dir, "lspet", ("joints.mat", "images"), HOW)
    # 14 x 3 x 10000: x, y and "annotated" of every joint, of every image
    joints = leeds_joints(where / "joints.mat", (14, 3, COUNT)).transpose(2, 0, 1)
    bare = np.flatnonzero(~(joints[..., 2] == 1).any(1)) + 1
    if len(bare):
        raise InputError(f"{where / 'joints.mat'}: no joint of image {bare[0]} is annotated")
    numbers = [number for number in range(1, COUNT + 1) if split(number) == chosen]
    paths = images(where / "images", (f"im{n:05d}.jpg" for n in numbers), HOW)
    people = []
    for number, path in zip(numbers, paths, strict=True):
        annotated = joints[number - 1, :, 2] == 1
        points = np.where(annotated[:, None], joints[number - 1, :, :2], 0)
        people.append(
            Person(
                name=f"lspet/{path.name}",
                image=path,
                points=points.astype(np.float32),
                annotated=annotated,
                visible=annotated,
                marked=middle(points, annotated).astype(np.float32),
                height=person_height(points, annotated, LSP_14),
            )
        )
    return people
