"""train.py ief end to end on a few fabricated people, and what can be wrong with its input."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import train
from data.figures import reader
from data.keypoints import sets
from data.keypoints.people import decode
from experiments.ief import train as ief_train
from experiments.ief.arguments import LearningOptions, NetworkOptions, Train
from experiments.options import KeypointSet, OptimiserOptions
from ief_jax.ief import checkpoints, prediction
from ief_jax.ief.backbones import NAMED
from tests.helpers import fabricated_keypoints
from tests.helpers.tiny_backbone import TinyBackbone

ARGUMENTS = ["--dataset", "coco", "--no-pretrained", "--size", "16", "--batch-size", "2"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any network would do: the real ones take long to compile."""
    monkeypatch.setitem(NAMED, "efficientnet_lite0", TinyBackbone)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    fabricated_keypoints.coco(folder)
    return folder


def run(downloads: Path, workdir: Path, *more: str) -> int:
    words = ["ief", *ARGUMENTS, "--data-dir", str(downloads), "--workdir", str(workdir)]
    words += ["--backbone", "efficientnet_lite0", "--heatmap-stage", "0", "--pool-size", "2"]
    return train.main([*words, "--evaluate", "0", *more])


SLOW = [
    pytest.param(method, marks=pytest.mark.slow) for method in ("iterative_direct", "on_policy")
]


@pytest.mark.parametrize("method", ["ief", *SLOW])
def test_a_run_goes_on_where_it_was_cut_off(method: str, downloads: Path, tmp_path: Path) -> None:
    work = tmp_path / "run"
    arguments = ("--method", method, "--epochs", "6", "--save-every", "2", "--log-every", "2")
    assert run(downloads, work, *arguments) == 0
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps[-1] >= 6 and np.isfinite([line["loss"] for line in lines]).all()
    whole = checkpoints.load(work)
    assert whole.configuration.steps == 4
    assert whole.configuration.bounded == (method == "on_policy")
    assert whole.weights["start"].shape == (len(whole.configuration.joints), 2)

    shutil.rmtree(work / "checkpoints" / str(steps[-1]))
    (work / "model.npz").unlink()
    assert run(downloads, work, *arguments) == 0
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        checkpoints.load(work).weights,
        whole.weights,
    )


def test_the_best_of_a_run_is_kept(tmp_path: Path) -> None:
    for part in ("train2017", "val2017"):
        fabricated_keypoints.coco(tmp_path, part)
    work = tmp_path / "run"
    assert run(tmp_path, work, "--method", "ief", "--epochs", "4", "--validate-every", "2") == 0
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    found = [line["validation_pck"] for line in lines if "validation_pck" in line]
    assert len(found) >= 2 and all(0 <= number <= 100 for number in found)
    best, last = (checkpoints.load(folder) for folder in (work / "best", work))
    assert best.configuration == last.configuration
    np.testing.assert_array_equal(best.weights["start"], last.weights["start"])


def test_pretrained_weights_have_a_rate_of_their_own() -> None:
    weights = {name: jnp.ones(2) for name in ("conv1", "stages_3", "maps_kernel", "head")}
    optimiser = ief_train.optimiser(OptimiserOptions(), 0.25, 4)
    update, state = optimiser.update(weights, optimiser.init(weights), weights)
    update, _ = optimiser.update(weights, state, weights)
    for name, share in (("conv1", 0.25), ("stages_3", 0.25), ("maps_kernel", 1), ("head", 1)):
        np.testing.assert_allclose(update[name], share * update["head"], rtol=1e-6)
    assert (np.asarray(update["head"]) < 0).all()


def test_gradient_descent_as_in_the_paper() -> None:
    options = OptimiserOptions(
        optimizer="sgd", learning_rate=0.1, momentum=0.5, schedule="constant", clip=0.0
    )
    optimiser = ief_train.optimiser(options, 1.0, 4)
    weights = {"conv1": jnp.zeros(2), "head": jnp.zeros(2)}
    gradient = {"conv1": jnp.array([30.0, -1.0]), "head": jnp.array([0.0, 2.0])}
    update, state = optimiser.update(gradient, optimiser.init(weights), weights)
    second, _ = optimiser.update(gradient, state, weights)
    for name, part in gradient.items():
        np.testing.assert_allclose(update[name], -0.1 * part, rtol=1e-6)
        np.testing.assert_allclose(second[name], -0.1 * 1.5 * part, rtol=1e-6)


def test_the_gain_of_the_heatmaps_is_kept_in_the_checkpoint(
    downloads: Path, tmp_path: Path
) -> None:
    work = tmp_path / "run"
    assert run(downloads, work, "--heatmap-gain", "0.5", "--epochs", "1") == 0
    assert checkpoints.load(work).configuration.heatmap_gain == 0.5


