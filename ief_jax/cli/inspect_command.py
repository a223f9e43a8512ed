"""`ief-jax inspect`: what every step of a fit saw and did."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ief_jax.cli import bodies, keypoint_files
from ief_jax.cli.bodies import Gender
from ief_jax.cli.keypoint_files import Skeleton
from ief_jax.cli.shared import keep_compilations, say
from ief_jax.formats import detections, photographs
from ief_jax.io import files
from ief_jax.io.files import InputError


def inspect(
    keypoints: Annotated[Path, tyro.conf.Positional],
    output: Path,
    frame: int = 0,
    person: int = 0,
    checkpoint: str = "released",
    body: Path | None = None,
    gender: Gender = "neutral",
    skeleton: Skeleton | None = None,
    min_confidence: float | None = None,
    image_size: tuple[float, float] | None = None,
    names: Path | None = None,
) -> None:
    """Draw what every step of one fit saw and did, as one figure.

    Error, norms of gradients and updates, the cosine between them and the reprojected skeleton,
    step by step.

    Args:
      keypoints: as for fit.
      output: the figure: .png, .pdf or .svg.
      frame: which frame, counted from 0.
      person: which person of the frame, counted from 0.
      checkpoint: released, paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body; or a folder or zip of them.
      gender: of the body, where --body has several.
      skeleton: layout of the keypoints, where the file leaves it open.
      min_confidence: as for fit.
      image_size: as for fit.
      names: as for fit.
    """
    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"{output}: the figure's name must end in .png, .pdf or .svg")
    options = keypoint_files.options(
        skeleton, min_confidence, image_size, names, False, photographs.EMPTY
    )
    found = detections.to_union(keypoint_files.read(keypoints, options))
    row = keypoint_files.row(found, keypoints, frame, person)
    keep_compilations()
    from ief_jax.body import joints
    from ief_jax.lgd import fitting
    from ief_jax.viz import step_figure

    model = bodies.load_body(body, gender)
    trained = bodies.load_checkpoint(checkpoint, model)
    files.output_folder(output.parent)
    one = detections.take(found, np.array([row]))
    trace = fitting.trace(trained, joints.fold(model), one.points, one.confidence)
    title = f"{found.frame_names[frame]}, person {person}"
    step_figure.write(output, step_figure.figure(trace, one.points, one.confidence, title))
    say(f"wrote {output}")
