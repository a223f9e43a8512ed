"""The layers against XLA's and NumPy's, and what all backbones have in common."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax.typing import ArrayLike

from ief_jax.ief.backbones import (
    NAMED,
    Backbone,
    EfficientNetLite0,
    HeatmapStage,
    Small,
    convolutions,
    depthwise,
    layers,
    pooling,
    pretrained,
    pyramid,
    windows,
)

WINDOWS = [
    # height, width, window, stride, padding
    (7, 6, 3, 1, "SAME"),
    (9, 8, 5, 2, "SAME"),
    (8, 7, 3, 2, "CEIL"),
    (8, 9, 2, 2, (0, 0)),
    (9, 6, 4, 3, (2, 1)),
]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def windows_of(
    x: np.ndarray, window: int, stride: int, padding: windows.Padding, fill: float = 0.0
) -> np.ndarray:
    """[B, h, w, window, window, C], by NumPy."""
    rows, columns = (windows.extents(n, window, stride, padding) for n in x.shape[1:3])
    x = np.pad(x, ((0, 0), rows[1:], columns[1:], (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, (window, window), (1, 2))
    view = view[:, ::stride, ::stride][:, : rows[0], : columns[0]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def assert_same_derivatives(
    ours: Callable[..., jax.Array], theirs: Callable[..., jax.Array], *arguments: ArrayLike
) -> None:
    """Values, and derivatives along a random cotangent; compiled once."""
    cotangent = normal(*jax.eval_shape(theirs, *arguments).shape, seed=9)

    def derivatives(
        function: Callable[..., jax.Array], *arguments: ArrayLike
    ) -> tuple[jax.Array, ...]:
        value, pull = jax.vjp(function, *arguments)
        return value, *pull(cotangent)

    both = jax.jit(lambda *a: (derivatives(ours, *a), derivatives(theirs, *a)))
    for actual, expected in zip(*both(*arguments), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (224, 3, 2, "SAME", (112, 0, 1)),  # TensorFlow's odd entry comes at the end
        (7, 5, 1, "SAME", (7, 2, 2)),
        (112, 3, 2, "CEIL", (56, 0, 1)),
        (57, 3, 2, "CEIL", (28, 0, 0)),
        (224, 7, 2, (3, 3), (112, 3, 3)),
    ],
)
def test_extents(
    size: int, kernel: int, stride: int, padding: windows.Padding, expected: tuple[int, int, int]
) -> None:
    assert windows.extents(size, kernel, stride, padding) == expected


@pytest.mark.parametrize(("height", "width", "window", "stride", "padding"), WINDOWS)
def test_convolution(
    height: int, width: int, window: int, stride: int, padding: windows.Padding
) -> None:
    x, kernel = normal(4, height, width, 3), normal(window, window, 3, 2, seed=1)
    expected = np.einsum("bhwijc,ijco->bhwo", windows_of(x, window, stride, padding), kernel)
    actual = convolutions._plain_convolution(jnp.asarray(x), jnp.asarray(kernel), stride, padding)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert_same_derivatives(
        lambda x, k: convolutions.convolution(x, k, stride, padding),
        lambda x, k: convolutions._plain_convolution(x, k, stride, padding),
        x,
        kernel,
    )


@pytest.mark.parametrize("size", [(7, 6), (21, 19)])  # unrolled, and row by row
@pytest.mark.parametrize(("window", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (4, 1)])
def test_depthwise_convolution(size: tuple[int, int], window: int, stride: int) -> None:
    x, kernel = normal(2, *size, 3), normal(window, window, 3, seed=1)
    expected = np.einsum("bhwijc,ijc->bhwc", windows_of(x, window, stride, "SAME"), kernel)
    actual = depthwise._grouped(jnp.asarray(x), jnp.asarray(kernel), stride)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert_same_derivatives(
        lambda x, k: depthwise.depthwise_convolution(x, k, stride),
        lambda x, k: depthwise._grouped(x, k, stride),
        x,
        kernel,
    )


@pytest.mark.parametrize(("height", "width", "window", "stride", "padding"), WINDOWS)
def test_max_pool(
    height: int, width: int, window: int, stride: int, padding: windows.Padding
) -> None:
    x = normal(2, height, width, 3)
    expected = windows_of(x, window, stride, padding, -np.inf).max((3, 4))
    np.testing.assert_array_equal(
        pooling._window_max(jnp.asarray(x), window, stride, padding), expected
    )
    assert_same_derivatives(
        lambda x: pooling.max_pool(x, window, stride, padding),
        lambda x: pooling._window_max(x, window, stride, padding),
        x,
    )


def test_maxima_share_the_gradient() -> None:
    x = jnp.zeros((1, 2, 2, 1)).at[0, 0, 0, 0].set(-1.0)
    gradient = jax.grad(lambda x: pooling.max_pool(x, 2, 2, (0, 0)).sum())(x)
    np.testing.assert_allclose(gradient[0, :, :, 0], [[0, 1 / 3], [1 / 3, 1 / 3]], rtol=1e-6)


def test_average_pool() -> None:
    x = normal(2, 7, 4, 3)
    actual = pooling.average_pool(jnp.asarray(x), 3, 2)
    # Of 7 rows in 3 parts, as PyTorch cuts them: 0-2, 2-4, 4-6.
    for y, rows in enumerate((slice(0, 3), slice(2, 5), slice(4, 7))):
        expected = x[:, rows, :2].mean((1, 2))
        np.testing.assert_allclose(actual[:, y, 0], expected, rtol=1e-5, atol=1e-6)
    whole = pooling.average_pool(jnp.asarray(x), 1, 1)
    np.testing.assert_allclose(whole[:, 0, 0], x.mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize(("height", "width", "window", "stride", "padding"), WINDOWS)
def test_separable_is_the_convolution_of_the_product(
    height: int, width: int, window: int, stride: int, padding: windows.Padding
) -> None:
    rows, columns = normal(2, 3, height), normal(2, 3, width, seed=1)
    kernel = normal(window, window, 3, 4, seed=2)
    maps = np.einsum("bmh,bmw->bhwm", rows, columns)
    expected = np.einsum("bhwijc,ijco->bhwo", windows_of(maps, window, stride, padding), kernel)
    separable = jax.jit(convolutions.separable, static_argnums=(3, 4))
    actual = separable(rows, columns, kernel, stride, padding)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


class Halve(nn.Module):
    channels: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu(nn.Conv(self.channels, (3, 3), (2, 2))(x))


class Tiny(Backbone):
    """Three stages, compiled in no time."""

    HEATMAP_STAGES = (HeatmapStage("a", 2, 4), HeatmapStage("b", 4, 5), HeatmapStage("c", 8, 6))
    MEAN = (0.5, 0.5, 0.5)
    DEVIATION = (0.25, 0.25, 0.5)

    def first(self) -> layers.Convolution:
        return layers.ScaledConvolution(3, 4, size=3, stride=2)

    def rest(self) -> list[nn.Module]:
        return [Halve(5), Halve(6), Halve(7)]


def inputs(
    size: int, maps: int = 5, count: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = normal(count, maps, size, seed=1), normal(count, maps, size, seed=2)
    return normal(count, size, size, 3), rows, columns, np.einsum("bmh,bmw->bhwm", rows, columns)


def random_weights(network: nn.Module, image: np.ndarray, maps: np.ndarray) -> Any:
    """None of them zero; drawn by NumPy, as the network's own take long to compile."""

    def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        return normal(*leaf.shape, seed=3) / np.prod(leaf.shape[:-1], dtype=np.float32) ** 0.5

    return jax.tree.map(draw, jax.eval_shape(network.init, jax.random.key(0), image, maps))


