"""What the steps of a fit saw and did, as one figure.

The numbers are those of `fitting.trace`; this only draws them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ief_jax.geometry.skeletons import UNION_27
from ief_jax.io.files import replacing
from ief_jax.viz import fit_picture, plots
from ief_jax.viz.colours import GROUPS

if TYPE_CHECKING:
    from ief_jax.lgd.fitting import Trace

MOST_SKELETONS = 8
"""Skeletons drawn; of a longer fit, this many steps evenly apart, first and last among them."""


def figure(
    trace: "Trace", points: np.ndarray, confidence: np.ndarray, title: str = "", person: int = 0
) -> Figure:
    """Draws one person's fit.

    Above: the error before the first and after every step (the second-order ones on grey), in
    pixels and as the L that the gradient is of; the norms of the gradient that each learned step
    saw and of its update, by parameter group; the cosine between the update and the negative
    gradient. Below: the keypoints found and the body's, step by step.

    Args:
      trace: of N people.
      points: [N, 27, 2] UNION_27 keypoints found, pixels.
      confidence: [N, 27].
      title: above the figure.
      person: which of the N.
    """
    error = np.asarray(trace.bodies.error)[person]
    steps = len(error) - 1
    learned = len(next(iter(trace.cosine.values()))[person])
    shown = np.unique(np.linspace(0, steps, min(steps + 1, MOST_SKELETONS)).round().astype(int))
    page = Figure(figsize=(max(12.5, 1.9 * len(shown)), 7.0), layout="constrained")
    page.suptitle(title, fontsize=13, x=0.02, horizontalalignment="left")
    above, below = page.subfigures(2, 1, squeeze=False, height_ratios=(1.0, 1.25))[:, 0]
    curves = above.subplots(1, 4)
    _curve(curves[0], {"error": error}, 0, "reprojection error (px)")
    curves[0].set_ylim(0, 1.1 * error.max())
    if steps > learned:
        curves[0].axvspan(learned + 0.5, steps + 0.5, color="0.93")
        middle = (learned + steps + 1) / 2
        curves[0].text(middle, error.max(), "second-order", fontsize=8, ha="center", va="bottom")
    loss = curves[0].twinx()
    _curve(loss, {"L": np.asarray(trace.error)[person]}, 0, "", "s--")
    loss.set_ylim(0, 1.1 * np.max(trace.error[person]))
    loss.spines[["right"]].set_visible(True)
    loss.set_ylabel("L, the robust error (dashed)", fontsize=8)
    _curve(curves[1], _norms(trace.gradient, person), 1, "norm of the gradient seen")
    _curve(curves[2], _norms(trace.update, person), 1, "norm of the update made")
    cosines = {name: np.asarray(value)[person] for name, value in trace.cosine.items()}
    _curve(curves[3], cosines, 1, "cosine of update and -gradient")
    curves[3].set_ylim(-1.05, 1.05)
    curves[3].axhline(0, color="0.6", linewidth=0.8)
    for axes in curves[1:3]:
        axes.set_yscale("log")
    above.legend(
        *curves[1].get_legend_handles_labels(),
        loc="outside upper right",
        ncols=len(trace.gradient),
        frameon=False,
    )
    panels = below.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    seen = np.asarray(confidence)[person] > 0
    found = np.asarray(points)[person]
    bodies = np.asarray(trace.bodies.keypoints)[person]
    for axes, step in zip(panels, shown, strict=True):
        _skeletons(axes, found, seen, bodies[step])
        axes.set_title(f"{_step(step, learned)}: {error[step]:.1f} px", fontsize=10)
    everything = np.concatenate([found[seen], bodies[shown].reshape(-1, 2)])
    low, high = everything.min(0), everything.max(0)
    margin = 0.05 * (high - low).max()
    panels[0].set_xlim(low[0] - margin, high[0] + margin)
    panels[0].set_ylim(high[1] + margin, low[1] - margin)
    below.supxlabel("coloured: keypoints found (left blue, right orange); black: the body's")
    return page


def write(path: str | os.PathLike[str], page: Figure) -> None:
    """Writes a figure in the format of the name's ending: .png, .pdf or .svg.

    Raises:
      OutputError: the file cannot be written.
    """
    with replacing(path) as file:
        page.savefig(file, format=Path(path).suffix[1:].lower(), dpi=120)


def _step(step: int, learned: int) -> str:
    if step > learned:
        return f"second-order {step - learned}"
    return f"step {step}" if step else "start"


def _norms(groups: Mapping[str, ArrayLike], person: int) -> dict[str, np.ndarray]:
    return {name: np.linalg.norm(np.asarray(v)[person], axis=-1) for name, v in groups.items()}


def _curve(
    axes: Axes, curves: Mapping[str, np.ndarray], first: int, title: str, style: str = "o-"
) -> None:
    for name, values in curves.items():
        steps = np.arange(first, first + len(values))
        colour = GROUPS.get(name, "0.2")
        axes.plot(steps, values, style, color=colour, label=name, markersize=4)
    plots.label_steps(axes, title)
    axes.spines[["top", "right"]].set_visible(False)


def _skeletons(axes: Axes, found: np.ndarray, seen: np.ndarray, body: np.ndarray) -> None:
    plots.skeleton(axes, found, seen, UNION_27, fit_picture.LIMB_ROWS, 3, 18)
    for limb in fit_picture.LIMB_ROWS:
        axes.plot(*body[limb].T, color="0.1", linewidth=1)
    axes.scatter(
        body[:, 0], body[:, 1], s=26, facecolors="none", edgecolors="0.1", linewidths=1, zorder=3
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
