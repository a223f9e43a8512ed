"""`ief-jax keypoints`: people's keypoints in photographs."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ief_jax.cli import finding
from ief_jax.cli.finding import Photographed
from ief_jax.cli.shared import Files
from ief_jax.io import files


def keypoints(
    photographs: Files,
    output: Path = Path("keypoints"),
    point: Annotated[tuple[tuple[float, float], ...], tyro.conf.UseAppendAction] = (),
    checkpoint: str = "movenet",
    selector: str = "released",
    pictures: bool = True,
    strict: bool = False,
) -> None:
    """Find the 2D keypoints of the people in photographs.

    Writes NAME_keypoints.json for each, in OpenPose's form, which ief-jax fit reads, and the
    keypoints drawn over the photograph to pictures/NAME.jpg.

    Args:
      photographs: image files, and folders of them, with their sub-folders.
      output: folder for the results; made if missing.
      point: x and y in pixels of a point on the person, from the upper left corner of the
        photograph held upright; once for each person. Without it, everybody who is found.
      checkpoint: movenet, MoveNet Thunder as Google released it, 17 keypoints; released, IEF on its
        trunk, better on sportsmen seen whole, 19 keypoints; lsp, IEF trained on sportsmen alone; or
        a folder that train.py ief wrote.
      selector: of the part of the photograph that fits the person about a point: released, or a
        folder that train.py scale wrote.
      pictures: draw the keypoints over the photographs.
      strict: stop at a photograph that cannot be read instead of passing over it.
    """
    for found in finding.photographed(photographs, output, point, checkpoint, selector, strict):
        finding.write(found, output)
        if pictures:
            _draw(found, output / "pictures")


def _draw(found: Photographed, folder: Path) -> None:
    from ief_jax.viz import keypoint_picture

    sure = np.ones(found.points.shape[:-1]) if found.confidence is None else found.confidence
    people = list(map(keypoint_picture.DrawnPerson, found.points, sure, found.marked))
    drawn = keypoint_picture.picture(found.image, people, found.names)
    with files.replacing(files.output_folder(folder) / f"{found.name}.jpg") as file:
        drawn.save(file, "jpeg", quality=90)
