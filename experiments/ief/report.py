"""An evaluation of keypoints as a page: tables, curves, and people found well and badly."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from PIL import Image

from ief_jax.ief import corrections
from ief_jax.ief.metrics import Rates
from ief_jax.inspector import drawing
from ief_jax.inspector.content import Arrows, Chart, Picture, Subject, Table
from ief_jax.viz import keypoint_picture
from ief_jax.viz.keypoint_report import Corrections, both_sides

_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#999999", "#F0E442")


def summary(title: str, measures: Mapping[str, Rates], count: int) -> Subject:
    """Percentages by measure, by part of the body and by step, above `count` `people`."""
    states = _labels(len(next(iter(measures.values())).mean))
    tables, charts = [], []
    for name, rates in measures.items():
        parts = {**both_sides(rates), "mean": rates.mean}
        rows = [(part, *(f"{value:.1f}" for value in values)) for part, values in parts.items()]
        tables.append(Table(f"{name}, %", ("", *states), tuple(rows)))
        colours = dict(zip(parts, _COLOURS * len(parts), strict=False)) | {"mean": "#000000"}
        charts.append(Chart(f"{name}, %", parts, colours))
    examples = tuple(1 + row for row in _which(count))
    return Subject(title, states, charts=tuple(charts), tables=tuple(tables), examples=examples)


def people(sequences: Sequence[Corrections], largest: float) -> list[Subject]:
    """Each person's corrections over what the network saw; from the best to the worst.

    Args:
      sequences: of the people, in this order.
      largest: correction that the network is trained to make, pixels of the crop.
    """
    which = _which(len(sequences))
    titles = [f"{which[row]}: " if row in which else "" for row in range(len(sequences))]
    return [_person(one, title, largest) for one, title in zip(sequences, titles, strict=True)]


def _which(count: int) -> dict[int, str]:
    """The best, the median and the worst of so many who are sorted."""
    return {0: "best", count // 2: "median", count - 1: "worst"} if count > 2 else {}


def _person(one: Corrections, which: str, largest: float) -> Subject:
    names = one.joints
    known = [one.names.index(name) if name in one.names else -1 for name in names]
    truth = np.where(np.array(known)[:, None] < 0, 0.0, one.truth[known])
    annotated = np.where(np.array(known) < 0, False, one.annotated[known])
    distance = np.linalg.norm(one.path - truth, axis=-1)
    mean = (distance * annotated).sum(-1) / max(annotated.sum(), 1)
    # e(y, y_t), which training aims at
    aimed = corrections.bounded(
        jnp.broadcast_to(truth, one.path.shape), jnp.asarray(one.path), largest
    )
    target = np.where(annotated[:, None], aimed, np.nan)[:-1]
    made = drawing.to_length(np.diff(one.path, axis=0), len(one.path))
    return Subject(
        which + one.title,
        _labels(len(one.path)),
        picture=Picture(
            one.path,
            names,
            drawing.colours(names),
            np.array(keypoint_picture.limbs(names), int).reshape(-1, 2),
            truth,
            annotated.astype(np.float32),
            Image.fromarray(one.image),
            (
                Arrows(drawing.UPDATE, drawing.UPDATE_COLOUR, made),
                Arrows(
                    drawing.TARGET,
                    drawing.TARGET_COLOUR,
                    drawing.to_length(target, len(one.path)),
                ),
            ),
            observed_are="truth",
        ),
        charts=(Chart("Mean distance from the truth, px of the crop", {"error": mean}, {}),),
    )


def _labels(states: int) -> tuple[str, ...]:
    return ("start", *(f"correction {step}" for step in range(1, states)))
