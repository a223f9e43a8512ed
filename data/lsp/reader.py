"""Reads Leeds Sports Pose: `joints.mat` and `images/im0001.jpg` ... `im2000.jpg`."""

from pathlib import Path

import numpy as np

from data.keypoints.matlab import leeds_joints
from data.keypoints.people import Person, decode
from data.releases import folder, images
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief.person_height import person_height

LAYOUT = LSP_14
COUNT = 2000
SPLITS = ("train", "validation", "test")
HOW = (
    "download lsp_dataset.zip (or lsp_dataset_original.zip) from "
    "http://sam.johnson.io/research/lsp.html and unpack it there"
)


def split(number: int) -> str:
    """The split of an image by its number, from 1.

    The release's second thousand is the test set. Of the first, one block of 25 images in ten is
    kept for validation: neighbours are often of one event, so they stay together.
    """
    if number > 1000:
        return "test"
    return "validation" if (number - 1) // 25 % 10 == 9 else "train"


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The people of a split, one an image, with `LSP_14`'s keypoints.

    Every keypoint is annotated. The third row of `joints.mat` is 1 where it is occluded. The
    coordinates are taken as they are: the images are cut so that the person is in their middle,
    and by that the file counts from 0 (to 0.05 px), whatever MATLAB's custom. As in the paper the
    marked point is the middle of the image.

    Args:
      data_dir: the folder that holds `lsp/`.
      chosen: "train", "validation" or "test".

    Raises:
      InputError: something is missing, or is not what the release holds.
    """
    where = folder(data_dir, "lsp", ("joints.mat", "images"), HOW)
    # 3 x 14 x 2000: x, y and "occluded", each of every joint, of every image
    joints = leeds_joints(where / "joints.mat", (3, 14, COUNT)).transpose(2, 1, 0)
    numbers = [number for number in range(1, COUNT + 1) if split(number) == chosen]
    paths = images(where / "images", (f"im{n:04d}.jpg" for n in numbers), HOW)
    annotated = np.ones(len(LSP_14), bool)
    people = []
    for number, path in zip(numbers, paths, strict=True):
        points, occluded = joints[number - 1, :, :2], joints[number - 1, :, 2]
        width, tall = decode(path).size
        people.append(
            Person(
                name=f"lsp/{path.name}",
                image=path,
                points=points.astype(np.float32),
                annotated=annotated,
                visible=occluded == 0,
                marked=np.array([width - 1, tall - 1], np.float32) / 2,
                height=person_height(points, annotated, LSP_14),
            )
        )
    return people
