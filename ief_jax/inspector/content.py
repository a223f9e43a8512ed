"""What a page shows, as plain arrays: subjects, one a person or a run, in S states each.

State n is what there is before step n + 1. What belongs to a step stands at the state that the step
starts from; where a state has no such thing, arrays hold NaN.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from PIL.Image import Image


class Arrows(NamedTuple):
    """One arrow a joint or keypoint, from where that is.

    Attributes:
      name: for the legend.
      colour: as in CSS.
      vectors: [S, J, D].
      as_long_as: the name of other arrows, to whose root mean square length in each state these are
        drawn, where their own says nothing (a gradient's).
    """

    name: str
    colour: str
    vectors: np.ndarray
    as_long_as: str = ""


class Body(NamedTuple):
    """A body in 3D: x right, y up, z towards the camera, metres.

    Attributes:
      joints: [S, J, 3].
      names: of the J joints.
      bones: int [B, 2] rows of joints to join with a line.
      vertices: [S, V, 3]; None for the skeleton alone.
      faces: int [F, 3].
      arrows: at the joints.
      covariance: [S, J, 3, 3] of where the joints are, square metres; None where it is not known.
      truth: [V, 3] vertices of the body that is right; None where they are not known.
      true_points: [P, 3] some points of it; None likewise.
    """

    joints: np.ndarray
    names: tuple[str, ...]
    bones: np.ndarray
    vertices: np.ndarray | None = None
    faces: np.ndarray | None = None
    arrows: tuple[Arrows, ...] = ()
    covariance: np.ndarray | None = None
    truth: np.ndarray | None = None
    true_points: np.ndarray | None = None


class Layer(NamedTuple):
    """One map a keypoint, to be laid over the photograph.

    Attributes:
      name: for the menu.
      names: of the M maps.
      box: left, top, right, bottom edge of the maps, pixels of the photograph.
      maps: uint8 [T, M, h, w], of the first T states; None where factors are given.
      rows: [T, M, h] and
      columns: [T, M, w], whose products the maps are.
    """

    name: str
    names: tuple[str, ...]
    box: tuple[float, float, float, float]
    maps: np.ndarray | None = None
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None


class Picture(NamedTuple):
    """Keypoints in the image: x right, y down, pixels.

    Attributes:
      estimate: [S, K, 2].
      names: of the K keypoints.
      colours: of the K keypoints, as in CSS.
      limbs: int [L, 2] rows of keypoints to join with a line.
      observed: [K, 2] keypoints given, or the truth; None where there is none.
      confidence: [K] of the observed, 0 for what was not seen.
      photograph: behind it all.
      arrows: at the estimate.
      layers: over the photograph, one at a time.
      observed_are: the word for the observed.
    """

    estimate: np.ndarray
    names: tuple[str, ...]
    colours: tuple[str, ...]
    limbs: np.ndarray
    observed: np.ndarray | None = None
    confidence: np.ndarray | None = None
    photograph: Image | None = None
    arrows: tuple[Arrows, ...] = ()
    layers: tuple[Layer, ...] = ()
    observed_are: str = "given"


class Chart(NamedTuple):
    """Curves over the states.

    Attributes:
      title: of the chart, with its unit.
      curves: [S] by name.
      colours: as in CSS, by name.
      logarithmic: whether the vertical axis is.
    """

    title: str
    curves: Mapping[str, np.ndarray]
    colours: Mapping[str, str]
    logarithmic: bool = False


class Matrix(NamedTuple):
    """A heat map of numbers.

    Attributes:
      title: with its unit.
      rows: names.
      columns: names.
      values: [R, C], or [T, R, C] of the first T states where it changes from state to state.
      row_title: what the rows are.
      column_title: what the columns are.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    row_title: str = ""
    column_title: str = ""


class Table(NamedTuple):
    """Numbers as text, the first column being names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Subject(NamedTuple):
    """What the page's menu chooses between.

    Attributes:
      title: for the menu.
      labels: of the S states.
      body: in 3D.
      picture: in the image.
      charts: below.
      matrices: below these.
      tables: above the charts.
      note: below the title: what is shown, where that is not plain.
      examples: numbers of other subjects of the page, shown small beside one another, above all.
    """

    title: str
    labels: tuple[str, ...]
    body: Body | None = None
    picture: Picture | None = None
    charts: tuple[Chart, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    tables: tuple[Table, ...] = ()
    note: str = ""
    examples: tuple[int, ...] = ()
