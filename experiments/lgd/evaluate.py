"""`eval.py lgd`: fits bodies to keypoints of known people and measures errors.

The protocol is `ief_jax.lgd.evaluation`'s: each pose once, its root turned by a uniform yaw and a
normal tilt, standard normal betas, weak perspective, the 18 COCO keypoints with the neck.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments import checks
from experiments.lgd import report
from experiments.lgd.arguments import Evaluate
from ief_jax import batches
from ief_jax.body import joints, model_files, pose_prior, smpl
from ief_jax.formats import poses as formats_poses
from ief_jax.inspector.content import Subject
from ief_jax.inspector.page import Page
from ief_jax.io.files import InputError, replacing, write_json
from ief_jax.lgd import build, checkpoints, evaluation, smplify, synthetic_views
from ief_jax.lgd.evaluation import Errors, Estimate, Examples
from ief_jax.viz import fit_report

LARGEST_BATCH = 256
FIGURE_QUANTILES = (0.1, 0.5, 0.75, 0.9, 0.99)
"""Which fits the figure shows, by their PA-MPJPE."""


@dataclass(frozen=True)
class Result:
    """An evaluation: what is printed, written and drawn; PA-MPJPE of the baselines in mm."""

    names: list[str]
    steps: fit_report.Steps
    baselines: dict[str, float | None]
    count: int
    seconds: float
    baseline_seconds: dict[str, float]
    pairs: list[fit_report.Pair]
    people: list[Subject]
    calibration: evaluation.Calibration | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON. `seconds` is the time of all fits, compiling left out."""
        return {
            "pa_mpjpe_mm": self.steps.pa_mpjpe,
            "mpjpe_mm": self.steps.mpjpe,
            "vertex_mm": self.steps.vertex,
            "reprojection": self.steps.reprojection,
            "baselines": self.baselines,
            "count": self.count,
            "seconds": self.seconds,
            "baseline_seconds": self.baseline_seconds,
            "states": self.names,
            "calibration": None if self.calibration is None else self.calibration._asdict(),
        }


def run(arguments: Evaluate) -> None:
    """Evaluates; prints the table, writes the files that were asked for."""
    result = evaluate(arguments)
    print(f"{result.count} people, fitted in {result.seconds:.2f} s, {arguments.checkpoint}")
    print(fit_report.table(result.names, result.steps, result.baselines, result.baseline_seconds))
    if result.calibration is not None:
        image, depth, ordered = result.calibration
        print(
            f"errors of joints within one stated deviation: {image:.0%} in the image, {depth:.0%} "
            f"in depth; worse than the median told by it: AUC {ordered:.2f}"
        )
    if arguments.json:
        write_json(arguments.json, result.to_dict())
    if arguments.figure:
        page = fit_report.figure(
            result.names,
            result.steps,
            result.baselines,
            result.pairs,
            f"LGD, checkpoint {arguments.checkpoint}: {result.count} people",
        )
        with replacing(arguments.figure) as file:
            page.savefig(file, format=arguments.figure.suffix[1:], dpi=130)
    if arguments.report:
        title = f"LGD, checkpoint {arguments.checkpoint}: {result.count} people"
        whole = report.summary(
            title, result.names, result.steps, result.baselines, result.baseline_seconds
        )
        Page([whole, *result.people], title).write(arguments.report / "report.html")


def evaluate(arguments: Evaluate) -> Result:
    """Runs the protocol; reads files, writes none."""
    _check(arguments)
    checkpoint = checkpoints.load(arguments.checkpoint)
    body = model_files.load_or_embedded(arguments.body)
    model = joints.fold(body)
    build.check_checkpoint(checkpoint, model)
    prior = pose_prior.embedded()
    examples = _examples(arguments, model, prior)
    count = len(examples.observed.points)
    steps = checkpoint.configuration.steps if arguments.steps is None else arguments.steps

    # LGD: timed as it is used, then once more with all its states
    observed = (examples.observed,)
    fit = partial(evaluation.learned, checkpoint, model, steps)
    fitted, seconds = timed("LGD", fit, *observed)
    sure = None
    if fitted.deviation is not None:
        sure = evaluation.calibration(model, fitted, examples)
    states, _ = timed(
        "LGD, all steps", partial(evaluation.path, checkpoint, model, steps), *observed
    )
    errors, _ = timed("errors", jax.vmap(partial(evaluation.errors, body, model)), states, examples)
    by_state = fit_report.Steps(*(np.asarray(leaf, np.float64).mean(0).tolist() for leaf in errors))

    # Baselines
    measure = jax.jit(jax.vmap(partial(evaluation.joint_errors, model)))
    baselines: dict[str, float | None] = {}
    baseline_seconds: dict[str, float] = {}
    methods = {}
    if arguments.baselines:
        methods = baselines_for(checkpoint, model, prior, arguments.keypoint_noise.noise)
    for name, method in methods.items():
        if method is None:
            baselines[name] = None
            continue
        estimates, baseline_seconds[name] = timed(name, method, *observed)
        size = batch_size(count)
        pa_mpjpe, _, _ = batches.map_in_chunks(measure, size, estimates, examples)
        baselines[name] = float(np.mean(pa_mpjpe))

    names = state_names(steps, states.keypoints.shape[1])
    shown = []
    if arguments.report:
        shown = report.people(body, model, names, states, examples, errors)
    return Result(
        names,
        by_state,
        baselines,
        count,
        seconds,
        baseline_seconds,
        _pairs(model, states, examples, errors),
        shown,
        sure,
    )


