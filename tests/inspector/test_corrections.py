"""A page of corrections holds the trace's own numbers, in pixels of the photograph."""

import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry.crops import Box
from ief_jax.ief import tracing
from ief_jax.ief.backbones import NAMED
from ief_jax.inspector import corrections, page
from tests.helpers.tiny_backbone import TinyBackbone
from tests.ief.test_iteration import SMALL, checkpoint, crops

BOX = Box(100.0, 50.0, 32.0)
"""Two pixels of the photograph for each of the crop: its middle, 7.5, is at the box's."""


def test_what_is_shown_is_the_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setitem(NAMED, "tiny", TinyBackbone)
    images, marked = crops()
    truth = np.array([[12.0, 3.0], [np.nan, np.nan]], np.float32)
    trace = tracing.trace(checkpoint(), images, marked, np.stack([truth] * 3))
    photograph = Image.new("RGB", (200, 100))
    given = 2 * (truth - 7.5) + [100, 50]
    subject = corrections.subject(trace, SMALL, photograph, BOX, "one", 1, given)
    path = tmp_path_factory.mktemp("page") / "steps.html"
    page.Page([subject]).write(path)
    (found,) = page.read(path)["subjects"]
    assert found["labels"] == ["start", "correction 1", "correction 2", "correction 3"]
    picture = found["picture"]
    places = 2 * (np.asarray(trace.path)[1] - 7.5) + [100, 50]
    np.testing.assert_allclose(picture["estimate"], places, rtol=1e-5)
    np.testing.assert_allclose(picture["observed"][0], given[0])
    np.testing.assert_array_equal(picture["confidence"], [1, 0])
    assert trace.target is not None
    update, target = picture["arrows"]
    np.testing.assert_allclose(update["vectors"][:3], 2 * trace.made[1], rtol=1e-5)
    np.testing.assert_allclose(target["vectors"][:3], 2 * trace.target[1], rtol=1e-5)
    assert np.isnan(update["vectors"][3]).all() and np.isnan(target["vectors"][3]).all()
    heatmaps, saliency = picture["layers"]
    np.testing.assert_array_equal(heatmaps["rows"], trace.heatmaps.rows[1])
    np.testing.assert_array_equal(heatmaps["columns"], trace.heatmaps.columns[1])
    assert heatmaps["box"] == saliency["box"] == [84.0, 34.0, 116.0, 66.0]
    np.testing.assert_allclose(found["matrices"][0]["values"], trace.feedback[1], rtol=1e-6)
    by_image = np.asarray(trace.by_image[1])
    relative = by_image / np.maximum(by_image.max((2, 3), keepdims=True), 1e-30)
    np.testing.assert_allclose(saliency["maps"] / 255, relative, atol=0.5 / 255 + 1e-6)
    distance, length = (chart["curves"] for chart in found["charts"])
    np.testing.assert_allclose(
        distance["mean"], np.linalg.norm(places - given, axis=-1)[:, 0], rtol=1e-5
    )
    lengths = 2 * np.linalg.norm(trace.correction[1], axis=-1)
    np.testing.assert_allclose(length["mean"][:3], lengths.mean(-1), rtol=1e-5)
    np.testing.assert_allclose(length["largest"][:3], lengths.max(-1), rtol=1e-5)


def test_saliency_is_averaged_over_blocks() -> None:
    maps = np.zeros((1, 1, 256, 256), np.float32)
    maps[0, 0, 4:8, 8:12] = 2.0
    maps[0, 0, 252:, 252:255] = 2.0
    found = corrections.saliency(maps)
    assert found.shape == (1, 1, 64, 64)
    assert found[0, 0, 1, 2] == 255 and found[0, 0, 63, 63] == round(0.75 * 255)
    assert np.count_nonzero(found) == 2
