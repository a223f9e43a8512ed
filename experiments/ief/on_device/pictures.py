"""People in the accelerator's memory, and crops of them made there.

Crop pixel u of a person shows p = c + L^-1 (u - (S - 1) / 2) of their picture, where L turns,
mirrors and scales. Points and pictures go through the same map.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from data.keypoints.packed import Packed
from ief_jax.geometry.crops import PERSON, WINDOW

CANVAS = 240
"""Side of the square that each picture lies in, pixels; larger pictures are made smaller."""


class Pictures(NamedTuple):
    """N people; their points are elsewhere, in pixels of these pictures.

    Attributes:
      image: uint8 [N, CANVAS, CANVAS, 3], black right of the picture and below it.
      extent: float32 [N, 2] width and height of the picture.
      marked: float32 [N, 2] a point on the person.
      box: float32 [N] side of the box that the network sees.
    """

    image: jax.Array
    extent: jax.Array
    marked: jax.Array
    box: jax.Array


class View(NamedTuple):
    """Which part of a picture a crop shows.

    Attributes:
      linear: [2, 2] L: a step in the picture to one in the crop.
      centre: [2] c: what the crop's middle shows.
    """

    linear: jax.Array
    centre: jax.Array


def load(packed: Packed, threads: int) -> tuple[Pictures, np.ndarray]:
    """Decodes all pictures; also the people's points [N, K, 2] in them, in the host's memory."""
    count = len(packed.images)
    image = np.zeros((count, CANVAS, CANVAS, 3), np.uint8)
    extent, share = np.zeros((count, 2), np.float32), np.ones((count, 2), np.float32)

    def decode(index: int) -> None:
        with Image.open(io.BytesIO(packed.images[index])) as opened:
            picture = opened.convert("RGB")
        size = np.array(picture.size)
        small = np.maximum(1, np.round(size * min(1.0, CANVAS / size.max()))).astype(int)
        if (small != size).any():
            picture = picture.resize(tuple(small), Image.Resampling.LANCZOS)
        extent[index], share[index] = small, small / size
        image[index, : small[1], : small[0]] = np.asarray(picture)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(decode, range(count), chunksize=64):
            pass
    marked = (packed.marked + 0.5) * share - 0.5
    box = WINDOW * PERSON * packed.height * share.mean(1)
    parts = (image, extent, marked.astype(np.float32), box.astype(np.float32))
    points = (packed.points + 0.5) * share[:, None] - 0.5
    return Pictures(*map(jnp.asarray, parts)), points.astype(np.float32)


def view(
    person: Pictures,
    size: int,
    angle: jax.Array,
    scale: jax.Array,
    mirrored: jax.Array,
    shift: jax.Array,
) -> View:
    """A view of one person.

    Args:
      person: one of `Pictures`.
      size: S, side of the crop, pixels.
      angle: [] radians.
      scale: [] side of the crop, in sides of the box.
      mirrored: [] bool.
      shift: [2] of the box, in its sides.
    """
    zoom = size / (person.box * scale)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.array([[cos, -sin], [sin, cos]])
    flip = jnp.where(mirrored, -1.0, 1.0)
    linear = zoom * turn * jnp.array([flip, 1.0])[:, None]
    return View(linear, person.marked + shift * person.box)


def to_crop(view: View, points: jax.Array, size: int) -> jax.Array:
    """Points [..., 2] of the picture in the crop."""
    return (points - view.centre) @ view.linear.T + (size - 1) / 2


def to_picture(view: View, points: jax.Array, size: int) -> jax.Array:
    """Points [..., 2] of the crop in the picture."""
    return (points - (size - 1) / 2) @ jnp.linalg.inv(view.linear).T + view.centre


def crop(person: Pictures, view: View, size: int, stretched: jax.Array | bool = False) -> jax.Array:
    """The crop, float32 [S, S, 3], 0 to 255, bilinear.

    Outside the picture it is black or, if `stretched`, what the picture is at its edge.
    """
    columns, rows = jnp.meshgrid(jnp.arange(size), jnp.arange(size))
    at = to_picture(view, jnp.stack([columns, rows], -1).astype(jnp.float32), size)
    corner = jnp.floor(at)
    part = at - corner
    x, y = corner[..., 0].astype(jnp.int32), corner[..., 1].astype(jnp.int32)
    width, height = person.extent[0].astype(jnp.int32), person.extent[1].astype(jnp.int32)
    pixels = person.image.reshape(-1, 3)
    total = jnp.zeros((size, size, 3))
    for down in (0, 1):
        for right in (0, 1):
            i, j = x + right, y + down
            inside = (i >= 0) & (i < width) & (j >= 0) & (j < height) | stretched
            i, j = jnp.clip(i, 0, width - 1), jnp.clip(j, 0, height - 1)
            found = pixels[j * CANVAS + i].astype(jnp.float32)
            weight = (part[..., 0] if right else 1 - part[..., 0]) * (
                part[..., 1] if down else 1 - part[..., 1]
            )
            total += (weight * inside)[..., None] * found
    return total