def assert_forms_agree(network: Backbone, size: int) -> None:
    image, rows, columns, maps = inputs(size, network.maps)
    weights = random_weights(network, image, maps)

    def split(weights: Any, image: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> Any:
        seen = network.apply(weights, image, method="encode_image")
        return network.apply(weights, seen, rows, columns, method="correct")

    expected = jax.jit(network.apply)(weights, image, maps)
    actual = jax.jit(split)(weights, image, rows, columns)
    assert expected.shape == (len(image), network.outputs)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    ignorant = jax.jit(split)(weights, image, 0 * rows, columns)
    assert np.abs(ignorant - actual).max() > 1e-3 * np.abs(actual).max()


@pytest.mark.parametrize(("heatmap_stage", "pool_size"), [(0, 1), (0, 2), (2, 2)])
def test_seeing_once_is_the_stacked_form(heatmap_stage: int, pool_size: int) -> None:
    assert_forms_agree(Tiny(6, maps=5, heatmap_stage=heatmap_stage, pool_size=pool_size), 24)


@pytest.mark.parametrize("heatmap_stage", [0, 3])
def test_seeing_once_is_the_stacked_form_of_the_small_network(heatmap_stage: int) -> None:
    assert_forms_agree(Small(6, maps=5, heatmap_stage=heatmap_stage), 48)


@pytest.mark.parametrize("heatmap_stage", [0, 2])
def test_the_gain_is_that_of_louder_heatmaps(heatmap_stage: int) -> None:
    image, rows, columns, maps = inputs(16)
    plain, loud = (
        Tiny(6, maps=5, heatmap_stage=heatmap_stage),
        Tiny(6, maps=5, heatmap_stage=heatmap_stage, heatmap_gain=3.0),
    )
    weights = random_weights(plain, image, maps)
    expected, unlike, stacked = (
        np.asarray(network.apply(weights, image, shown))
        for network, shown in ((plain, 3 * maps), (plain, maps), (loud, maps))
    )
    assert np.abs(expected - unlike).max() > 1e-3
    np.testing.assert_allclose(stacked, expected, rtol=1e-4, atol=1e-5)
    seen = loud.apply(weights, image, method="encode_image")
    actual = np.asarray(loud.apply(weights, seen, rows, columns, method="correct"))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite0_pyramid", "googlenet"])
@pytest.mark.parametrize("last", [False, True])
def test_seeing_once_is_the_stacked_form_of_real_networks(name: str, last: bool) -> None:
    network = NAMED[name]
    assert_forms_agree(
        network(6, maps=5, heatmap_stage=last * (len(network.HEATMAP_STAGES) - 1)), 64
    )


@pytest.mark.parametrize("name", NAMED)
def test_entries_are_where_they_say(name: str) -> None:
    size = 96  # poolings leave nothing over
    for index, entry in enumerate(NAMED[name].HEATMAP_STAGES):
        network = NAMED[name](2, maps=1, heatmap_stage=index)
        image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)

        def seen(image: jax.Array, network: nn.Module = network) -> Any:
            return network.init_with_output(jax.random.key(0), image, method="encode_image")[0]

        shape = jax.eval_shape(seen, image).shape
        assert shape == (1, size // entry.stride, size // entry.stride, entry.channels)


def test_positions_are_means_of_a_distribution_over_the_map() -> None:
    module, x = pyramid.Positions(2), normal(3, 4, 6, 5)
    kernel, bias = normal(5, 6, seed=1), normal(6, seed=2)
    parameters = {"params": {"Dense_0": {"kernel": kernel, "bias": bias}}}
    found = np.asarray(module.apply(parameters, x)).reshape(3, 2, 2)
    numbers = x @ kernel + bias
    for person, joint in np.ndindex(3, 2):
        likely = scipy.special.softmax(numbers[person, ..., joint])
        offsets = pyramid.REACH * numbers[person, ..., 2 + 2 * joint : 4 + 2 * joint]
        votes_x = np.arange(6) + 0.5 + offsets[..., 0]
        votes_y = np.arange(4)[:, None] + 0.5 + offsets[..., 1]
        expected = [(likely * votes_x).sum() / 6, (likely * votes_y).sum() / 4]
        np.testing.assert_allclose(found[person, joint], expected, rtol=1e-5, atol=1e-6)


def test_the_pyramids_corrections_lead_to_its_positions() -> None:
    y = normal(3, 2, 2) * 10
    numbers = jnp.array([[0.5, 0.5, 0, 1]] * 3)
    found = pyramid.EfficientNetLite0Pyramid.corrections(numbers, jnp.asarray(y), 64, 5.0)
    # The middle of the image, and its lower left corner, half a pixel beyond the last centre.
    np.testing.assert_allclose(y + found, [[[31.5, 31.5], [-0.5, 63.5]]] * 3, rtol=1e-5)


def test_the_pyramid_has_no_cells() -> None:
    image, _, _, maps = inputs(64)
    network = pyramid.EfficientNetLite0Pyramid(6, maps=5, pool_size=2)
    with pytest.raises(ValueError, match="pool_size"):
        jax.eval_shape(network.init, jax.random.key(0), image, maps)


@pytest.mark.parametrize("wrong", [{"heatmap_stage": 3}, {"heatmap_stage": -1}, {"pool_size": 0}])
def test_bad_attributes(wrong: dict[str, Any]) -> None:
    image, _, _, maps = inputs(16)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        jax.eval_shape(Tiny(6, maps=5, **wrong).init, jax.random.key(0), image, maps)


def test_normalise() -> None:
    image = jnp.full((1, 1, 1, 3), 255, jnp.uint8)
    np.testing.assert_allclose(Tiny.normalise(image)[0, 0, 0], [2, 2, 1], rtol=1e-6)
    # TensorFlow's (x - 127) / 128
    actual = EfficientNetLite0.normalise(jnp.array([0, 127, 255], jnp.uint8))
    np.testing.assert_allclose(actual, [-127 / 128, 0, 1], atol=1e-6)


def test_starting_from_pretrained_weights() -> None:
    image, _, _, maps = inputs(16, maps=40)
    imagenet = random_weights(Tiny(1000, maps=0), image, maps[..., :0])["params"]
    del imagenet["maps_kernel"]
    imagenet["stages_9"] = {"kernel": np.ones(3)}  # of a part that the network has not
    imagenet["conv1"]["scale"] = np.array([1, 1, 10, 0], np.float32)
    stacked = pretrained.initialise(Tiny(6, maps=40), imagenet, jax.random.key(1))
    later = pretrained.initialise(Tiny(6, maps=40, heatmap_stage=1), imagenet, jax.random.key(1))
    for parameters in (stacked, later):
        assert parameters.keys() == imagenet.keys() - {"stages_9"} | {"maps_kernel"}
        assert parameters["head"]["kernel"].shape == (7, 6)
        for name in ("conv1", "stages_0", "stages_2"):
            jax.tree.map(np.testing.assert_array_equal, parameters[name], imagenet[name])
    assert stacked["maps_kernel"].shape == (3, 3, 40, 4)
    # As spread as the image's weights behind their scale.
    image_kernel = imagenet["conv1"]["kernel"] * imagenet["conv1"]["scale"].reshape(1, 1, 1, -1)
    spread, expected = (np.std(k, (0, 1, 2)) for k in (stacked["maps_kernel"], image_kernel))
    np.testing.assert_allclose(spread, expected, rtol=0.15)
    # As spread as what the stage takes in.
    assert later["maps_kernel"].shape == (1, 1, 40, 5)
    noise = normal(1, 224, 224, 3)
    encode_image = jax.jit(
        functools.partial(Tiny(6, maps=40, heatmap_stage=1).apply, method="encode_image")
    )
    seen = encode_image({"params": later}, noise)
    np.testing.assert_allclose(np.std(later["maps_kernel"]), np.std(seen), rtol=0.2)
