"""The figure of a fit's steps shows the trace's numbers."""

import io
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from ief_jax.body import joints
from ief_jax.io.files import OutputError
from ief_jax.lgd import fitting
from ief_jax.viz import step_figure
from tests.helpers import tiny


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 500, (2, 27, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def trace(joint_model: joints.JointModel, points: np.ndarray) -> fitting.Trace:
    return fitting.trace(tiny.checkpoint(joint_model), joint_model, points, np.ones((2, 27)))


def test_the_curves_are_the_traces(trace: fitting.Trace, points: np.ndarray) -> None:
    page = step_figure.figure(trace, points, np.ones((2, 27)), "a person", person=1)
    axes = {a.get_title(): a for f in page.subfigs for a in f.axes}
    (error,) = axes["reprojection error (px)"].lines
    assert np.asarray(error.get_xdata()).tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(error.get_ydata(), trace.bodies.error[1])
    for title, groups in (
        ("norm of the gradient seen", trace.gradient),
        ("norm of the update made", trace.update),
    ):
        lines = {str(line.get_label()): line for line in axes[title].lines}
        assert set(lines) == set(groups)
        for name, line in lines.items():
            assert np.asarray(line.get_xdata()).tolist() == [1, 2, 3]
            expected = [np.sqrt((np.asarray(step) ** 2).sum()) for step in groups[name][1]]
            np.testing.assert_allclose(np.asarray(line.get_ydata()), expected, rtol=1e-5)
    cosines = {line.get_label(): line for line in axes["cosine of update and -gradient"].lines}
    for name, values in trace.cosine.items():
        np.testing.assert_array_equal(cosines[name].get_ydata(), values[1])


def test_a_skeleton_a_step(trace: fitting.Trace, points: np.ndarray) -> None:
    confidence = np.ones((2, 27))
    confidence[0, 3] = 0
    page = step_figure.figure(trace, points, confidence)
    panels = page.subfigs[1].axes
    titles = [panel.get_title() for panel in panels]
    assert titles[0].startswith("start: ")
    assert titles[3] == f"step 3: {trace.bodies.error[0, 3]:.1f} px"
    for step, panel in enumerate(panels):
        found, body = (np.asarray(c.get_offsets()) for c in panel.collections)
        np.testing.assert_allclose(found, np.delete(points[0], 3, 0))
        np.testing.assert_allclose(body, trace.bodies.keypoints[0, step])
    low, high = panels[0].get_ylim()
    assert low > high, "y runs down"


def test_of_many_steps_a_few_are_drawn(trace: fitting.Trace, points: np.ndarray) -> None:
    # 3 learned steps as before, 27 of second order.
    long = trace._replace(
        bodies=trace.bodies._replace(
            keypoints=jnp.repeat(trace.bodies.keypoints[:, :1], 31, 1),
            error=jnp.arange(62.0).reshape(2, 31),
        ),
        error=jnp.ones((2, 31)),
    )
    page = step_figure.figure(long, points, np.ones((2, 27)))
    titles = [panel.get_title() for panel in page.subfigs[1].axes]
    assert len(titles) == step_figure.MOST_SKELETONS
    assert titles[0] == "start: 0.0 px"
    assert titles[-1] == "second-order 27: 30.0 px"
    (grey,) = page.subfigs[0].axes[0].patches
    assert isinstance(grey, Rectangle)
    assert grey.get_x() == 3.5 and grey.get_width() == 27


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_figures_are_written(
    trace: fitting.Trace, points: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    page = step_figure.figure(trace, points, np.ones((2, 27)), "a person")
    path = tmp_path / f"figure.{suffix}"
    step_figure.write(path, page)
    content = path.read_bytes()
    if suffix == "png":
        with Image.open(io.BytesIO(content)) as image:
            assert image.width > 1000
    assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_is_not_there(
    trace: fitting.Trace, points: np.ndarray, tmp_path: Path
) -> None:
    page = step_figure.figure(trace, points, np.ones((2, 27)))
    with pytest.raises(OutputError, match=r"cannot write .*figure\.png"):
        step_figure.write(tmp_path / "none" / "figure.png", page)
