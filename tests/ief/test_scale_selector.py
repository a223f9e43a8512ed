"""Scale selection: networks against PyTorch, the loop, files, examples, a training run."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from data.keypoints import scale_examples, sets
from data.keypoints.people import Person
from experiments.options import AdamOptions
from experiments.scale import evaluate, train
from experiments.scale.arguments import Train
from ief_jax.body import smpl
from ief_jax.geometry import crops
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief import estimation
from ief_jax.ief.scale_selector import checkpoints, config, networks, selection
from ief_jax.io.files import InputError
from ief_jax.training.run_options import RunOptions
from ief_jax.viz import raster

TINY = config.ScaleSelectorConfig("small", 16)


def disc(size: tuple[int, int], centre: tuple[float, float], diameter: float) -> Image.Image:
    """A white disc on grey: a "person" whose size can be measured."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    inside = np.hypot(x - centre[0], y - centre[1]) < diameter / 2
    grey = np.where(inside, 255, 90).astype(np.uint8)
    return Image.fromarray(np.repeat(grey[..., None], 3, 2))


def measured(
    configuration: config.ScaleSelectorConfig, weights: object, images: object
) -> np.ndarray:
    """Stands in for a network: what it should say of a picture of a `disc`."""
    images = np.asarray(images)
    share = (images[..., 0] > 170).mean((1, 2))
    # area = pi d^2 / 4 of a box of side s, so d / s = sqrt(4 share / pi); at least a pixel
    across = np.sqrt(4 * np.maximum(share, 1 / images.shape[1] ** 2) / np.pi)
    return np.log(crops.PERSON * np.minimum(across, 1.0))


@pytest.fixture
def eye(monkeypatch: pytest.MonkeyPatch) -> checkpoints.Selector:
    monkeypatch.setattr(selection, "_log_ratio", measured)
    return checkpoints.Selector(config.ScaleSelectorConfig("small", 64), {})


def test_vgg_s_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    module = networks.VggS(features=(4, 6, 5, 5, 5), dense=(7, 8))
    images = np.random.default_rng(0).integers(0, 255, (2, 75, 75, 3)).astype(np.float32)
    weights = jax.jit(module.init)(jax.random.key(0), images)
    weights = jax.tree.map(lambda w: w + 0.01, weights)  # biases too
    layers = weights["params"]
    functional = torch.nn.functional

    def conv(x: Any, name: str, stride: int = 1, padding: int = 0) -> Any:
        kernel = torch.tensor(np.asarray(layers[name]["kernel"]).transpose(3, 2, 0, 1).copy())
        bias = torch.tensor(np.asarray(layers[name]["bias"]))
        return functional.conv2d(x, kernel, bias, stride, padding).relu()

    def dense(x: Any, name: str) -> Any:
        kernel, bias = (torch.tensor(np.asarray(layers[name][k])) for k in ("kernel", "bias"))
        return x @ kernel + bias

    # CNN-S of Chatfield et al. 2014, table 1, with Caffe's pooling
    x = torch.tensor((images.transpose(0, 3, 1, 2) - 117) / 60)
    x = functional.local_response_norm(conv(x, "Conv_0", 2), 5, alpha=5e-4, beta=0.75, k=2.0)
    x = functional.max_pool2d(x, 3, 3, ceil_mode=True)
    x = functional.max_pool2d(conv(x, "Conv_1"), 2, 2, ceil_mode=True)
    for name in ("Conv_2", "Conv_3", "Conv_4"):
        x = conv(x, name, padding=1)
    x = functional.max_pool2d(x, 3, 3, ceil_mode=True).permute(0, 2, 3, 1).flatten(1)
    x = dense(dense(dense(x, "Dense_0").relu(), "Dense_1").relu(), "Dense_2")
    found = jax.jit(module.apply)(weights, images)
    np.testing.assert_allclose(found, x[:, 0].numpy(), rtol=1e-4, atol=1e-4)


