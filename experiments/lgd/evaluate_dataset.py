"""`eval.py lgd-dataset`: the paper's tables, on data sets that the user has downloaded.

3DPW, Human3.6M and EHF by the paper's protocols (section 4.2), with the paper's figure and its
peers' beside ours; AMASS and CMU, whose people no real camera has seen, by the project's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import checks
from experiments.lgd import evaluate as lgd_evaluate
from experiments.lgd import report
from experiments.lgd.arguments import Amass, Cmu, Dataset, Ehf, FitOptions, H36m, ThreeDpw
from ief_jax import batches
from ief_jax.body import joints, model_files, pose_prior, regressors, smpl
from ief_jax.geometry import keypoints2d, rotations, skeletons
from ief_jax.inspector.content import Subject
from ief_jax.inspector.page import Page
from ief_jax.io.files import InputError, write_json
from ief_jax.lgd import build, checkpoints, evaluation, protocols
from ief_jax.lgd.parameters import Body

QUANTILES = {"best": 0.0, "median": 0.5, "90 % are below": 0.9, "worst": 1.0}
"""Of the errors, in the report."""


class TestSet(NamedTuple):
    """What is fitted to, and what the fits are compared with.

    Attributes:
      protocol: how the paper has it.
      compared: which points, in words.
      observed: keypoints of N people, pixels.
      truth: [N, P, 3] their true points, metres.
      points: a fitted body to its P points.
    """

    protocol: protocols.Protocol
    compared: str
    observed: keypoints2d.Keypoints2D
    truth: np.ndarray
    points: Callable[[Body], jax.Array]


@dataclass(frozen=True)
class Result:
    """An evaluation on a data set: errors in mm."""

    dataset: str
    protocol: protocols.Protocol
    compared: str
    checkpoint: str
    count: int
    seconds: float
    error: float
    median: float
    baselines: dict[str, float | None]
    quantiles: dict[str, float]
    people: list[Subject]

    def to_dict(self) -> dict[str, Any]:
        """For JSON. `seconds` is the time of all fits, compiling left out."""
        return {
            "dataset": self.dataset,
            "measure": self.protocol.measure,
            "compared": self.compared,
            "checkpoint": self.checkpoint,
            "count": self.count,
            "seconds": self.seconds,
            "error_mm": self.error,
            "median_mm": self.median,
            "baselines": self.baselines,
            "paper": {row.method: row.error for row in self.protocol.reported},
        }


def run(dataset: Dataset) -> None:
    """Evaluates; prints the table, writes the figures that were asked for."""
    result = evaluate(dataset)
    print(table(result))
    if dataset.fit.json:
        write_json(dataset.fit.json, result.to_dict())
    if dataset.fit.report:
        title = f"{result.protocol.title}: {result.protocol.measure}, mm, of {result.compared}"
        whole = report.of_data_set(title, _rows(result), result.quantiles, result.people)
        Page([whole, *result.people], title).write(dataset.fit.report / "report.html")


def evaluate(dataset: Dataset) -> Result:
    """Runs the protocol; reads files, writes none."""
    options = dataset.fit
    checks.at_least(options, {"count": 1, "steps": 0, "seed": 0})
    checks.outputs(options.json, report=options.report)
    checkpoint = checkpoints.load(options.checkpoint)
    body = model_files.load_or_embedded(options.body)
    model = joints.fold(body)
    build.check_checkpoint(checkpoint, model)
    found = load(dataset, body)
    count = len(found.truth)
    size = lgd_evaluate.batch_size(count)

    @jax.jit
    def measured(estimate: evaluation.Estimate, truth: jax.Array) -> jax.Array:
        return jax.vmap(protocols.reconstruction_error)(
            jax.vmap(found.points)(estimate.body), truth
        )

    def errors(estimates: evaluation.Estimate) -> np.ndarray:
        each = batches.map_in_chunks(measured, size, estimates, found.truth)
        return np.asarray(each, np.float64)

    fit = partial(evaluation.learned, checkpoint, model, options.steps)
    estimates, seconds = lgd_evaluate.timed("LGD", fit, found.observed)
    ours = errors(estimates)
    baselines: dict[str, float | None] = {}
    if options.baselines:
        methods = lgd_evaluate.baselines_for(checkpoint, model, pose_prior.embedded())
        for name, method in methods.items():
            baselines[name] = None
            if method is not None:
                estimates, _ = lgd_evaluate.timed(name, method, found.observed)
                baselines[name] = float(errors(estimates).mean())
    quantiles = {name: float(np.quantile(ours, q)) for name, q in QUANTILES.items()}
    people = []
    if options.report:
        people = _people(checkpoint, body, options.steps, found, ours)
    return Result(
        dataset.NAME,
        found.protocol,
        found.compared,
        options.checkpoint,
        count,
        seconds,
        float(ours.mean()),
        float(np.median(ours)),
        baselines,
        quantiles,
        people,
    )


def _people(
    checkpoint: checkpoints.Checkpoint,
    body: smpl.BodyModel,
    steps: int | None,
    found: TestSet,
    errors: np.ndarray,
) -> list[Subject]:
    """The best, the median and the worst, all their states."""
    model = joints.fold(body)
    which = report.shown(errors)
    rows = np.array(list(which.values()))
    observed = jax.tree.map(lambda leaf: leaf[rows], found.observed)
    states = jax.jit(partial(evaluation.path, checkpoint, model, steps))(observed)
    points = jax.jit(jax.vmap(jax.vmap(found.points)))(states.body)
    truth = found.truth[rows]
    error = jax.jit(jax.vmap(jax.vmap(protocols.reconstruction_error, (0, None))))(points, truth)
    learned = checkpoint.configuration.steps if steps is None else steps
    each = report.Measured(states, np.asarray(points), truth, np.asarray(error), observed)
    people = {
        name: jax.tree.map(lambda leaf, row=row: np.asarray(leaf)[row], each)
        for row, name in enumerate(which)
    }
    return report.measured_people(
        body, lgd_evaluate.state_names(learned, states.keypoints.shape[1]), people
    )


def _rows(result: Result) -> list[tuple[str, bool, float]]:
    """The paper's table with our rows, for the report."""
    rows = [(row.method, row.annotated, row.error) for row in result.protocol.reported]
    here = {n: error for n, error in result.baselines.items() if error is not None}
    here[f"LGD, checkpoint {result.checkpoint}"] = result.error
    return [*rows, *((f"{name}, here", False, error) for name, error in here.items())]


