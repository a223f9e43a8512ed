"""`train.py ief`: trains IEF by Fixed Path Consolidation, or by another method."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.keypoints import pipeline, sets
from data.keypoints.people import Person
from experiments import checks, optimisers
from experiments.ief import validation
from experiments.ief.arguments import Evaluate, Train
from experiments.options import OptimiserOptions
from ief_jax.geometry.crops import LENGTHS
from ief_jax.ief import build, checkpoints, config, fpc, on_policy, training_data, training_methods
from ief_jax.ief.backbones import pretrained, rematerialisation
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.training_data import PersonCrop
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError
from ief_jax.training import measures, run_loop, run_options, state
from ief_jax.training import mesh as training_mesh
from ief_jax.training import step as training_step

IMAGENET: Mapping[str, Callable[[Any], pretrained.Parameters]] = {
    "efficientnet_lite0": pretrained.efficientnet_lite0,
    "efficientnet_lite0_pyramid": pretrained.efficientnet_lite0,
    "googlenet": pretrained.googlenet,
    "vgg16": pretrained.vgg16,
}
"""What reads the weights of a backbone."""
Y0_SAMPLE = 2000
"""People whose median pose is y_0."""
FREE = ("run", "data_dir", "threads", "evaluate")
"""Arguments that may change when a run goes on."""


def run(arguments: Train) -> None:
    """Trains, and evaluates at the end."""
    began = time.perf_counter()
    checks.at_least(arguments, {"steps": 1, "epochs": 0})
    checks.at_least(arguments.network, {"maps_variance": 0})
    people, names = sets.load_all(arguments.dataset, arguments.data_dir, "train")
    configuration = _configuration(arguments, names)
    method = training_methods.METHODS[arguments.method]
    if not 1 <= arguments.first_steps <= method.steps:
        raise InputError(f"--first-steps is {arguments.first_steps}, expected 1 to {method.steps}")
    examples = _examples(arguments, people, names)
    mesh = checks.device_mesh(arguments.learning.batch_size, arguments.microbatches)
    iterations = round(arguments.epochs * len(examples.source) / arguments.learning.batch_size)
    if iterations < 1:
        raise InputError(
            f"--epochs is {arguments.epochs}: of {len(examples.source)} examples that is no step "
            f"of {arguments.learning.batch_size}"
        )
    whole = _with_variance(arguments, _first_weights(arguments, configuration))
    frozen, weights = _split(arguments, whole)
    kept = np.array([names.index(joint) for joint in configuration.joints])
    start = jnp.asarray(_start(arguments, people, kept))
    learns = measures.noting(
        optimiser(arguments.optimiser, arguments.learning.pretrained_rate, iterations)
    )
    run_loop.claim(arguments.run.workdir, run_options.settings(arguments, FREE), configuration)

    def checkpoint(weights: Weights) -> Checkpoint:
        whole = {"network": {"params": {**frozen, **weights}}, "start": start}
        return Checkpoint(configuration, whole)

    validate = None
    if arguments.run.validates(iterations):
        validate = validation.on_people(arguments, checkpoint)
    decay = arguments.optimiser.ema
    average = state.moving_average(decay)
    advance = _advance(arguments, configuration, frozen, start, learns, mesh, average)
    first = state.initial_state(weights, learns, arguments.seed, average)
    run_loop.run(
        arguments.run,
        training_step.one_by_one(advance),
        training_mesh.replicate(first, mesh),
        partial(
            _feed,
            arguments,
            examples,
            kept,
            mesh,
            fpc.training_stages(method, iterations, arguments.first_steps),
        ),
        lambda folder, weights: checkpoints.write(
            folder / checkpoint_files.FILE_NAME, checkpoint(weights)
        ),
        name=f"ief ({arguments.method})",
        iterations=iterations,
        batch_size=arguments.learning.batch_size,
        decay=decay,
        observe=optimisers.observer(arguments.optimiser, iterations),
        validate=validate,
    )
    run_loop.say(f"trained in {time.perf_counter() - began:.0f} s: {arguments.run.workdir}")
    if arguments.evaluate and run_loop.is_first_process():
        _evaluate(arguments)


class Examples(NamedTuple):
    """What is trained on, and what makes a crop of one of it."""

    source: Sequence[Any]
    make: Any


def _configuration(arguments: Train, names: tuple[str, ...]) -> IEFConfig:
    options = arguments.network
    unknown = [joint for joint in arguments.joints if joint not in names]
    if unknown:
        raise InputError(f"--joints {unknown[0]}: not one of {', '.join(names)}")
    scale = options.size / 224
    return IEFConfig(
        name=arguments.method,
        backbone=options.backbone,
        size=options.size,
        joints=arguments.joints or names,
        sigma=options.sigma * scale,
        max_correction=config.MAX_CORRECTION * options.size,
        steps=arguments.steps or training_methods.METHODS[arguments.method].steps,
        heatmap_stage=options.heatmap_stage,
        pool_size=options.pool_size,
        heatmap_gain=options.heatmap_gain,
        bounded=training_methods.METHODS[arguments.method].apply_bound,
    )


def _examples(arguments: Train, people: Sequence[Person], names: tuple[str, ...]) -> Examples:
    mirror = not set(sets.ONE_SIDED) & set(arguments.dataset)
    if arguments.learning.crops == "paper":
        make = pipeline.paper(names, arguments.network.size, LENGTHS[arguments.learning.length])
        return Examples(pipeline.paper_crops(people, mirror=mirror), make)
    amount = pipeline.Augmentation()
    amount = amount if mirror else dataclasses.replace(amount, mirror=0.0)
    return Examples(people, pipeline.augmented(names, arguments.network.size, amount))


def _start(arguments: Train, people: Sequence[Person], kept: np.ndarray) -> np.ndarray:
    """y_0: the median pose in the central crops."""
    chosen = np.random.default_rng(0).permutation(len(people))[:Y0_SAMPLE]
    points = [pipeline.central_points(people[i], arguments.network.size) for i in chosen]
    annotated = [people[i].annotated for i in chosen]
    return training_data.median_pose(np.stack(points), np.stack(annotated))[kept]


def _first_weights(arguments: Train, configuration: IEFConfig) -> Weights:
    """Weights of a checkpoint, or of ImageNet with new layers where the keypoints come and go."""
    key = jax.random.key(arguments.seed)
    options = arguments.network
    if arguments.initial is not None:
        found = checkpoints.load(arguments.initial).weights["network"]
        expected = jax.eval_shape(lambda: build.initial_weights(configuration, key))
        checkpoint_files.check_weights(found, expected, f"--initial {arguments.initial}")
        return found
    if options.trunk is not None:
        trunk = _trunk(options.trunk, configuration, key)
        return {"params": pretrained.initialise(build.network(configuration), dict(trunk), key)}
    if not options.pretrained:
        return build.initial_weights(configuration, key)
    if options.backbone not in IMAGENET:
        raise InputError(f"--backbone {options.backbone} has no such weights: --no-pretrained")
    if options.imagenet is None and not options.backbone.startswith("efficientnet"):
        raise InputError(
            f"--backbone {options.backbone} needs --imagenet FILE, torchvision's state dict, "
            "or --no-pretrained"
        )
    imagenet = IMAGENET[options.backbone](options.imagenet)
    return {"params": pretrained.initialise(build.network(configuration), imagenet, key)}


def _with_variance(arguments: Train, weights: Weights) -> Weights:
    """The weights with those of the heatmaps drawn as `maps_variance` says, if it does."""
    variance = arguments.network.maps_variance
    if variance is None or arguments.initial is not None:
        return weights
    key = jax.random.fold_in(jax.random.key(arguments.seed), 1)
    shape = weights["params"]["maps_kernel"].shape
    drawn = variance**0.5 * jax.random.normal(key, shape)
    return {"params": {**weights["params"], "maps_kernel": drawn}}


def _trunk(name: str, configuration: IEFConfig, key: jax.Array) -> Weights:
    """conv-1 and the stages of a checkpoint's network."""
    expected = jax.eval_shape(lambda: build.initial_weights(configuration, key))["params"]
    found = checkpoints.load(name).weights["network"]["params"]
    wanted = {part: expected[part] for part, is_trunk in _stages(expected).items() if is_trunk}
    trunk = {part: found[part] for part, is_trunk in _stages(found).items() if is_trunk}
    checkpoint_files.check_weights(trunk, wanted, f"--trunk {name}")
    return trunk


