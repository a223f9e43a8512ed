"""What IEF is trained on: people in square crops, the start y_0 and the target y."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks


class PersonCrop(NamedTuple):
    """A person in a square crop; in batches with a leading axis.

    Attributes:
      image: [S, S, 3] RGB, 0 to 255.
      points: [K, 2] y, pixels of the crop; any finite number where not annotated.
      annotated: [K].
      marked: [2] a point inside the person, pixels of the crop.
    """

    image: jax.Array
    points: jax.Array
    annotated: jax.Array
    marked: jax.Array


def check(crop: PersonCrop, **sizes: int) -> None:
    """Raises ValueError unless a crop is that of one person.

    Args:
      crop: the person.
      **sizes: K and S, where they are known.
    """
    checks.arrays(
        ("crop.image", crop.image, "[S, S, 3] RGB, 0 to 255"),
        ("crop.points", crop.points, "[K, 2] pixels of the crop"),
        ("crop.annotated", crop.annotated, "bool [K]"),
        ("crop.marked", crop.marked, "[2] pixels of the crop"),
        **sizes,
    )


def median_pose(points: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """y_0 [K, 2]: the median of each joint over N poses [N, K, 2] where annotated [N, K]."""
    checks.arrays(("points", points, "[N, K, 2] pixels"), ("annotated", annotated, "bool [N, K]"))
    known = np.where(annotated[..., None], points, np.nan)
    return np.nanmedian(known, 0).astype(np.float32)


def target_pose(crop: PersonCrop, start: jax.Array) -> jax.Array:
    """y [K, 2]: joints that are not annotated stay where they start."""
    check(crop, K=len(start))
    return jnp.where(crop.annotated[:, None], crop.points, start)
