"""What several figures have in common: axes over steps, skeletons in the colours of their sides."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ief_jax.viz.colours import fractions, limb_colour, side_colour


def label_steps(axes: Axes, title: str) -> None:
    """Gives axes a title, and whole steps to the right."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def skeleton(
    axes: Axes,
    points: np.ndarray,
    shown: np.ndarray,
    names: Sequence[str],
    limbs: Iterable[Sequence[int]],
    line_width: float,
    dot_area: float,
) -> None:
    """Draws keypoints as dots, and limbs between those that are shown.

    Args:
      axes: to draw on.
      points: [K, 2].
      shown: [K] bool.
      names: of the K keypoints.
      limbs: pairs of rows.
      line_width: of the limbs, points (1/72 inch).
      dot_area: of the keypoints, square points.
    """
    for first, second in limbs:
        if shown[first] and shown[second]:
            colour = fractions(limb_colour(names[first], names[second]))
            axes.plot(*points[[first, second]].T, color=colour, linewidth=line_width, alpha=0.8)
    colours = [
        fractions(side_colour(name)) for name, there in zip(names, shown, strict=True) if there
    ]
    axes.scatter(points[shown, 0], points[shown, 1], s=dot_area, color=colours, zorder=3)
