"""Reads the stick figures, and makes them where they are not there: one file a split."""

from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from data.figures import drawings
from data.keypoints import people_files
from data.keypoints.people import Person, middle
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.geometry import skeletons
from ief_jax.geometry.skeletons import MPII_16
from ief_jax.ief.person_height import person_height
from ief_jax.lgd import synthetic_views

FORMAT = "ief_jax-figures-1"
"""Changes when the same seed gives other figures."""
LAYOUT = MPII_16
COUNTS = {"train": 10000, "validation": 500, "test": 500}
SEEDS = {"train": 0, "validation": 1, "test": 2}
SPLITS = tuple(COUNTS)
_AT_ONCE = 500
"""Bodies that are posed together."""


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The figures of a split, with `MPII_16`'s keypoints; made first, if they are not there.

    Args:
      data_dir: the folder that holds `figures/`, or is to hold it.
      chosen: "train", "validation" or "test".

    Raises:
      InputError: the file in the folder is not one of this version, or there is no such split.
      OutputError: it cannot be written.
    """
    path = people_files.of_split(data_dir, "figures", chosen, SPLITS)
    if not path.exists():
        count = COUNTS[chosen]
        people_files.make(path, figures(count, SEEDS[chosen]), count, FORMAT)
    return people_files.read(path, FORMAT)


def figures(count: int, seed: int) -> Iterator[Person]:
    """Yields figures of a seed; the first ones are the same whatever their number."""
    model = joints.fold(model_files.embedded())
    selection = jnp.asarray(skeletons.selection(LAYOUT, model.names))
    prior = pose_prior.embedded()
    pose = jax.jit(
        jax.vmap(
            partial(synthetic_views.prior_example, prior=prior, model=model, selection=selection)
        )
    )
    for first in range(0, count, _AT_ONCE):
        # One key a figure, none of them another seed's.
        rows = np.arange(first, first + _AT_ONCE)
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(rows)
        found = np.asarray(pose(keys).points)
        for number, points in zip(rows[: count - first], found, strict=False):
            yield _figure(np.random.default_rng([seed, int(number)]), points, seed, number)


def _figure(rng: np.random.Generator, points: np.ndarray, seed: int, number: int) -> Person:
    """A figure whose keypoints [K, 2] lie about each other like these."""
    everywhere = np.ones(len(points), bool)
    centred = (points - middle(points, everywhere)) * (drawings.TALL / np.ptp(points, 0).max())
    placed = (centred + (drawings.SIZE - 1) / 2).astype(np.float32)
    tall = person_height(placed, everywhere, LAYOUT)
    encoded = BytesIO()
    picture = Image.fromarray(drawings.draw(rng, placed, LAYOUT))
    picture.save(encoded, "JPEG", quality=92)
    neck, top = (placed[LAYOUT.index(name)] for name in ("upper_neck", "head_top"))
    return Person(
        name=f"figures/{seed}/{number}",
        image=encoded.getvalue(),
        points=placed,
        annotated=everywhere,
        visible=everywhere,
        marked=(middle(placed, everywhere) + rng.normal(0, 0.04, 2) * tall).astype(np.float32),
        height=tall,
        head_size=float(np.linalg.norm(neck - top)),
    )