def table(result: Result) -> str:
    """The paper's table with our row."""
    lines = [
        f"{result.protocol.title}: {result.protocol.measure}, mm, of {result.compared}",
        f"{result.count} people, fitted in {result.seconds:.2f} s",
        "",
    ]
    if result.protocol.reported:
        lines.append(f"{'in the paper':34}{'image + 3D':>12}{'error':>9}")
    for row in result.protocol.reported:
        annotated = "yes" if row.annotated else "no"
        lines.append(f"{row.method:34}{annotated:>12}{row.error:9.1f}")
    lines += ["", f"{'here':34}{'':12}{'error':>9}"]
    for name, error in result.baselines.items():
        lines.append(f"{name:46}" + ("        -" if error is None else f"{error:9.1f}"))
    name = f"LGD, checkpoint {result.checkpoint}"
    lines.append(f"{name:46}{result.error:9.1f}   (median {result.median:.1f})")
    return "\n".join(lines)


def load(dataset: Dataset, body: smpl.BodyModel) -> TestSet:
    """The people of a data set, as its protocol has them.

    Raises:
      InputError: its files, or others that the protocol needs, are missing or not as released.
    """
    match dataset:
        case ThreeDpw():
            return _threedpw(dataset, body)
        case H36m():
            return _h36m(dataset, body)
        case Ehf():
            return _ehf(dataset, body)
        case Amass() | Cmu():
            return _motion_capture(dataset, body)


def _observed(points: np.ndarray, confidence: np.ndarray) -> keypoints2d.Keypoints2D:
    """Keypoints in OpenPose's COCO order, [N, 18], as bodies are fitted to them."""
    points, confidence = skeletons.to_union(points, confidence, skeletons.COCO_18)
    return keypoints2d.Keypoints2D(jnp.asarray(points), jnp.asarray(confidence))


