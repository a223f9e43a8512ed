"""Everybody in a photograph in one picture: their bodies over it, and from the side."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ief_jax.cli import body_files
from ief_jax.cli.bodies import Fitted
from ief_jax.cli.shared import counted, say
from ief_jax.formats import photographs
from ief_jax.io import files

if TYPE_CHECKING:
    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.fitting import Bodies

TALLEST = 900
"""Height of the pictures, pixels."""
DEEPEST = 12.0
"""Metres behind the nearest person to which the side view reaches: those farther away would make
all too small to be seen."""


def write(folder: Path, body: "BodyModel", fitted: Fitted, album: photographs.Album) -> None:
    """Writes NAME.jpg for each photograph with somebody in it.

    Args:
      folder: made if missing.
      body: the model that was fitted.
      fitted: the people and their bodies.
      album: the photographs.

    Raises:
      OutputError: a picture cannot be written.
    """
    import jax

    from ief_jax.geometry import camera
    from ief_jax.viz import scene_picture
    from ief_jax.viz.scene_picture import Person

    files.output_folder(folder)
    faces, people, found = np.asarray(body.faces), fitted.people, fitted.bodies
    order = np.argsort(people.frame, kind="stable")
    each = body_files.posed(body, found.poses[order], found.betas[order])
    frames, written = np.unique(people.frame).tolist(), 0
    for frame in tqdm(frames, desc="scenes", unit="photo", disable=len(frames) == 1):
        rows = np.flatnonzero(people.frame == frame)
        vertices = [next(each) for _ in rows]
        photograph = body_files.photograph(album, people, frame)
        if photograph is None:
            continue
        some = jax.tree.map(lambda leaf, rows=rows: leaf[rows], found)
        middles = places(some, fitted.lens_known[rows], photograph.size)
        drawn = []
        for index, row in enumerate(rows.tolist()):
            view, lens = jax.tree.map(
                lambda leaf, i=index: np.asarray(leaf[i]), (some.view, some.intrinsics)
            )
            seen = np.asarray(camera.project(view, vertices[index], lens))
            place = vertices[index] + middles[index]
            drawn.append(Person(int(people.person[row]), place, seen, float(view.scale)))
        there = middles[:, 2] > middles[:, 2].max() - DEEPEST
        joints = np.asarray(some.joints) + middles[:, None]
        side = scene_picture.extent(joints[there].reshape(-1, 3))
        height = min(photograph.height, TALLEST)
        picture = scene_picture.picture(photograph, drawn, faces, side, height)
        body_files.save_picture(folder / f"{people.frame_names[frame]}.jpg", picture)
        written += 1
    say(f"{folder}: {counted(written, 'picture', 'pictures')} of everybody in a photograph")


def places(bodies: "Bodies", known: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where the origins of N bodies are from the camera, which looks along -z: [N, 3] metres.

    Where the lens is not known, for as long a lens as the photograph's diagonal.

    Args:
      bodies: of the people.
      known: [N] whether the lens of each is known.
      size: of the photograph, pixels.
    """
    import jax.numpy as jnp

    from ief_jax.formats import bodies as formats_bodies

    principal = np.where(known[:, None], bodies.principal, (np.array(size) - 1) / 2)
    assumed = bodies._replace(
        inverse_focal=jnp.where(known, bodies.inverse_focal, 1 / math.hypot(*size)),
        principal=jnp.asarray(principal),
    )
    return formats_bodies.before_the_camera(assumed)
