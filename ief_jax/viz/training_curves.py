"""The metrics of a training run over its steps, as one picture."""

import math
from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

COLUMNS = 3
MOST_NAMED = 12
"""Curves of a panel that have a legend; more would hide them."""
FEW = 20
"""Points of a curve up to which each is marked."""
LOGARITHMIC = ("loss", "error", "gradient_norm", "update_norm", "weight_norm")
"""Panels on a logarithmic axis, where their values let it be and spread over a power of ten."""
FEW_POWERS = 300
"""Largest over smallest value up to which such an axis has numbers between its powers of ten."""


def figure(lines: Sequence[Mapping[str, float]], title: str = "") -> Figure:
    """Draws a panel for each metric; those called `kind/name` share that of their kind.

    Args:
      lines: `step`, and numbers by name; a curve goes from one line that has it to the next.
      title: above the figure.
    """
    panels = _panels(lines)
    rows = math.ceil(max(len(panels), 1) / COLUMNS)
    page = Figure(figsize=(4.2 * COLUMNS, 0.5 + 2.8 * rows), layout="constrained")
    page.suptitle(title, fontsize=13, x=0.02, horizontalalignment="left")
    grid = page.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (kind, names) in zip(grid.flat, panels.items(), strict=False):
        for name in names:
            steps = [line["step"] for line in lines if name in line]
            values = [line[name] for line in lines if name in line]
            label = name.removeprefix(f"{kind}/")
            # Few points are shown as such: validations, which are rare.
            marked = "." if len(steps) <= FEW else ""
            axes.plot(steps, values, f"{marked}-", linewidth=1, markersize=4, label=label)
        _finish(axes, kind, [line[name] for line in lines for name in names if name in line])
        if 1 < len(names) <= MOST_NAMED:
            # Beside the panel: inside it would hide curves.
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=6, frameon=False)
    return page


def _panels(lines: Iterable[Mapping[str, float]]) -> dict[str, list[str]]:
    """Names of metrics by their kind, in the order in which they come."""
    names = dict.fromkeys(name for line in lines for name in line if name not in ("step", "time"))
    panels: dict[str, list[str]] = {}
    for name in names:
        panels.setdefault(name.split("/")[0], []).append(name)
    return panels


def _finish(axes: Axes, kind: str, values: Sequence[float]) -> None:
    axes.set_title(kind.replace("_", " "), fontsize=10)
    axes.set_xlabel("training step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    least, most = min(values, default=0), max(values, default=0)
    if kind in LOGARITHMIC and 0 < 10 * least < most:
        axes.set_yscale("log")
        # 0.3, not 3 x 10^-1; between powers of ten where there are few of these.
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        if most < FEW_POWERS * least:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