def test_the_papers_network_has_its_size() -> None:
    shapes = jax.eval_shape(
        lambda key: networks.initial_weights(config.PAPER, key), jax.random.key(0)
    )
    kernels = {name: layer["kernel"].shape for name, layer in shapes["params"].items()}
    assert kernels["Conv_0"] == (7, 7, 3, 96) and kernels["Conv_1"] == (5, 5, 96, 256)
    # 224 -> 109 -> 37 -> 33 -> 17 -> 6
    assert kernels["Dense_0"] == (6 * 6 * 512, 4096) and kernels["Dense_2"] == (4096, 1)


@pytest.mark.parametrize("diameter", [30.0, 90.0, 200.0])
def test_looking_and_correcting_finds_any_size(eye: checkpoints.Selector, diameter: float) -> None:
    photograph = disc((400, 300), (160.0, 140.0), diameter)
    box = selection.refine_box(eye, photograph, np.array([160.0, 140.0]))
    assert (box.x, box.y) == (160.0, 140.0)
    assert box.side == pytest.approx(crops.PERSON * diameter, rel=0.06)


def test_the_best_of_nine_is_picked(eye: checkpoints.Selector) -> None:
    photograph = disc((400, 300), (160.0, 140.0), 150.0)
    candidates = crops.candidate_boxes((160, 140), 300)
    best = min(candidates, key=lambda box: abs(np.log(box.side / (crops.PERSON * 150))))
    assert selection.select_box(eye, photograph, np.array([160, 140])) == best
    images = np.stack([crops.crop(photograph, box, 64) for box in candidates])
    assert candidates[selection.best_box(eye, images)] == best


def test_one_look_corrects_by_no_more_than_it_was_taught(eye: checkpoints.Selector) -> None:
    photograph = disc((400, 300), (160.0, 140.0), 8.0)
    box = selection.refine_box(eye, photograph, np.array([160, 140]), gains=[1.0])
    assert box.side == pytest.approx(100)


def test_the_loss_is_the_mean_square() -> None:
    weights = networks.initial_weights(TINY, jax.random.key(0))
    images = jax.random.uniform(jax.random.key(1), (5, 16, 16, 3)) * 255
    target = jnp.linspace(-1, 1, 5)
    said = selection._log_ratio(TINY, weights, images)
    assert float(jnp.abs(said).max()) > 1e-3
    value = jax.jit(networks.loss, static_argnums=0)(TINY, weights, images, target)
    expected = np.square(np.asarray(said) - np.asarray(target)).mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-5)


def test_files(tmp_path: Path) -> None:
    selector = checkpoints.Selector(TINY, networks.initial_weights(TINY, jax.random.key(0)))
    checkpoints.write(tmp_path / "model.npz", selector)
    found = checkpoints.load(tmp_path)
    assert found.configuration == TINY
    jax.tree.map(np.testing.assert_array_equal, found.weights, selector.weights)
    other = config.ScaleSelectorConfig("small", 32)
    checkpoints.write(tmp_path / "b.npz", checkpoints.Selector(other, selector.weights))
    with pytest.raises(InputError, match="Dense_0/kernel' has shape"):
        checkpoints.load(tmp_path / "b.npz")
    unknown = checkpoints.Selector(config.ScaleSelectorConfig("vgg", 1), {})
    checkpoints.write(tmp_path / "c.npz", unknown)
    with pytest.raises(InputError, match="no network 'vgg'"):
        checkpoints.load(tmp_path / "c.npz")
    with pytest.raises(InputError, match="no such checkpoint"):
        checkpoints.load(tmp_path / "none.npz")


@pytest.mark.parametrize("tall", [60, 150])
def test_the_released_selector_measures_a_body(body: smpl.BodyModel, tall: int) -> None:
    rest, (width, height) = np.asarray(body.template), (300, 240)
    pixels = tall / np.ptp(rest[:, 1])
    middle = (rest[:, 1].max() + rest[:, 1].min()) / 2
    placed = rest * [1, -1, 1] * pixels + [width / 2, height / 2 + middle * pixels, 0]
    layer = raster.shade(placed, np.asarray(body.faces), (width, height), (0.8, 0.6, 0.5))
    picture = layer[..., :3] * layer[..., 3:] + 0.35 * (1 - layer[..., 3:])
    photograph = Image.fromarray((picture * 255).astype(np.uint8))
    centre = np.array([width - 1, height - 1]) / 2
    box = selection.refine_box(checkpoints.load(), photograph, centre)
    assert box.side == pytest.approx(crops.PERSON * tall, rel=0.2)