def _split(arguments: Train, weights: Weights) -> tuple[Weights, Weights]:
    """(weights that stay as they are, weights that are trained)."""
    stages = [f"stages_{index}" for index in range(arguments.network.frozen)]
    names = ["conv1", *stages] if stages else []
    parameters = weights["params"]
    return (
        {name: parameters[name] for name in names},
        {name: part for name, part in parameters.items() if name not in names},
    )


def optimiser(
    options: OptimiserOptions, pretrained_rate: float, iterations: int
) -> optax.GradientTransformation:
    """As the options say, slower for conv-1 and the stages."""
    return optax.chain(
        optimisers.from_options(options, iterations),
        optax.masked(optax.scale(pretrained_rate), _stages),
    )


def _stages(weights: Weights) -> dict[str, bool]:
    """Which weights are those of conv-1 and the stages."""
    return {name: name.startswith(("conv1", "stages")) for name in weights}


def _advance(
    arguments: Train,
    configuration: IEFConfig,
    frozen: Weights,
    start: jax.Array,
    optimiser: optax.GradientTransformation,
    mesh: jax.sharding.Mesh,
    average: optax.GradientTransformation | None,
) -> training_step.Step:
    """The step on what `_feed` yields."""
    method = training_methods.METHODS[arguments.method]
    count = arguments.learning.batch_size
    compute = optimisers.COMPUTE[arguments.precision]

    def with_frozen(loss: Any) -> Any:
        loss = rematerialisation.rematerialised(loss) if arguments.rematerialise else loss
        return lambda weights, people: loss({"params": {**frozen, **weights}}, people)

    if not method.on_policy:
        make = partial(
            fpc.training_example, configuration=configuration, method=method, start=start
        )
        loss = with_frozen(fpc.training_loss(configuration, method, compute))
        step = training_step.training_step(
            make, loss, optimiser, count, mesh, average, arguments.microbatches
        )
        return lambda state, item: step(state, item[1])
    # The network runs once for each step that is trained: a program for each number of them.
    by_steps = {
        steps: training_step.training_step(
            lambda key, crop: (crop,),
            with_frozen(on_policy.training_loss(configuration, method, start, steps, compute)),
            optimiser,
            count,
            mesh,
            average,
            arguments.microbatches,
        )
        for steps in range(1, method.steps + 1)
    }
    return lambda state, item: by_steps[item[0]](state, item[1])