def test_the_variance_of_the_heatmaps_weights() -> None:
    network = NetworkOptions("small", size=16, heatmap_stage=0, pretrained=False)
    arguments = Train(network=dataclasses.replace(network, maps_variance=0.1))
    names = tuple(f"joint_{number}" for number in range(13))
    first = ief_train._first_weights(
        Train(network=network), ief_train._configuration(arguments, names)
    )
    found = ief_train._with_variance(arguments, first)["params"]
    kernel = found.pop("maps_kernel")
    assert kernel.shape == first["params"]["maps_kernel"].shape and kernel.size > 1000
    assert np.mean(kernel) == pytest.approx(0, abs=0.03)
    assert np.var(kernel) == pytest.approx(0.1, rel=0.1)
    for name, part in found.items():
        jax.tree.map(np.testing.assert_array_equal, part, first["params"][name])
    # Those of a checkpoint to start from stay as they are.
    going_on = dataclasses.replace(arguments, initial="lsp")
    assert ief_train._with_variance(going_on, first) is first


def test_some_joints_alone_and_other_steps(downloads: Path, tmp_path: Path) -> None:
    work = tmp_path / "run"
    words = ("--joints", "left_knee", "left_hip", "--epochs", "1", "--steps", "6")
    assert run(downloads, work, *words) == 0
    trained = checkpoints.load(work)
    assert trained.configuration.joints == ("left_knee", "left_hip")
    found = prediction.predict(trained, np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 2)))
    assert found.shape == (1, 7, 2, 2)


def test_conv_1_and_stages_may_come_from_another_checkpoint() -> None:
    network = NetworkOptions(trunk="lsp", size=32)
    arguments = Train(joints=("left_knee",), network=network)
    configuration = ief_train._configuration(arguments, ("left_knee", "left_hip"))
    start = ief_train._first_weights(arguments, configuration)["params"]
    released = checkpoints.load("lsp").weights["network"]["params"]
    trunk = ["conv1", *(f"stages_{index}" for index in range(6))]
    for name in trunk:
        jax.tree.map(np.testing.assert_array_equal, start[name], released[name])
    assert np.abs(start["blocks_0"]["expand"]["kernel"]).max() > 0
    differ = jax.tree.map(
        lambda new, old: not np.array_equal(new, old), start["blocks_0"], released["blocks_0"]
    )
    assert any(jax.tree.leaves(differ))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--joints", "left_antenna"), "--joints left_antenna"),
        (("--initial", "{tmp}/none"), "none: no such checkpoint"),
        (("--trunk", "{tmp}/none"), "none: no such checkpoint"),
        (
            ("--trunk", "lsp", "--backbone", "vgg16", "--size", "64"),
            "--trunk lsp: weights of another configuration",
        ),
        (("--data-dir", "{tmp}"), "coco"),
        (("--backbone", "small", "--pretrained"), "--backbone small has no such weights"),
        (("--steps", "0"), "--steps is 0, expected 1 or more"),
        (("--epochs", "0.01"), "--epochs is 0.01: of"),
        (("--batch-size", "0"), "--batch-size 0 does not divide"),
        (("--clip", "-1"), "--clip is -1.0, expected 0 or more"),
        (("--maps-variance", "-1"), "--maps-variance is -1.0, expected 0 or more"),
        (("--first-steps", "5"), "--first-steps is 5, expected 1 to 4"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    downloads: Path,
    tmp_path: Path,
    more: tuple[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(tmp=tmp_path) for word in more]
    assert run(downloads, tmp_path / "run", *filled) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", ["paper", "augmented"])
def test_figures_are_not_mirrored(recipe: Literal["paper", "augmented"]) -> None:
    drawn = next(iter(reader.figures(1, seed=3)))
    thigh = [reader.LAYOUT.index(name) for name in ("right_knee", "right_hip")]

    def is_red(dataset: KeypointSet) -> set[bool]:
        """Whether the right thigh is, as it is drawn; in a mirror it is the blue one."""
        arguments = Train(
            dataset=(dataset,),
            network=NetworkOptions(size=64),
            learning=LearningOptions(crops=recipe),
        )
        made = ief_train._examples(arguments, [drawn], reader.LAYOUT)
        examples = [
            made.make(made.source[draw % len(made.source)], np.random.default_rng(draw))
            for draw in range(20)
        ]
        found = set()
        for example in examples:
            column, row = np.round(example["points"][thigh].mean(0)).astype(int)
            red, _, blue = example["image"][row, column].astype(int)
            found.add(bool(red > blue))
        return found

    assert is_red("figures") == {True}
    assert is_red("synthetic") == {True, False}


def test_the_papers_crops_may_be_measured_by_the_larger_side(downloads: Path) -> None:
    people, layout = sets.load("coco", downloads, "train")
    # Nobody's height: the largest box is the closest, 1.4 times the side.
    giant = dataclasses.replace(people[0], height=1e4)
    sides = decode(giant.image, giant.name).size
    spans = {}
    for length in ("smaller", "larger"):
        learning = LearningOptions(crops="paper", length=length)
        arguments = Train(network=NetworkOptions(size=64), learning=learning)
        source, make = ief_train._examples(arguments, [giant], layout)
        spans[length] = np.ptp(make(source[0], np.random.default_rng(0))["points"], 0)
    shrunk = spans["smaller"] * min(sides) / max(sides)
    np.testing.assert_allclose(spans["larger"], shrunk, rtol=1e-4)
    assert max(sides) > min(sides)
