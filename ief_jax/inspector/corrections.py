"""What a page shows of IEF: the corrections of keypoints, as `ief.trace` lays them open."""

from typing import NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from PIL.Image import Image

from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box
from ief_jax.ief import augmentation, confidence, estimation, tracing
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.confidence import Estimate
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.estimation import Estimator
from ief_jax.ief.scale_selector import selection
from ief_jax.ief.tracing import Trace
from ief_jax.inspector import drawing
from ief_jax.inspector.content import Arrows, Chart, Layer, Matrix, Picture, Subject
from ief_jax.viz import keypoint_picture

CELLS = 64
"""Sides of the maps of saliency in the page, at most."""
MARKED = "marked point"
"""Name of the heatmap that never moves."""


class Found(NamedTuple):
    """A person's keypoints, and the box that they were found in at last."""

    estimate: Estimate
    box: Box


def find(estimator: Estimator, photograph: Image, marked: ArrayLike) -> Found:
    """As `estimation.estimate`, with the box.

    Args:
      estimator: from `estimation.load`.
      photograph: in RGB.
      marked: [2] pixels, a point on the person.
    """
    checkpoint = estimator.checkpoint
    configuration = checkpoint.configuration
    augmentations = estimation.default_augmentations(configuration)
    box = selection.refine_box(estimator.selector, photograph, np.asarray(marked, np.float64))
    refinements = estimation.box_refinements(configuration.joints)
    (paths,), (box,) = estimation.estimate_paths(
        checkpoint, [photograph], [box], augmentations, refinements, None, len(augmentations)
    )
    calibration = confidence.calibration_for(configuration, augmentations)
    return Found(confidence.combine(paths, box.side, calibration), box)


def laid_open(
    checkpoint: Checkpoint,
    photograph: Image,
    box: Box,
    title: str,
    truth: ArrayLike | None = None,
    note: str = "",
) -> Subject:
    """The corrections of one crop, that of a box, without test-time augmentation.

    Args:
      checkpoint: the network that corrects keypoints.
      photograph: in RGB.
      box: that fits the person; its middle is the marked point.
      title: for the page's menu.
      truth: as for `subject`.
      note: below the title.
    """
    configuration = checkpoint.configuration
    middle = np.array([box.x, box.y], np.float64)
    one = augmentation.person_crops(
        photograph, middle, box, augmentation.IDENTITY, configuration.size
    )
    known = None
    if truth is not None:
        known = crops.to_crop(np.asarray(truth), one.boxes[0], configuration.size)[None]
    trace = tracing.trace(checkpoint, one.images, one.marked, known)
    found = subject(trace, configuration, photograph, one.boxes[0], title, 0, truth)
    return found._replace(note=note)


def subject(
    trace: Trace,
    configuration: IEFConfig,
    photograph: Image,
    box: Box,
    title: str,
    person: int = 0,
    truth: ArrayLike | None = None,
) -> Subject:
    """One person's corrections, in the photograph.

    Args:
      trace: of N people.
      configuration: of the network.
      photograph: that the crop is of.
      box: what the crop shows of it.
      title: for the page's menu.
      person: which of the N.
      truth: [K, 2] where the keypoints are, pixels of the photograph; NaN where it is not known.
    """
    one = jax.tree.map(lambda part: np.asarray(part)[person], trace)
    states, size = len(one.path), configuration.size
    names = configuration.joints
    pixel = box.side / size
    path = crops.to_image(one.path, box, size)
    given = seen = None
    if truth is not None:
        seen = np.isfinite(np.asarray(truth)).all(-1)
        given = np.where(seen[:, None], np.asarray(truth), 0.0)
    arrows = [
        Arrows(drawing.UPDATE, drawing.UPDATE_COLOUR, drawing.to_length(pixel * one.made, states))
    ]
    if one.target is not None:
        target = drawing.to_length(pixel * one.target, states)
        arrows.append(Arrows(drawing.TARGET, drawing.TARGET_COLOUR, target))
    # The edges of the crop: its first pixel's centre is at 0.
    edges = crops.to_image(np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]]), box, size)
    left, top, right, bottom = (float(edge) for edge in edges.reshape(-1))
    area = (left, top, right, bottom)
    layers = (
        Layer(
            "heatmaps fed back",
            (*names, MARKED),
            area,
            rows=one.heatmaps.rows,
            columns=one.heatmaps.columns,
        ),
        Layer("saliency of the image", names, area, maps=saliency(one.by_image)),
    )
    limbs = np.array(keypoint_picture.limbs(names)).reshape(-1, 2)
    lengths = np.linalg.norm(pixel * one.correction, axis=-1)
    curves = {"mean": lengths.mean(-1), "largest": lengths.max(-1)}
    colours = {"mean": drawing.UPDATE_COLOUR, "largest": "#e0a3ba", "target": drawing.TARGET_COLOUR}
    charts = [_chart("Length of the corrections, px", curves, colours, states)]
    if given is not None and seen is not None and seen.any():
        distance = np.linalg.norm(path - given, axis=-1)[:, seen]
        errors = {"mean": distance.mean(-1), "largest": distance.max(-1)}
        charts.insert(0, _chart("Distance from the truth, px", errors, colours, states))
    feedback = np.asarray(one.feedback)
    matrix = Matrix(
        "Which joints correct which: pixels of correction per pixel of the heatmap",
        names,
        (*names, MARKED),
        feedback,
        "corrected",
        "heatmap moved",
    )
    return Subject(
        title,
        trace.labels,
        picture=Picture(
            path,
            names,
            drawing.colours(names),
            limbs,
            given,
            None if seen is None else seen.astype(np.float32),
            photograph,
            tuple(arrows),
            layers,
            "truth",
        ),
        charts=tuple(charts),
        # Of a network that sees no heatmaps there is nothing to show.
        matrices=(matrix,) if feedback.any() else (),
    )


def saliency(by_image: np.ndarray) -> np.ndarray:
    """Maps [T, K, S, S] as uint8 [T, K, h, w], each relative to its own largest.

    Blocks of pixels are averaged so that at most `CELLS` cells a side are left.
    """
    block = -(-by_image.shape[-1] // CELLS)
    cells = by_image.shape[-1] // block
    cut = by_image[..., : cells * block, : cells * block]
    pooled = cut.reshape(*cut.shape[:2], cells, block, cells, block).mean((3, 5))
    peak = np.maximum(pooled.max((2, 3), keepdims=True), 1e-30)
    return np.round(255 * pooled / peak).astype(np.uint8)


def _chart(
    title: str, curves: dict[str, np.ndarray], colours: dict[str, str], states: int
) -> Chart:
    whole = {name: drawing.to_length(values, states) for name, values in curves.items()}
    return Chart(title, whole, colours)
