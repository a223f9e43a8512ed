"""An evaluation's figures as a table for the terminal and as one picture."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ief_jax.body.model_files import PARENTS

# Okabe and Ito's colours, which colour-blind people can tell apart.
_TRUTH, _ESTIMATE = "#0072B2", "#D55E00"
_BASELINES = ("#999999", "#009E73", "#CC79A7", "#E69F00")


class Steps(NamedTuple):
    """Mean errors by state, the start first: lists of T + 1 numbers, as `evaluation.Errors`."""

    pa_mpjpe: Sequence[float]
    mpjpe: Sequence[float]
    vertex: Sequence[float]
    reprojection: Sequence[float]


class Pair(NamedTuple):
    """A fitted and a true body: [24, 3] joints each, metres, and how far they are apart, mm."""

    estimate: np.ndarray
    truth: np.ndarray
    pa_mpjpe: float


def table(
    names: Sequence[str],
    steps: Steps,
    baselines: Mapping[str, float | None],
    seconds: Mapping[str, float],
) -> str:
    """The errors after each step, and PA-MPJPE of the baselines with how long they took.

    Args:
      names: of the states, the start first.
      steps: their errors.
      baselines: PA-MPJPE in mm by name, None where a baseline could not be run.
      seconds: by baseline, for all people.
    """
    lines = [f"{'':18}{'PA-MPJPE':>10}{'MPJPE':>10}{'vertices':>10}{'reproj.':>10}"]
    lines.append(f"{'':18}{'mm':>10}{'mm':>10}{'mm':>10}{'% of box':>10}")
    for name, pa, whole, vertex, reprojection in zip(names, *steps, strict=True):
        lines.append(f"{name:18}{pa:10.1f}{whole:10.1f}{vertex:10.1f}{100 * reprojection:10.2f}")
    lines.append("")
    for name, error in baselines.items():
        figure_text = "         -" if error is None else f"{error:10.1f}"
        time = f"  ({seconds[name]:.2f} s)" if name in seconds else ""
        lines.append(f"{name:18}{figure_text}{time}")
    return "\n".join(lines)


def figure(
    names: Sequence[str],
    steps: Steps,
    baselines: Mapping[str, float | None],
    pairs: Sequence[Pair],
    title: str = "",
) -> Figure:
    """Error by step with the baselines beside it, and bodies from the front and from the side.

    Args:
      names: of the states, the start first.
      steps: their errors.
      baselines: PA-MPJPE in mm by name.
      pairs: bodies to draw, one a column.
      title: above the figure.
    """
    columns = max(len(pairs), 1)
    page = Figure(figsize=(4.6 + 1.6 * columns, 5.6), layout="constrained")
    page.suptitle(title, fontsize=12)
    left, right = page.subfigures(1, 2, squeeze=False, width_ratios=(4.6, 1.6 * columns))[0]
    _curves(left.subplots(), names, steps, baselines)
    panels = right.subplots(2, columns, squeeze=False)
    window = _window(pairs)
    for column, pair in enumerate(pairs):
        for row, horizontal in enumerate((0, 2)):
            _bodies(panels[row, column], pair, horizontal, window)
        panels[0, column].set_title(f"{pair.pa_mpjpe:.0f} mm", fontsize=10)
    panels[0, 0].set_ylabel("from the camera")
    panels[1, 0].set_ylabel("from the side")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    right.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return page


def _curves(
    axes: Axes, names: Sequence[str], steps: Steps, baselines: Mapping[str, float | None]
) -> None:
    numbers = np.arange(len(names))
    for label, values, marker in (
        ("PA-MPJPE", steps.pa_mpjpe, "o"),
        ("MPJPE", steps.mpjpe, "s"),
        ("vertices", steps.vertex, "^"),
    ):
        axes.plot(numbers, values, marker=marker, label=label, markersize=4)
    for colour, (name, error) in zip(_BASELINES, baselines.items(), strict=False):
        if error is not None:
            label = f"{name.replace('_', ' ')} {error:.0f}"
            axes.axhline(error, color=colour, linestyle="--", linewidth=1, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_minor_formatter("{x:.0f}")
    axes.tick_params(axis="y", which="both", labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xticks(numbers, names, rotation=45, ha="right", fontsize=8)
    axes.set_ylabel("error (mm); dashed: PA-MPJPE of baselines")
    axes.grid(which="both", alpha=0.2)
    axes.legend(fontsize=8)


def _window(pairs: Sequence[Pair]) -> tuple[float, float, float]:
    """Half the width, the lowest and the highest place of a panel that holds each body, metres."""
    bodies = [body - body[0] for pair in pairs for body in (pair.truth, pair.estimate)]
    points = np.concatenate([*bodies, np.zeros((1, 3))])
    margin = 0.05
    width = max(0.8, np.abs(points[:, (0, 2)]).max() + margin)
    return width, min(-1.15, points[:, 1].min() - margin), max(0.95, points[:, 1].max() + margin)


def _bodies(axes: Axes, pair: Pair, horizontal: int, window: tuple[float, float, float]) -> None:
    """Stick figures, the pelvis at the origin; `horizontal` is the axis that runs to the right."""
    width, low, high = window
    for body, colour, label in (
        (pair.truth, _TRUTH, "truth"),
        (pair.estimate, _ESTIMATE, "estimate"),
    ):
        points = body - body[0]
        for bone, (joint, parent) in enumerate(_BONES):
            ends = points[[joint, parent]]
            axes.plot(
                ends[:, horizontal],
                ends[:, 1],
                color=colour,
                linewidth=1.6,
                alpha=0.8,
                label=label if bone == 0 else None,
                solid_capstyle="round",
            )
    axes.set_aspect("equal")
    axes.set_xlim(-width, width)
    axes.set_ylim(low, high)
    axes.set_xticks([])
    axes.set_yticks([])


_BONES = tuple((joint, parent) for joint, parent in enumerate(PARENTS) if parent >= 0)
