"""The trace of corrections: the loop's own numbers, and derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.ief import heatmaps, iteration, prediction, tracing
from ief_jax.ief.backbones import NAMED
from tests.helpers.tiny_backbone import TinyBackbone
from tests.ief.test_iteration import SMALL, checkpoint, crops

TRUTH = np.array([[[12.0, 3.0], [90.0, 11.0]]] * 3, np.float32)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED, "tiny", TinyBackbone)


@pytest.fixture
def found() -> tracing.Trace:
    images, marked = crops()
    return tracing.trace(checkpoint(), images, marked, TRUTH)


def test_the_path_is_that_of_predict(found: tracing.Trace) -> None:
    path = prediction.predict(checkpoint(), *crops())
    np.testing.assert_allclose(found.path, path, rtol=1e-5)
    np.testing.assert_allclose(found.made, np.diff(path, axis=1), atol=1e-4)
    assert found.labels == ("start", "correction 1", "correction 2", "correction 3")


def test_the_target_is_the_papers(found: tracing.Trace) -> None:
    way = TRUTH[:, None] - np.asarray(found.path)[:, :-1]
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    expected = way / length * np.minimum(length, SMALL.max_correction)
    assert (length > SMALL.max_correction).any() and (length < SMALL.max_correction).any()
    assert found.target is not None
    np.testing.assert_allclose(found.target, expected, rtol=1e-5)


def test_the_heatmaps_have_their_peaks_at_the_keypoints(found: tracing.Trace) -> None:
    images = np.asarray(heatmaps.heatmaps(found.heatmaps))[1, 0]
    assert images.shape == (16, 16, 3)
    np.testing.assert_allclose(images[5, 4, 0], 1, rtol=1e-6)
    np.testing.assert_allclose(images[11, 9, 1], 1, rtol=1e-6)


def test_feedback_is_that_of_finite_differences(found: tracing.Trace) -> None:
    trained, (images, marked) = checkpoint(), crops()
    network = trained.weights["network"]
    features = iteration.encode_image(SMALL, network, jnp.asarray(images), jnp.asarray(marked))
    answer = jax.jit(iteration.answer(SMALL, network, features))
    y = found.path[:, 1]
    points = np.concatenate([y, marked[:, None]], 1)
    for m, axis in ((0, 0), (1, 1), (2, 0)):
        step = np.zeros_like(points)
        step[:, m, axis] = 0.02
        slope = (answer(y, points + step)[0] - answer(y, points - step)[0]) / 0.04
        np.testing.assert_allclose(found.by_feedback[:, 1, :, :, m, axis], slope, atol=2e-3)
        assert np.abs(slope).max() > 0.02
    # All directions' mean square, of 36 of them
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    moved = np.asarray(found.by_feedback) @ np.stack([np.cos(angles), np.sin(angles)])
    expected = np.sqrt((moved**2).sum(3).mean(-1))
    np.testing.assert_allclose(found.feedback, expected, rtol=1e-4, atol=1e-6)


def test_saliency_is_the_gradient_of_the_length(found: tracing.Trace) -> None:
    trained, (images, marked) = checkpoint(), crops()

    @jax.jit
    def length(pixels: jax.Array) -> jax.Array:
        network = trained.weights["network"]
        features = iteration.encode_image(SMALL, network, pixels, jnp.asarray(marked))
        correct = iteration.correction(SMALL, network, features)
        return jnp.linalg.norm(correct(found.path[:, 1], jnp.int32(0))[2, 1])

    slope = []
    for channel in range(3):
        step = np.zeros(images.shape, np.float32)
        step[2, 7, 9, channel] = 4.0
        slope.append((length(images + step) - length(images - step)) / 8)
    np.testing.assert_allclose(found.by_image[2, 1, 1, 7, 9], np.linalg.norm(slope), rtol=0.02)


@pytest.mark.parametrize("shape", [(2, 2), (3, 1, 2), (2, 2, 2)])
def test_a_truth_of_other_people_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^truth: expected \[N, K, 2\]"):
        tracing.trace(checkpoint(), *crops(), np.zeros(shape))
