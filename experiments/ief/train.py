"""`train.py ief`: trains IEF by Fixed Path Consolidation, or one of its rivals."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from data.keypoints import pipeline, sets
from data.keypoints.people import Person
from experiments import checks
from experiments.ief import evaluate
from ief_jax.geometry.crops import LENGTHS
from ief_jax.ief import build, checkpoints, config, fpc, on_policy, training_data, training_methods
from ief_jax.ief.backbones import pretrained
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.training_data import PersonCrop
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError
from ief_jax.training import mesh as training_mesh
from ief_jax.training import optimisers, run_loop, state
from ief_jax.training import step as training_step

MethodName = Literal["ief", "no_fpc", "direct", "iterative_direct", "jittered", "on_policy"]
BackboneName = Literal[
    "googlenet", "vgg16", "efficientnet_lite0", "efficientnet_lite0_pyramid", "small"
]
IMAGENET: Mapping[str, Callable[[Any], pretrained.Parameters]] = {
    "efficientnet_lite0": pretrained.efficientnet_lite0,
    "efficientnet_lite0_pyramid": pretrained.efficientnet_lite0,
    "googlenet": pretrained.googlenet,
    "vgg16": pretrained.vgg16,
}
"""What reads the weights of a backbone."""
Y0_SAMPLE = 2000
"""People whose median pose is y_0."""


FREE = ("workdir", "data_dir", "threads", "log_every", "save_every", "evaluate")
"""Arguments that may change when a run goes on."""


@dataclass(frozen=True)
class Arguments:
    """Train iterative error feedback.

    Attributes:
      workdir: folder for all that is written; a run in it that was cut off goes on.
      dataset: lsp, lspet, mpii, coco, synthetic, figures; several are trained on together.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released; the synthetic people
        and the stick figures are made there if they are not.
      method: ief is the paper's, Fixed Path Consolidation, and no_fpc, direct, iterative_direct are
        what it is compared with; jittered is IEF taught beside the path too. on_policy adds steps
        one after the other as FPC does, but teaches the whole way from wherever the network's own
        steps of at most L have led.
      taught: steps that are taught from the beginning, before the others are added one by one;
        more than one where `initial` knows the first ones.
      steps: made at test time; as many as are taught by default.
      backbone: googlenet (the paper's), vgg16, efficientnet_lite0; efficientnet_lite0_pyramid puts
        out positions on a map in place of a dense layer's numbers, and learns from far less;
        small is for comparisons on stick figures, without pretrained weights.
      pretrained: start the backbone from weights of ImageNet, else from random ones.
      imagenet: the file of these weights: torchvision's googlenet or vgg16 state dict, or
        efficientnet-lite0's, which is found by itself where its package is installed.
      trunk: a checkpoint of IEF whose conv-1 and stages are taken in place of ImageNet's.
      initial: a checkpoint of IEF to start from instead.
      size: side of the crop, pixels.
      sigma: standard deviation of the heatmaps' Gaussians, pixels at 224.
      heatmap_stage: stage of the backbone that the heatmaps enter before (its `HEATMAP_STAGES`);
        0: stacked on the image, as in the paper. The pyramid's 1 comes after the image's features.
      pool_size: the last feature map is averaged to this many cells a side; 1 in the paper.
      joints: names of those that are fed back and predicted; all by default.
      frozen: stages of the backbone that stay as they are at the start, conv-1 with the first.
      crops: paper (3 of 9 boxes, mirrored, shifted) or augmented (turned, scaled, recoloured).
      length: side of the image that the paper's boxes are measured by; the smaller in the paper;
        the larger fits people in LSP's images.
      epochs: times that every example is seen, over all steps.
      batch_size: people a training step, over all devices.
      optimizer: sgd in the paper; adam.
      learning_rate: at its peak. Not in the paper, nor are momentum and schedule.
      momentum: of sgd.
      schedule: of the learning rate: cosine, after a warm-up, to nothing; constant.
      clip: the longest gradient that is followed; 0 for any, as in the paper.
      heatmap_gain: factor on the heatmaps' weights; 1 in the paper. Where they enter with the
        image, 0.2 makes a network trained on the fixed path drift less in later steps.
      maps_variance: of the heatmaps' weights at the start; 0.1 in the paper, whose images are in
        0..255. By default as for the image's channels.
      pretrained_rate: learning rate of conv-1 and the stages, as a share of the others'.
      seed: of weights and examples.
      threads: that prepare examples.
      log_every: steps between two lines of metrics.
      save_every: steps between two checkpoints.
      evaluate: people in the evaluation at the end; 0 for none.
    """

    workdir: Path = Path("runs/ief")
    dataset: tuple[str, ...] = ("synthetic",)
    data_dir: Path = Path("downloads")
    method: MethodName = "on_policy"
    taught: int = 1
    steps: int | None = None
    backbone: BackboneName = "efficientnet_lite0_pyramid"
    pretrained: bool = True
    imagenet: Path | None = None
    trunk: str | None = None
    initial: str | None = None
    size: int = 112
    sigma: float = 16.0
    heatmap_stage: int = 1
    pool_size: int = 1
    joints: tuple[str, ...] = ()
    frozen: int = 0
    crops: Literal["paper", "augmented"] = "augmented"
    length: Literal["smaller", "larger"] = "smaller"
    epochs: float = 10.0
    batch_size: int = 32
    optimizer: optimisers.OptimizerName = "adam"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    schedule: optimisers.ScheduleName = "cosine"
    clip: float = 1.0
    heatmap_gain: float = 1.0
    maps_variance: float | None = None
    pretrained_rate: float = 0.3
    seed: int = 0
    threads: int = 2
    log_every: int = 20
    save_every: int = 500
    evaluate: int = 500


def ief(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Train iterative error feedback (IEF): a photograph to 2D keypoints."""
    began = time.perf_counter()
    checks.at_least(arguments, {"steps": 1, "momentum": 0, "clip": 0, "maps_variance": 0})
    people, names = sets.load_all(arguments.dataset, arguments.data_dir, "train")
    configuration = _configuration(arguments, names)
    method = training_methods.METHODS[arguments.method]
    if not 1 <= arguments.taught <= method.steps:
        raise InputError(f"--taught is {arguments.taught}, expected 1 to {method.steps}")
    examples = _examples(arguments, people, names)
    iterations = round(arguments.epochs * len(examples.source) / arguments.batch_size)
    mesh = checks.device_mesh(arguments.batch_size)
    first = _with_variance(arguments, _first_weights(arguments, configuration))
    frozen, weights = _split(arguments, first)
    kept = np.array([names.index(joint) for joint in configuration.joints])
    start = jnp.asarray(_start(arguments, people, kept))
    run_loop.claim(arguments, configuration, FREE)

    learns = optimiser(arguments, iterations)
    advance = _advance(arguments, configuration, frozen, start, learns, mesh)
    run_loop.run(
        run_loop.Plan(
            arguments.workdir,
            f"ief ({arguments.method})",
            iterations,
            arguments.batch_size,
            arguments.log_every,
            arguments.save_every,
        ),
        advance,
        training_mesh.replicate(state.initial_state(weights, learns, arguments.seed), mesh),
        partial(
            _feed,
            arguments,
            examples,
            kept,
            fpc.training_stages(method, iterations, arguments.taught),
        ),
        lambda weights: checkpoints.write(
            arguments.workdir / checkpoint_files.FILE_NAME,
            Checkpoint(
                configuration,
                {"network": {"params": {**frozen, **weights}}, "start": start},
            ),
        ),
    )
    run_loop.say(f"trained in {time.perf_counter() - began:.0f} s: {arguments.workdir}")
    if arguments.evaluate:
        _evaluate(arguments)


class Examples(NamedTuple):
    """What is trained on, and what makes a crop of one of it."""

    source: Sequence[Any]
    make: Any


def _configuration(arguments: Arguments, names: tuple[str, ...]) -> IEFConfig:
    unknown = [joint for joint in arguments.joints if joint not in names]
    if unknown:
        raise InputError(f"--joints {unknown[0]}: not one of {', '.join(names)}")
    scale = arguments.size / 224
    return IEFConfig(
        name=arguments.method,
        backbone=arguments.backbone,
        size=arguments.size,
        joints=arguments.joints or names,
        sigma=arguments.sigma * scale,
        max_correction=config.MAX_CORRECTION * arguments.size,
        steps=arguments.steps or training_methods.METHODS[arguments.method].steps,
        heatmap_stage=arguments.heatmap_stage,
        pool_size=arguments.pool_size,
        heatmap_gain=arguments.heatmap_gain,
        bounded=training_methods.METHODS[arguments.method].apply_bound,
    )


def _examples(arguments: Arguments, people: Sequence[Person], names: tuple[str, ...]) -> Examples:
    mirror = not set(sets.ONE_SIDED) & set(arguments.dataset)
    if arguments.crops == "paper":
        make = pipeline.paper(names, arguments.size, LENGTHS[arguments.length])
        return Examples(pipeline.views(people, mirror=mirror), make)
    amount = pipeline.Augmentation()
    amount = amount if mirror else dataclasses.replace(amount, mirror=0.0)
    return Examples(people, pipeline.augmented(names, arguments.size, amount))


def _start(arguments: Arguments, people: Sequence[Person], kept: np.ndarray) -> np.ndarray:
    """y_0: the median pose in the central crops."""
    chosen = np.random.default_rng(0).permutation(len(people))[:Y0_SAMPLE]
    points = [pipeline.central_points(people[i], arguments.size) for i in chosen]
    annotated = [people[i].annotated for i in chosen]
    return training_data.median_pose(np.stack(points), np.stack(annotated))[kept]


def _first_weights(arguments: Arguments, configuration: IEFConfig) -> Weights:
    """Weights of a checkpoint, or of ImageNet with new layers where the keypoints come and go."""
    key = jax.random.key(arguments.seed)
    if arguments.initial is not None:
        found = checkpoints.load(arguments.initial).weights["network"]
        expected = jax.eval_shape(lambda: build.initial_weights(configuration, key))
        checkpoint_files.check_weights(found, expected, f"--initial {arguments.initial}")
        return found
    if arguments.trunk is not None:
        trunk = _trunk(arguments.trunk, configuration, key)
        return {"params": pretrained.initialise(build.network(configuration), dict(trunk), key)}
    if not arguments.pretrained:
        return build.initial_weights(configuration, key)
    if arguments.backbone not in IMAGENET:
        raise InputError(f"--backbone {arguments.backbone} has no such weights: --no-pretrained")
    if arguments.imagenet is None and not arguments.backbone.startswith("efficientnet"):
        raise InputError(
            f"--backbone {arguments.backbone} needs --imagenet FILE, torchvision's state dict, "
            "or --no-pretrained"
        )
    imagenet = IMAGENET[arguments.backbone](arguments.imagenet)
    return {"params": pretrained.initialise(build.network(configuration), imagenet, key)}


def _with_variance(arguments: Arguments, weights: Weights) -> Weights:
    """The weights with those of the heatmaps drawn as `maps_variance` says, if it does."""
    if arguments.maps_variance is None or arguments.initial is not None:
        return weights
    key = jax.random.fold_in(jax.random.key(arguments.seed), 1)
    shape = weights["params"]["maps_kernel"].shape
    drawn = arguments.maps_variance**0.5 * jax.random.normal(key, shape)
    return {"params": {**weights["params"], "maps_kernel": drawn}}


def _trunk(name: str, configuration: IEFConfig, key: jax.Array) -> Weights:
    """conv-1 and the stages of a checkpoint's network."""
    expected = jax.eval_shape(lambda: build.initial_weights(configuration, key))["params"]
    found = checkpoints.load(name).weights["network"]["params"]
    wanted = {part: expected[part] for part, sees in _stages(expected).items() if sees}
    trunk = {part: found[part] for part, sees in _stages(found).items() if sees}
    checkpoint_files.check_weights(trunk, wanted, f"--trunk {name}")
    return trunk


def _split(arguments: Arguments, weights: Weights) -> tuple[Weights, Weights]:
    """(weights that stay as they are, weights that are trained)."""
    stages = [f"stages_{index}" for index in range(arguments.frozen)]
    names = ["conv1", *stages] if stages else []
    parameters = weights["params"]
    return (
        {name: parameters[name] for name in names},
        {name: part for name, part in parameters.items() if name not in names},
    )


def optimiser(arguments: Arguments, iterations: int) -> optax.GradientTransformation:
    """As the arguments say, slower for conv-1 and the stages."""
    return optax.chain(
        optimisers.optimiser(
            arguments.optimizer,
            arguments.learning_rate,
            iterations,
            schedule=arguments.schedule,
            momentum=arguments.momentum,
            clip=arguments.clip,
        ),
        optax.masked(optax.scale(arguments.pretrained_rate), _stages),
    )


def _stages(weights: Weights) -> dict[str, bool]:
    """Which weights are those of conv-1 and the stages."""
    return {name: name.startswith(("conv1", "stages")) for name in weights}


def _advance(
    arguments: Arguments,
    configuration: IEFConfig,
    frozen: Weights,
    start: jax.Array,
    optimiser: optax.GradientTransformation,
    mesh: jax.sharding.Mesh,
) -> training_step.Step:
    """The step on (how many corrections are taught, crops)."""
    method = training_methods.METHODS[arguments.method]
    count = arguments.batch_size

    def with_frozen(loss: Any) -> Any:
        return lambda weights, people: loss({"params": {**frozen, **weights}}, people)

    if not method.on_policy:
        make = partial(
            fpc.training_example, configuration=configuration, method=method, start=start
        )
        loss = with_frozen(fpc.training_loss(configuration, method))
        step = training_step.training_step(make, loss, optimiser, count, mesh)
        return lambda state, item: step(state, (np.full(count, item[0]), item[1]))
    # The network is run as often as corrections are taught: a program for each number.
    by_steps = {
        steps: training_step.training_step(
            lambda key, crop: (crop,),
            with_frozen(on_policy.training_loss(configuration, method, start, steps)),
            optimiser,
            count,
            mesh,
        )
        for steps in range(1, method.steps + 1)
    }
    return lambda state, item: by_steps[item[0]](state, item[1])


def _feed(
    arguments: Arguments,
    examples: Examples,
    kept: np.ndarray,
    stages: list[tuple[int, int]],
    done: int,
) -> Iterator[tuple[int, PersonCrop]]:
    """(how many corrections are taught, crops), from the step after `done` on."""
    batches = pipeline.batches(
        examples.source,
        examples.make,
        arguments.batch_size,
        arguments.seed,
        threads=arguments.threads,
        first=done,
    )
    for number, batch in enumerate(batches, done):
        taught = [steps for first, steps in stages if first <= number][-1]
        crops = PersonCrop(
            batch["image"],
            batch["points"][:, kept],
            batch["annotated"][:, kept],
            batch["marked"],
        )
        yield taught, crops


def _evaluate(arguments: Arguments) -> None:
    """The tables and the picture of eval.py, on people that were not trained on."""
    evaluate.ief(
        evaluate.Arguments(
            checkpoint=str(arguments.workdir),
            dataset=arguments.dataset[0],
            data_dir=arguments.data_dir,
            split="validation",
            count=arguments.evaluate,
            json=arguments.workdir / "evaluation.json",
            figure=arguments.workdir / "predictions.png",
        )
    )
