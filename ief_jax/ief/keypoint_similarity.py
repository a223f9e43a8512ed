"""Object keypoint similarity, OKS: how alike two people's keypoints are (COCO's evaluation)."""

from collections.abc import Sequence

import numpy as np

from ief_jax import checks

_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
"""How far annotators are apart, by body part, in square roots of the person's area."""
FILLED = 0.53
"""Of a person's box: the area that their segment has in the mean, as COCO's code takes it."""


def similarity(
    a: np.ndarray, b: np.ndarray, counts: np.ndarray, area: np.ndarray | float, names: Sequence[str]
) -> np.ndarray:
    """The mean over the keypoints that count and have a sigma.

    Args:
      a: [..., K, 2] pixels.
      b: [..., K, 2] pixels.
      counts: [..., K] bool.
      area: [...] of the person, square pixels.
      names: of the K keypoints; those that COCO has no sigma for are left out.

    Returns:
      [...] 0 to 1; 0 where no keypoint counts.
    """
    checks.arrays(
        ("a", a, "[..., K, 2] pixels"),
        ("b", b, "[..., K, 2] pixels"),
        ("counts", counts, "bool [..., K]"),
        K=len(names),
    )
    sigma = np.array([_SIGMAS.get(name.rpartition("_")[2], np.nan) for name in names])
    known = np.isfinite(sigma)
    area = np.maximum(np.asarray(area, np.float64), 1.0)[..., None]
    distance = np.square(a - b).sum(-1)[..., known]
    # OKS = mean of exp(-d_k^2 / (2 area (2 sigma_k)^2))
    each = np.exp(-distance / (2 * area * (2 * sigma[known]) ** 2))
    counted = counts[..., known]
    return (each * counted).sum(-1) / np.maximum(counted.sum(-1), 1)


def distinct(
    boxes: np.ndarray,
    points: np.ndarray,
    counts: np.ndarray,
    score: np.ndarray,
    names: Sequence[str],
    alike: float,
    overlap: float,
) -> np.ndarray:
    """Rows of different people, the surest first: non-maximum suppression.

    Of two whose keypoints are alike, or whose boxes are nearly the same, the surer stays.

    Args:
      boxes: [N, 4] left, top, right and bottom, pixels.
      points: [N, K, 2] pixels.
      counts: [N, K] bool; the keypoints that count of each.
      score: [N] how sure each is.
      names: of the K keypoints.
      alike: `similarity` from which two are one.
      overlap: intersection over union of boxes from which two are one.
    """
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), -1)
    kept: list[int] = []
    for row in np.argsort(-score, kind="stable").tolist():
        if kept:
            low = np.maximum(boxes[row, :2], boxes[kept, :2])
            high = np.minimum(boxes[row, 2:], boxes[kept, 2:])
            common = np.prod(np.maximum(high - low, 0), -1)
            union = np.maximum(area[row] + area[kept] - common, 1e-9)
            each = similarity(
                np.broadcast_to(points[row], points[kept].shape),
                points[kept],
                counts[row] & counts[kept],
                # The smaller of the two: a child before an adult is somebody else.
                FILLED * np.minimum(area[row], area[kept]),
                names,
            )
            if (common >= overlap * union).any() or (each >= alike).any():
                continue
        kept.append(row)
    return np.array(kept, np.int64)