def _threedpw(dataset: ThreeDpw, body: smpl.BodyModel) -> TestSet:
    from data.threedpw import reader as threedpw_reader

    people = threedpw_reader.read(dataset.data_dir, dataset.split)
    chosen = _choose(len(people.name), dataset.fit)
    observed = _observed(people.points[chosen], people.confidence[chosen])
    if dataset.regressors is None:
        names, compared, truth = protocols.SMPL_24, "SMPL's 24 joints", people.joints[chosen]
        points = partial(protocols.points, joints.fold(body), names)
        return TestSet(protocols.THREEDPW, compared, observed, truth, points)
    names = protocols.H36M_14
    points = partial(protocols.points, _regressed(dataset.regressors, body), names)
    truth = np.zeros((len(chosen), len(names), 3), np.float32)
    for gender, path in (("m", dataset.male), ("f", dataset.female)):
        rows = np.flatnonzero(people.gender[chosen] == gender)
        if not len(rows):
            continue
        if path is None:
            option = "--male" if gender == "m" else "--female"
            raise InputError(
                f"3dpw with --regressors needs {option} FILE: {len(rows)} of its bodies "
                "are of that SMPL model"
            )
        model = _regressed(dataset.regressors, model_files.load(path))
        local = rotations.axis_angle_to_matrix(jnp.asarray(people.poses[chosen[rows]]))
        right = jax.jit(jax.vmap(partial(protocols.points, model, names)))
        bodies = Body(local, jnp.asarray(people.betas[chosen[rows]]))
        truth[rows] = batches.map_in_chunks(right, lgd_evaluate.batch_size(len(rows)), bodies)
    compared = "14 joints by Human3.6M's regressor"
    return TestSet(protocols.THREEDPW, compared, observed, truth, points)


def _h36m(dataset: H36m, body: smpl.BodyModel) -> TestSet:
    from data.h36m import reader as h36m_reader

    names = protocols.H36M_14
    points = partial(protocols.points, _regressed(dataset.regressors, body), names)
    detector = dataset.detector or h36m_reader.detectors(dataset.data_dir)[0]
    people = h36m_reader.read(dataset.data_dir, detector)
    chosen = _choose(len(people.name), dataset.fit)
    columns = [regressors.H36M_17.index(name) for name in names]
    return TestSet(
        protocols.H36M,
        f"14 joints by Human3.6M's regressor; keypoints {detector}",
        _observed(people.points[chosen], people.confidence[chosen]),
        people.joints[chosen][:, columns],
        points,
    )


def _ehf(dataset: Ehf, body: smpl.BodyModel) -> TestSet:
    from data.ehf import reader as ehf_reader

    if dataset.fit.body is None:
        raise InputError("ehf needs --body with SMPL's own file: its vertices count")
    matrix = ehf_reader.correspondence(dataset.correspondence, len(body.template))
    people = ehf_reader.read(dataset.data_dir)
    chosen = _choose(len(people.name), dataset.fit)
    return TestSet(
        protocols.EHF,
        f"{len(body.template)} vertices",
        _observed(people.points[chosen], people.confidence[chosen]),
        np.stack([matrix @ people.vertices[row] for row in chosen]).astype(np.float32),
        lambda fitted: smpl.vertices(body, fitted.local, fitted.betas),
    )


def _motion_capture(dataset: Amass | Cmu, body: smpl.BodyModel) -> TestSet:
    from data import amass, cmu

    read = {"amass": amass.load, "cmu": cmu.load}[dataset.NAME]
    poses = read(dataset.data_dir, dataset.split).poses
    chosen = _choose(len(poses), dataset.fit)
    model = joints.fold(body)
    examples = evaluation.examples_of_poses(
        model, jnp.asarray(poses[chosen]), jnp.asarray(chosen), jnp.uint32(dataset.fit.seed)
    )
    points = partial(protocols.points, model, protocols.SMPL_14)
    bodies = Body(examples.truth.local, examples.truth.betas)
    truth = batches.map_in_chunks(
        jax.jit(jax.vmap(points)), lgd_evaluate.batch_size(len(chosen)), bodies
    )
    return TestSet(
        protocols.MOTION_CAPTURE,
        f"SMPL's 14 joints; {dataset.NAME}, {dataset.split}",
        examples.observed,
        truth,
        points,
    )


def _regressed(folder: Path, body: smpl.BodyModel) -> joints.JointModel:
    """A body with the regressed joints among its points."""
    return joints.fold(body, regressors.load(folder, body))


def _choose(count: int, options: FitOptions) -> np.ndarray:
    """Rows of the people who are taken, of `count`."""
    return evaluation.choose(count, options.count, options.seed)
