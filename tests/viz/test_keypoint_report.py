"""Tables and figures of keypoint evaluations: the right numbers in the right places."""

import io

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from ief_jax.geometry import skeletons
from ief_jax.ief.metrics import Rates, Reliability
from ief_jax.viz import keypoint_report


def rates() -> Rates:
    each = np.array([[10.0, 30.0, 5.0, 70.0, np.nan], [50.0, 60.0, 6.0, 71.0, np.nan]])
    names = ("right_knee", "left_knee", "pelvis", "left_wrist", "head_top")
    return Rates(names, each, np.array([20.0, 40.06]))


def test_sides_are_put_together_where_there_are_two() -> None:
    parts = keypoint_report.both_sides(rates())
    assert list(parts) == ["knee", "pelvis", "left_wrist", "head_top"]
    np.testing.assert_equal(parts["knee"], [20.0, 55.0])
    np.testing.assert_equal(parts["left_wrist"], [70.0, 71.0])
    np.testing.assert_equal(parts["head_top"], [np.nan, np.nan])


def test_a_table_has_a_column_a_step_and_the_paper() -> None:
    lines = keypoint_report.table("PCK@0.2", rates(), {"knee": 64.6, "mean": 72.5}).splitlines()
    assert [line.split() for line in lines] == [
        ["PCK@0.2", "start", "step", "1", "paper"],
        ["knee", "20.0", "55.0", "64.6"],
        ["pelvis", "5.0", "6.0", "-"],
        ["left", "wrist", "70.0", "71.0", "-"],
        ["head", "top", "-", "-", "-"],
        ["mean", "20.0", "40.1", "72.5"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert "paper" not in keypoint_report.table("PCK@0.2", rates(), {})


def test_a_table_of_confidences() -> None:
    found = Reliability(0.8123, np.array([10.0, np.nan, 95.02]), np.array([20, 0, 300]))
    lines = [line.split() for line in keypoint_report.confidences(found).splitlines()]
    assert lines[:3] == [
        ["confidence", "0.0-0.3", "0.3-0.7", "0.7-1.0"],
        ["right", "(%)", "10.0", "-", "95.0"],
        ["joints", "20", "0", "300"],
    ]
    assert lines[3][-2] == "81.2"


def test_a_figure_shows_every_step_and_the_truth() -> None:
    rng = np.random.default_rng(0)
    path = rng.uniform(0, 32, (4, 14, 2))
    one = keypoint_report.Corrections(
        rng.integers(0, 255, (32, 32, 3), dtype=np.uint8),
        path,
        skeletons.LSP_14,
        path[-1],
        np.arange(14) > 2,
        skeletons.LSP_14,
        "best",
    )
    measured = Rates(skeletons.LSP_14, rng.uniform(0, 100, (4, 14)), np.array([1.0, 2, 3, 4]))
    page = keypoint_report.figure("LSP", {"PCK": measured, "PCP": measured}, "PCK", [one, one])
    axes = [axes for axes in page.findobj(Axes) if isinstance(axes, Axes)]
    panels = [panel for panel in axes if panel.get_images()]
    assert len(panels) == 2 * 5
    # In the picture's own pixels, the truth without what is not annotated.
    dots = [np.asarray(panel.collections[0].get_offsets()) for panel in panels[:5]]
    np.testing.assert_allclose(dots[2], path[2])
    np.testing.assert_allclose(dots[4], path[-1][3:])
    curves = [line for panel in axes if not panel.get_images() for line in panel.get_lines()]
    means = [np.asarray(line.get_ydata()).tolist() for line in curves]
    assert means.count([1, 2, 3, 4]) == 2
    file = io.BytesIO()
    page.savefig(file, format="png", dpi=50)
    assert Image.open(file).width > 400


def test_a_figure_of_nobody() -> None:
    page = keypoint_report.figure("none", {"PCK": rates()}, "PCK", [])
    page.savefig(io.BytesIO(), format="png", dpi=30)
