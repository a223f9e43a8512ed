"""IEF's prediction against the loop of the paper's equations, on a network of a few weights."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.typing import ArrayLike

from ief_jax.ief import build, heatmaps, prediction
from ief_jax.ief.backbones import NAMED
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import PAPER, IEFConfig
from tests.helpers.tiny_backbone import TinyBackbone

SMALL = dataclasses.replace(
    PAPER, backbone="tiny", size=16, joints=("head_top", "upper_neck"), sigma=2.0, pool_size=2
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED, "tiny", TinyBackbone)


def checkpoint(configuration: IEFConfig = SMALL) -> Checkpoint:
    start = jnp.array([[4.0, 5.0], [9.0, 11.0]])
    weights = build.initial_weights(configuration, jax.random.key(0))
    return Checkpoint(configuration, {"network": weights, "start": start})


def crops(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return (
        random.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8),
        random.uniform(5, 10, (count, 2)).astype(np.float32),
    )


def test_prediction_is_the_loop_of_the_paper() -> None:
    trained, (images, marked) = checkpoint(), crops()
    found = prediction.predict(trained, images, marked)
    assert found.shape == (3, SMALL.steps + 1, 2, 2)
    module = build.network(SMALL)
    for person in range(3):
        # EfficientNet-Lite0's range of colours
        image = jnp.asarray((images[person].astype(float) - 127) / 128, jnp.float32)
        y = trained.weights["start"]
        for t in range(SMALL.steps + 1):
            np.testing.assert_allclose(found[person, t], y, atol=1e-3)
            # x_t = I (+) g(y_t), the marked point last
            points = jnp.concatenate([y, marked[person][None]])
            maps = heatmaps.heatmaps(heatmaps.profiles(points, (16, 16), SMALL.sigma))
            e = module.apply(trained.weights["network"], image[None], maps[None])
            y = y + SMALL.max_correction * jnp.asarray(e).reshape(2, 2)


def test_corrections_are_cut_where_the_configuration_says_so() -> None:
    loose, (images, marked) = checkpoint(), crops()
    loud = jax.tree.map(lambda w: 1.6 * w, loose.weights["network"])
    loose = loose._replace(weights={**loose.weights, "network": loud})
    tight = loose._replace(configuration=dataclasses.replace(loose.configuration, bounded=True))
    whole, cut = (np.diff(prediction.predict(c, images, marked, 1), axis=1) for c in (loose, tight))
    length = np.linalg.norm(whole, axis=-1, keepdims=True)
    assert (length > SMALL.max_correction).any() and (length < SMALL.max_correction).any()
    np.testing.assert_allclose(cut, whole * np.minimum(1, SMALL.max_correction / length), rtol=1e-4)


def test_the_gain_of_the_heatmaps_is_the_configurations() -> None:
    plain, (images, marked) = checkpoint(), crops()
    network = plain.weights["network"]["params"]
    louder = {**network, "of_maps": jax.tree.map(lambda w: 3 * w, network["of_maps"])}
    expected = prediction.predict(
        plain._replace(weights={**plain.weights, "network": {"params": louder}}), images, marked
    )
    gained = plain._replace(configuration=dataclasses.replace(SMALL, heatmap_gain=3.0))
    np.testing.assert_allclose(prediction.predict(gained, images, marked), expected, atol=1e-3)
    assert np.abs(expected - prediction.predict(plain, images, marked)).max() > 0.01


def test_any_number_of_steps() -> None:
    trained, (images, marked) = checkpoint(), crops(2)
    start = prediction.predict(trained, images, marked, steps=0)
    np.testing.assert_array_equal(start[:, 0], jnp.stack([trained.weights["start"]] * 2))
    further = prediction.predict(trained, images, marked, steps=5)
    np.testing.assert_allclose(
        further[:, : SMALL.steps + 1], prediction.predict(trained, images, marked), atol=1e-4
    )


def test_the_marked_point_is_seen() -> None:
    trained, (images, marked) = checkpoint(), crops(1)
    here = prediction.predict(trained, images, marked, 1)
    assert float(jnp.abs(prediction.predict(trained, images, marked + 4, 1) - here).max()) > 1e-3


def test_prediction_can_be_differentiated() -> None:
    trained, (images, marked) = checkpoint(), crops(1)
    slope = jax.grad(lambda m: prediction.predict(trained, images, m).sum())(jnp.asarray(marked))
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": lambda a: np.zeros((3, 20, 20, 3), np.uint8)}, r"images: .* \(S = 16\), got"),
        ({"images": lambda a: a[0]}, r"images: expected \[N, S, S, 3\] crops.*got uint8 \(16,"),
        ({"images": lambda a: a[..., :1]}, r"images: .* got uint8 \(3, 16, 16, 1\)"),
        ({"images": lambda a: a > 9}, "images: expected real numbers .* got bool"),
        ({"images": lambda a: a / 255}, "images: expected 0 to 255, got 0 to 1"),
        ({"images": lambda a: jnp.asarray(a / 256)}, "images: expected 0 to 255, got 0 to 0.99"),
        ({"images": lambda a: a / 127.5 - 1}, "images: expected 0 to 255, got -1 to 1"),
        ({"images": lambda a: np.where(a > 250, np.nan, a)}, "images: .*got NaN or infinity"),
        ({"marked": lambda a: a[:2]}, r"marked: expected \[N, 2\] .* \(N = 3\), got float32 \(2,"),
        ({"marked": lambda a: a[0]}, "marked: expected"),
        ({"marked": lambda a: a * np.nan}, "marked: expected finite pixels"),
        ({"marked": lambda a: np.where(a > a.min(), a, np.inf)}, "marked: expected finite pixels"),
        ({"marked": lambda a: "middle"}, "marked: expected .*got 'middle'"),
        ({"steps": lambda a: -1}, "steps: expected an integer, 0 or more, got -1"),
        ({"steps": lambda a: [2]}, r"steps: expected an integer, 0 or more, got \[2\]"),
        ({"steps": lambda a: 2.0}, "steps: expected an integer, 0 or more, got 2.0"),
    ],
)
def test_what_cannot_be_predicted_from_is_named(
    wrong: dict[str, Callable[[Any], Any]], message: str
) -> None:
    images, marked = crops()
    right: dict[str, Any] = {"images": images, "marked": marked, "steps": None}
    given = {**right, **{name: spoil(right[name]) for name, spoil in wrong.items()}}
    with pytest.raises(ValueError, match="^" + message):
        prediction.predict(checkpoint(), **given)


def test_images_of_any_kind_are_alike_and_may_be_black() -> None:
    trained, (images, marked) = checkpoint(), crops(2)
    expected = prediction.predict(trained, images, marked)
    for same in (images.astype(np.float64), jnp.asarray(images), images.tolist()):
        found = prediction.predict(trained, same, marked.tolist())
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.isfinite(prediction.predict(trained, 0.0 * images, marked)).all()


def test_prediction_under_jit_vmap_and_export() -> None:
    trained, (images, marked) = checkpoint(), map(jnp.asarray, crops(2))
    expected = prediction.predict(trained, images, marked)

    def predict(images: ArrayLike, marked: ArrayLike) -> jax.Array:
        return prediction.predict(trained, images, marked)

    # Values cannot be seen while tracing: images in 0 to 1 are the caller's affair.
    np.testing.assert_allclose(jax.jit(predict)(images, marked), expected, atol=1e-4)
    assert jax.jit(predict)(images / 255, marked).shape == expected.shape
    alone = jax.vmap(predict)(images[:, None], marked[:, None])
    np.testing.assert_allclose(alone[:, 0], expected, atol=1e-4)
    program = jax.export.export(jax.jit(predict))(images, marked)
    np.testing.assert_allclose(program.call(images, marked), expected, atol=1e-4)
    with pytest.raises(ValueError, match=r"images: .*got uint8 \(2, 8, 8, 3\)"):
        jax.jit(predict)(images[:, :8, :8], marked)