def people(count: int) -> list[Person]:
    """Discs of known height, a marked point in the middle of each."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        width, length = (int(side) for side in rng.integers(120, 260, 2))
        height, centre = rng.uniform(40, 110), np.array([width, length]) * rng.uniform(0.4, 0.6, 2)
        file = BytesIO()
        disc((width, length), (float(centre[0]), float(centre[1])), height).save(file, "PNG")
        known = np.ones(14, bool)
        points = np.tile(centre, (14, 1))
        found.append(Person(f"{number}", file.getvalue(), points, known, known, centre, height))
    return found


def test_examples_show_boxes_of_the_size_they_say() -> None:
    small = scale_examples.shrunk(people(6))
    assert all(person.height <= scale_examples.TALL + 1 for person in small)
    make = scale_examples.boxes(48)
    rng = np.random.default_rng(1)
    seen = [make(small[i % 6], rng) for i in range(200)]
    assert {example["image"].shape for example in seen} == {(48, 48, 3)}
    growth = np.array([example["growth"] for example in seen])
    wide = np.log(scale_examples.SIDES)
    assert (-growth >= wide[0]).all() and (-growth <= wide[1]).all() and growth.std() > 0.5
    # Where nothing was cut or mirrored beyond the image, the disc's area tells the growth.
    clear = [e for e in seen if 0.1 < (e["image"] > 120).mean() < 0.5 and e["image"].min() > 20]
    said = np.array([e["growth"] for e in clear])
    share = np.array([(e["image"][..., 0] > e["image"][..., 0].mean()).mean() for e in clear])
    told = np.log(crops.PERSON * np.sqrt(4 * share / np.pi))
    assert len(clear) > 20 and np.median(np.abs(said - told)) < 0.06


def test_figures() -> None:
    grid = np.tile([4.0, 2.0, 1.0], (4, 1))
    wanted = np.array([4.4, 2.0, 1.1, 0.5])
    best = np.array([0, 1, 2, 2])
    figures = evaluate._figures(np.array([4.0, 4.0, 4.0, 1.0]), grid, best, wanted)
    assert figures == {"best": 50.0, "within_one": 75.0, "ratio": 2.0, "far": 75.0}


def test_a_run_trains_and_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sets, "load", lambda name, data_dir, split: (people(8), LSP_14))
    monkeypatch.setitem(train.NETWORKS, "small", TINY)
    arguments = Train(
        threads=0,
        evaluate=3,
        run=RunOptions(tmp_path / "run", log_every=2, save_every=2),
        adam=AdamOptions(iterations=4, batch_size=4, learning_rate=1e-3),
    )
    train.run(arguments)
    assert "refined box" in capsys.readouterr().out
    figures = json.loads((tmp_path / "run" / "evaluation.json").read_text())["synthetic"]
    assert figures["the best of nine"]["best"] == 100
    # What was trained can be used: the box of a photograph is this network's.
    trained = checkpoints.load(tmp_path / "run")
    estimator = estimation.load("released", tmp_path / "run")
    assert estimator.selector.configuration == TINY
    photograph, marked = disc((200, 150), (90.0, 70.0), 60.0), np.array([90.0, 70.0])
    own, mine, released = (
        selection.refine_box(selector, photograph, marked)
        for selector in (trained, estimator.selector, checkpoints.load())
    )
    assert mine == own and mine != released
    whole = trained.weights
    # Cut off after step 2, it ends where the uninterrupted run does.
    (tmp_path / "run" / "model.npz").unlink()
    import shutil

    shutil.rmtree(tmp_path / "run" / "checkpoints" / "4")
    train.run(arguments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        checkpoints.load(tmp_path / "run").weights,
        whole,
    )


def test_pick_treats_mirror_images_alike() -> None:
    selector, marked = checkpoints.load(), np.array([50.0, 40.0])
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    photograph = Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)
    mirrored = photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    one = selection.refine_box(selector, photograph, marked)
    other = selection.refine_box(selector, mirrored, np.array([119.0 - marked[0], marked[1]]))
    assert other.side == pytest.approx(one.side, rel=2e-3)
