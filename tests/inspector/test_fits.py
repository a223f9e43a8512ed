"""A page of fits holds the trace's own numbers, the photograph, and nothing from elsewhere."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax.body import joints, smpl
from ief_jax.geometry import rotations
from ief_jax.inspector import fits, page
from ief_jax.inspector.content import Subject
from ief_jax.io.files import InputError, OutputError
from ief_jax.lgd import fitting
from ief_jax.lgd.sensitivity import Jacobian
from tests.helpers import tiny

DEVIATION = np.random.default_rng(2).uniform(0.01, 0.1, (2, 24, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 500, (2, 27, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def trace(joint_model: joints.JointModel, points: np.ndarray) -> fitting.Trace:
    found = fitting.trace(tiny.checkpoint(joint_model), joint_model, points, np.ones((2, 27)))
    return found._replace(deviation=jnp.asarray(DEVIATION))


@pytest.fixture(scope="module")
def jacobian() -> Jacobian:
    values = np.random.default_rng(1).normal(size=(2, 2, 24, 3, 27, 2)).astype(np.float32)
    return Jacobian(*values)


@pytest.fixture(scope="module")
def written(
    trace: fitting.Trace,
    jacobian: Jacobian,
    points: np.ndarray,
    body: smpl.BodyModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("page") / "steps.html"
    photograph = Image.new("RGB", (2000, 1000), (10, 200, 30))
    given = trace, body, points, np.ones((2, 27)), ["<one>", "two"], [photograph, None]
    subjects = fits.subjects(*given, jacobian)
    page.Page(subjects, "</script>").write(path)
    return path


@pytest.fixture(scope="module")
def second(written: Path) -> Any:
    return page.read(written)["subjects"][1]


def padded(steps: Any) -> np.ndarray:
    """What belongs to the three steps, and nothing at the last state."""
    return np.concatenate([steps, np.full((1, *np.shape(steps)[1:]), np.nan, np.float32)])


def test_bodies_are_the_traces(second: Any, trace: fitting.Trace, body: smpl.BodyModel) -> None:
    assert second["labels"] == ["start", "learned 1", "learned 2", "learned 3"]
    shown = second["body"]
    np.testing.assert_array_equal(shown["joints"], trace.bodies.joints[1])
    np.testing.assert_array_equal(shown["faces"], body.faces)
    local = rotations.axis_angle_to_matrix(trace.bodies.poses[1, 2].reshape(24, 3))
    expected = smpl.vertices(body, local, trace.bodies.betas[1, 2])
    np.testing.assert_allclose(shown["vertices"][2], expected, atol=1e-5)
    update, descent = shown["arrows"]
    np.testing.assert_array_equal(update["vectors"], padded(trace.moved_by_update.joints[1]))
    spread = np.linalg.eigvalsh(shown["covariance"][3, 7].astype(float)) ** 0.5
    image, depth = DEVIATION[1, 7]
    np.testing.assert_allclose(spread, sorted([image, image, depth]), rtol=1e-5)
    np.testing.assert_allclose(shown["covariance"][3, 7, 2, 2] ** 0.5, depth, rtol=1e-5)
    assert np.isnan(shown["covariance"][:3]).all()
    np.testing.assert_array_equal(descent["vectors"], padded(trace.moved_by_descent.joints[1]))


def test_keypoints_are_the_traces(second: Any, trace: fitting.Trace, points: np.ndarray) -> None:
    shown = second["picture"]
    np.testing.assert_array_equal(shown["observed"], points[1])
    np.testing.assert_array_equal(shown["confidence"], np.ones(27))
    np.testing.assert_array_equal(shown["estimate"], trace.bodies.keypoints[1])
    update, descent = shown["arrows"]
    np.testing.assert_array_equal(update["vectors"], padded(trace.moved_by_update.keypoints[1]))
    np.testing.assert_array_equal(descent["vectors"], padded(trace.moved_by_descent.keypoints[1]))
    assert descent["as_long_as"] == update["name"]


def test_curves_are_the_traces(second: Any, trace: fitting.Trace, jacobian: Jacobian) -> None:
    error, loss, gradient, update, cosine = (chart["curves"] for chart in second["charts"])
    np.testing.assert_array_equal(error["error"], trace.bodies.error[1])
    np.testing.assert_array_equal(loss["L"], trace.error[1])
    for name in trace.gradient:
        for shown, groups in ((gradient, trace.gradient), (update, trace.update)):
            lengths = [np.sqrt((np.asarray(step) ** 2).sum()) for step in groups[name][1]]
            np.testing.assert_allclose(shown[name], padded(lengths), rtol=1e-5)
        np.testing.assert_array_equal(cosine[name], padded(trace.cosine[name][1]))
    (matrix,) = second["matrices"]
    expected = 1000 * np.linalg.norm(jacobian.joints[1, 5, :, 7, :])
    np.testing.assert_allclose(matrix["values"][5, 7], expected, rtol=1e-5)


def test_the_photograph_is_there_once_and_small(written: Path) -> None:
    held = page.read(written)["subjects"][0]["picture"]["photograph"]
    assert (held["width"], held["height"]) == (2000, 1000)
    with Image.open(io.BytesIO(base64.b64decode(held["jpeg"].partition(",")[2]))) as image:
        assert image.size == (1024, 512)
        np.testing.assert_allclose(np.asarray(image)[9, 9], (10, 200, 30), atol=4)


def test_the_page_is_whole_and_not_too_large(written: Path) -> None:
    text = written.read_text("utf-8")
    assert written.stat().st_size < 3e6, "two people"
    ours = text[: text.index('id="library"')] + text[text.index("// What the page holds") :]
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", ours)
    assert "default-src 'none'" in ours
    assert "<title>&lt;/script&gt;</title>" in ours
    assert "<one>" not in text, "titles are no markup"


def test_in_jupyter_it_is_a_frame(written: Path, second: Any) -> None:
    # A frame's document is escaped whole.
    shown = page.Page([Subject("one", ("start",))])._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert shown.count("<") == 2


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    one = page.Page([Subject("one", ("start",))])
    with pytest.raises(OutputError, match=r"cannot write .*steps\.html"):
        one.write(tmp_path / "none" / "steps.html")
    with pytest.raises(ValueError, match="subjects: expected one at least"):
        page.Page([])
    (tmp_path / "other.html").write_text("<html></html>")
    with pytest.raises(InputError, match=r"other\.html: expected a page that ief_jax wrote"):
        page.read(tmp_path / "other.html")
    assert [path.name for path in tmp_path.iterdir()] == ["other.html"]
