"""An evaluation of keypoints as tables for the terminal and as one picture."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ief_jax.ief.metrics import Rates, Reliability
from ief_jax.viz import keypoint_picture, plots

# Okabe and Ito's colours, which colour-blind people can tell apart, and two more.
_COLOURS = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"),
    *("#999999", "#7F4F24"),
)


class Corrections(NamedTuple):
    """One person's corrections, to be drawn.

    Attributes:
      image: uint8 [S, S, 3], what the network saw.
      path: [T + 1, J, 2] pixels of that image.
      joints: names of the J keypoints.
      truth: [K, 2] pixels of that image.
      annotated: [K] bool.
      names: of the K keypoints.
      title: what to call the row.
    """

    image: np.ndarray
    path: np.ndarray
    joints: tuple[str, ...]
    truth: np.ndarray
    annotated: np.ndarray
    names: tuple[str, ...]
    title: str


def both_sides(rates: Rates) -> dict[str, np.ndarray]:
    """Percentages [T + 1] by part of the body: the mean of its left and right where it has both.

    In the order of the names, each part where its first side is.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for name, values in zip(rates.names, rates.each.T, strict=True):
        side, _, part = name.partition("_")
        paired = {"left": f"right_{part}", "right": f"left_{part}"}.get(side) in rates.names
        parts.setdefault(part if paired else name, []).append(values)
    return {part: np.mean(values, 0) for part, values in parts.items()}


def table(title: str, rates: Rates, published: Mapping[str, float]) -> str:
    """Percentages by part of the body and step, and what was published where it is known.

    Args:
      title: what is measured.
      rates: the measure.
      published: percentages by part, and `mean`; may be empty.
    """
    steps = len(rates.mean)
    heads = ["start", *(f"step {step}" for step in range(1, steps))]
    heads += ["paper"] if published else []
    lines = [f"{title:18}" + "".join(f"{head:>8}" for head in heads)]
    for part, values in [*both_sides(rates).items(), ("mean", rates.mean)]:
        cells = [_cell(value) for value in values]
        cells += [_cell(published.get(part, np.nan))] if published else []
        lines.append(f"{part.replace('_', ' '):18}" + "".join(f"{cell:>8}" for cell in cells))
    return "\n".join(lines)


def confidences(found: Reliability) -> str:
    """What the confidences are worth: how often joints of some confidence are right."""
    bounds = np.linspace(0, 1, len(found.right) + 1)
    heads = [f"{low:.1f}-{high:.1f}" for low, high in zip(bounds, bounds[1:], strict=False)]
    rows = [
        ("confidence", heads),
        ("right (%)", [_cell(value) for value in found.right]),
        ("joints", [str(count) for count in found.joints]),
    ]
    lines = [f"{name:18}" + "".join(f"{cell:>9}" for cell in cells) for name, cells in rows]
    return "\n".join([*lines, f"higher for right than for wrong: {100 * found.ranking:.1f} %"])


def figure(
    title: str, rates: Mapping[str, Rates], detailed: str, sequences: Sequence[Corrections]
) -> Figure:
    """Percentages by step (the paper's figures 3 and 4), and corrections on images (figure 5).

    Args:
      title: above everything.
      rates: measures by name, of which the means are drawn.
      detailed: the one that is drawn by part of the body.
      sequences: people, one a row.
    """
    steps = len(rates[detailed].mean)
    columns = steps + 1
    heights = (3.4, 1.75 * max(len(sequences), 1))
    page = Figure(figsize=(max(9.0, 1.7 * columns), sum(heights) + 0.5), layout="constrained")
    page.suptitle(title, fontsize=12)
    above, below = page.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    parts, means = above.subplots(1, 2)
    _curves(parts, both_sides(rates[detailed]), detailed)
    _curves(means, {name: each.mean for name, each in rates.items()}, "means")
    panels = below.subplots(max(len(sequences), 1), columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for row, one in zip(panels, sequences, strict=False):
        for step, axes in enumerate(row[:-1]):
            _skeleton(axes, one.image, one.path[step], np.ones(len(one.joints), bool), one.joints)
        _skeleton(row[-1], one.image, one.truth, one.annotated, one.names)
        row[0].set_title(one.title, fontsize=8, loc="left")
    for step, axes in enumerate(panels[-1]):
        name = "truth" if step == steps else f"step {step}" if step else "start"
        axes.text(0.5, -0.04, name, transform=axes.transAxes, ha="center", va="top", fontsize=9)
    return page


def _cell(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "-"


def _curves(axes: Axes, curves: Mapping[str, np.ndarray], title: str) -> None:
    for number, (name, values) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        label = name.replace("_", " ")
        axes.plot(np.arange(len(values)), values, "o-", color=colour, label=label, markersize=3)
    plots.label_steps(axes, title)
    axes.set_ylabel("%")
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.2)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _skeleton(
    axes: Axes, image: np.ndarray, points: np.ndarray, shown: np.ndarray, names: Sequence[str]
) -> None:
    height, width = image.shape[:2]
    axes.imshow(image)
    plots.skeleton(axes, points, shown, names, keypoint_picture.limbs(names), 1.6, 7)
    # Pixels are drawn about their centres; what is outside is not shown.
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
