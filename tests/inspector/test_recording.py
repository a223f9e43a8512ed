"""Any `correct` of the loop is recorded as it runs, and seen by functions of its state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax import inspector, loop
from ief_jax.inspector import recording as recordings

State = dict[str, jax.Array]
TARGET = jnp.array([3.0, -1.0])


def error(y: State) -> jax.Array:
    return ((y["place"] - TARGET) ** 2).sum() + (y["size"] ** 2).sum()


def correct(y: State, t: jax.Array) -> State:
    """A step of descent, but for size, which goes uphill."""
    rate = 0.1 * (t + 1)
    return {"place": rate * (TARGET - y["place"]), "size": 0.1 * y["size"]}


START = {"place": jnp.zeros(2), "size": jnp.ones(1)}


@pytest.fixture(scope="module")
def recorded() -> inspector.Recording:
    return inspector.record(correct, START, 3, error)


def test_a_recording_is_the_loops(recorded: inspector.Recording) -> None:
    path = loop.refine(correct, START, 3)
    jax.tree.map(np.testing.assert_array_equal, recorded.states, path)
    for name, values in path.items():
        np.testing.assert_allclose(recorded.corrections[name], np.diff(values, axis=0), rtol=1e-6)
    place, size = np.asarray(path["place"]), np.asarray(path["size"])
    away = place - np.asarray(TARGET)
    expected = (away**2).sum(-1) + size[:, 0] ** 2
    assert recorded.error is not None and recorded.gradient is not None
    np.testing.assert_allclose(recorded.error, expected, rtol=1e-6)
    np.testing.assert_allclose(recorded.gradient["place"], 2 * away, rtol=1e-6)
    assert recorded.labels == ("start", "step 1", "step 2", "step 3")


def test_curves_by_leaf(recorded: inspector.Recording) -> None:
    subject = recordings.subject(recorded)
    curves = {chart.title: chart.curves for chart in subject.charts}
    np.testing.assert_array_equal(curves["Error"]["error"], recorded.error)
    cosine = curves["Cosine with descent"]
    np.testing.assert_allclose(cosine["place"], [1, 1, 1, np.nan], rtol=1e-6)
    np.testing.assert_allclose(cosine["size"], [-1, -1, -1, np.nan], rtol=1e-6)
    lengths = np.linalg.norm(recorded.corrections["place"], axis=-1)
    np.testing.assert_allclose(curves["Norm of the correction"]["place"][:3], lengths, rtol=1e-6)


def test_what_a_state_stands_for_is_seen(recorded: inspector.Recording) -> None:
    def joints(y: State) -> jax.Array:
        return y["size"][0] ** 2 * jnp.arange(6.0).reshape(2, 3)

    view = inspector.View(
        joints=joints,
        names=("a", "b"),
        keypoints=lambda y: y["place"][None] * 10,
        keypoint_names=("nose",),
        observed=10 * TARGET[None],
    )
    subject = recordings.subject(recorded, "mine", view)
    assert subject.body is not None and subject.picture is not None
    np.testing.assert_allclose(
        subject.body.joints[2], joints({"size": jnp.full(1, 1.21)}), rtol=1e-6
    )
    update, descent = subject.body.arrows
    # d (s^2 a) along the correction 0.1 s, and along the negative gradient -2 s
    square = np.asarray(recorded.states["size"])[:3, :, None] ** 2 * np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_allclose(update.vectors[:3], 0.2 * square, rtol=1e-5)
    np.testing.assert_allclose(descent.vectors[:3], -4 * square, rtol=1e-5)
    assert np.isnan(update.vectors[3]).all()
    np.testing.assert_allclose(subject.picture.estimate[:, 0], 10 * recorded.states["place"])
    np.testing.assert_array_equal(subject.picture.observed, 10 * TARGET[None])


def test_without_an_error(recorded: inspector.Recording) -> None:
    bare = inspector.record(lambda y, t: -y / 2, jnp.ones(3), 2)
    assert bare.error is None and bare.gradient is None
    (chart,) = recordings.subject(bare).charts
    np.testing.assert_allclose(chart.curves["y"][:2], [np.sqrt(3) / 2, np.sqrt(3) / 4], rtol=1e-6)
    assert "&lt;!doctype html&gt;" in bare._repr_html_()
    with pytest.raises(ValueError, match=r"^error\(y\): expected \[\] a number"):
        inspector.record(correct, START, 2, lambda y: y["place"])


def test_recording_is_pure() -> None:
    record = jax.jit(lambda start: inspector.record(correct, start, 3, error))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        record(START),
        inspector.record(correct, START, 3, error),
    )