def _feed(
    arguments: Train,
    examples: Examples,
    kept: np.ndarray,
    mesh: jax.sharding.Mesh,
    stages: list[tuple[int, int]],
    done: int,
) -> Iterator[tuple[int, Any]]:
    """(how many steps are trained, what the step takes), from the step after `done` on.

    This process's crops, on their way to its devices.
    """
    count, split = arguments.learning.batch_size, training_mesh.of_batch(mesh)
    method = training_methods.METHODS[arguments.method]
    batches = pipeline.batches(
        examples.source,
        examples.make,
        count,
        arguments.seed,
        threads=arguments.threads,
        first=done,
        rows=training_mesh.own_rows(count, mesh),
    )
    for number, batch in enumerate(batches, done):
        trained = [steps for first, steps in stages if first <= number][-1]
        crops = PersonCrop(
            batch["image"],
            batch["points"][:, kept],
            batch["annotated"][:, kept],
            batch["marked"],
        )
        items = crops if method.on_policy else (np.full(len(crops.image), trained), crops)
        yield trained, training_mesh.spread(items, split)


def _evaluate(arguments: Train) -> None:
    """The tables and the picture of eval.py, on people that were not trained on."""
    from experiments.ief import evaluate  # slow to import, and a run may never come here

    workdir = arguments.run.workdir
    evaluate.run(
        Evaluate(
            checkpoint=str(workdir),
            dataset=arguments.dataset[0],
            data_dir=arguments.data_dir,
            split="validation",
            count=arguments.evaluate,
            json=workdir / "evaluation.json",
            figure=workdir / "predictions.png",
        )
    )