def _check(arguments: Evaluate) -> None:
    checks.at_least(arguments, {"count": 1, "steps": 0, "seed": 0})
    checks.at_least(arguments.keypoint_noise, {"noise": 0, "drop": 0})
    if not arguments.keypoint_noise.drop <= 1:
        drop = arguments.keypoint_noise.drop
        raise InputError(f"--drop is {drop}, expected a share between 0 and 1")
    checks.outputs(arguments.json, arguments.figure, arguments.report)


def _examples(
    arguments: Evaluate, model: joints.JointModel, prior: pose_prior.PosePrior
) -> Examples:
    noise = arguments.keypoint_noise
    seen = {
        "orthographic": synthetic_views.view_body,
        "perspective": synthetic_views.view_body_in_perspective,
    }
    views = jnp.uint32(arguments.seed), noise.noise, noise.drop, seen[arguments.camera]
    if arguments.poses is None:
        number = jnp.arange(arguments.count or 1000)
        return evaluation.examples_of_prior(model, prior, number, *views)
    poses = formats_poses.read(arguments.poses).poses
    chosen = evaluation.choose(len(poses), arguments.count, arguments.seed)
    return evaluation.examples_of_poses(
        model, jnp.asarray(poses[chosen]), jnp.asarray(chosen), *views
    )


def baselines_for(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    prior: pose_prior.PosePrior,
    noise: float = 0.0,
) -> dict[str, Callable[..., Estimate] | None]:
    """What each baseline does with a batch of keypoints; None where its checkpoint does not fit.

    KITRO starts from the answer of `checkpoint`.
    """
    # SMPLify is told how noisy the keypoints are (the box's side is two normalised units).
    deviation = float(np.hypot(smplify.TUNED.deviation, 2 * noise))
    optimised = partial(
        evaluation.optimised, model, prior, smplify.TUNED._replace(deviation=deviation)
    )
    lifting: Callable[..., Estimate] | None
    try:
        lifter = checkpoints.load("lifting")
        build.check_checkpoint(lifter, model)
        lifting = partial(evaluation.learned, lifter, model, None)
    except InputError as error:
        print(f"eval.py: lifting is left out: {error}", file=sys.stderr)
        lifting = None
    return {
        "rest_pose": jax.vmap(partial(evaluation.rest_pose, model)),
        "lifting": lifting,
        "kitro": partial(evaluation.swung, checkpoint, model),
        "smplify": jax.vmap(partial(optimised, smplify.YAWS[:1])),
        "smplify_restarts": jax.vmap(partial(optimised, smplify.YAWS)),
    }


def batch_size(count: int) -> int:
    """How many of `count` people are fitted at once."""
    return min(LARGEST_BATCH, count)


def timed(name: str, function: Callable[..., Any], *arrays: Any) -> tuple[Any, float]:
    """(a batched function's results for all people, seconds without compiling)."""
    count = len(jax.tree.leaves(arrays)[0])
    size = batch_size(count)
    first = jax.tree.map(lambda leaf: leaf[:size], arrays)
    compiled = jax.jit(function).lower(*first).compile()
    with tqdm(total=count, desc=name, unit="fit", leave=False) as bar:
        began = time.perf_counter()
        results = batches.map_in_chunks(compiled, size, *arrays, advance=bar.update)
        return results, time.perf_counter() - began


def state_names(learned: int, states: int) -> list[str]:
    """Of all states of a fit with so many learned steps."""
    names = ["start", *(f"step {n}" for n in range(1, learned + 1))]
    return names + [f"second order {n}" for n in range(1, states - learned)]


def _pairs(
    model: joints.JointModel, states: Estimate, examples: Examples, errors: Errors
) -> list[fit_report.Pair]:
    """Fits of typical and of large errors."""
    last = np.asarray(errors.pa_mpjpe)[:, -1]
    order = np.argsort(last)
    rows = [order[round(q * (len(order) - 1))] for q in FIGURE_QUANTILES]
    at = jax.jit(lambda local, betas: joints.positions(model, local, betas)[: smpl.JOINTS])
    return [
        fit_report.Pair(
            np.asarray(at(states.body.local[row, -1], states.body.betas[row, -1])),
            np.asarray(at(examples.truth.local[row], examples.truth.betas[row])),
            float(last[row]),
        )
        for row in dict.fromkeys(int(row) for row in rows)
    ]
