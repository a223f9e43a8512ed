"""How tall a person in an image is, where only their keypoints are known."""

import numpy as np

from ief_jax import checks

# Fractions of a standing person's height (Drillis & Contini 1966), measured between these
# keypoints; those of the second group are used where none of the first is to be had.
_HEIGHT_FRACTIONS = (
    {
        ("ankle", "knee"): 0.246,
        ("knee", "hip"): 0.245,
        ("hip", "upper_neck"): 0.31,
        ("upper_neck", "head_top"): 0.17,
    },
    {
        ("hip", "shoulder"): 0.288,
        ("shoulder", "elbow"): 0.186,
        ("elbow", "wrist"): 0.146,
    },
)


def person_height(points: np.ndarray, annotated: np.ndarray, names: tuple[str, ...]) -> float:
    """A person's height in pixels, from keypoints.

    The longer of the two sides of the keypoints' bounding box, or the height of a standing person
    whose legs, trunk and head are as long as those in the image, whichever is more: a crouching
    person still has legs, and arms may reach above the head.

    Args:
      points: [K, 2] px.
      annotated: [K] which of them count; one at least.
      names: the K keypoints' names.

    Raises:
      ValueError: an array has another shape or dtype, or no keypoint counts.
    """
    checks.arrays(
        ("points", points, "[K, 2] pixels"), ("annotated", annotated, "bool [K]"), K=len(names)
    )
    if not annotated.any():
        raise ValueError("annotated: expected one keypoint at least, got none")
    known = points[annotated]
    extent = float((known.max(0) - known.min(0)).max())
    by_name = dict(zip(np.array(names)[annotated].tolist(), known, strict=True))
    for fractions in _HEIGHT_FRACTIONS:
        length = total = 0.0
        for ends, part in fractions.items():
            for side in ("left_", "right_"):
                found = [by_name.get(side + end, by_name.get(end)) for end in ends]
                if found[0] is not None and found[1] is not None:
                    length += float(np.linalg.norm(found[0] - found[1]))
                    total += part
        if total:
            return max(extent, length / total)
    return extent
