"""`eval.py lgd --dataset`: the paper's tables, on data sets that the user has downloaded.

3DPW, Human3.6M and EHF by the paper's protocols (section 4.2), with the paper's figure and its
peers' beside ours; AMASS and CMU, whose people are seen by no real camera, by the project's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from experiments import checks
from experiments.lgd import evaluate as lgd_evaluate
from ief_jax import batches
from ief_jax.body import joints, model_files, pose_prior, regressors, smpl
from ief_jax.geometry import keypoints2d, rotations
from ief_jax.io.files import InputError, write_json
from ief_jax.lgd import build, checkpoints, evaluation, protocols
from ief_jax.lgd.parameters import Body


@dataclass(frozen=True)
class Arguments:
    """Evaluate learned gradient descent as the paper does, on a data set of yours.

    Attributes:
      dataset: 3dpw, h36m (Human3.6M, Protocol 2), ehf, amass or cmu.
      data_dir: its folder; for amass and cmu, as `python -m data.prepare_poses` prepared it.
      split: train, validation or test of 3dpw; also paper, or a data set's name, of amass.
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      regressors: folder with J_regressor_h36m.npy; h36m needs it. 3dpw is evaluated on
        Human3.6M's 14 joints with it, on SMPL's 24 without.
      male: SMPL's male body, for 3dpw's true bodies with --regressors.
      female: SMPL's female body, likewise.
      correspondence: file that takes SMPL-X's mesh to SMPL's; ehf needs it.
      detector: which of h36m's files of keypoints; the paper's own by default, or the next best.
      count: people to take, chosen at random; all by default.
      steps: learned steps; the checkpoint's own number by default.
      seed: of the choice; and of the views, where there is no real camera.
      baselines: run our own baselines too; SMPLify takes its time.
      json: file for the figures.
    """

    dataset: Literal["3dpw", "h36m", "ehf", "amass", "cmu"]
    data_dir: Path
    split: str = "test"
    checkpoint: str = "released"
    body: Path | None = None
    regressors: Path | None = None
    male: Path | None = None
    female: Path | None = None
    correspondence: Path | None = None
    detector: str | None = None
    count: int | None = None
    steps: int | None = None
    seed: int = 0
    baselines: bool = False
    json: Path | None = None


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


def dataset(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Evaluate learned gradient descent (LGD) as the paper does, on a data set of yours."""
    result = evaluate(arguments)
    print(table(result))
    if arguments.json:
        write_json(arguments.json, result.to_dict())


def evaluate(arguments: Arguments) -> Result:
    """Runs the protocol; reads files, writes none."""
    checks.at_least(arguments, {"count": 1, "steps": 0, "seed": 0})
    checks.outputs(arguments.json)
    checkpoint = checkpoints.load(arguments.checkpoint)
    body = model_files.load_or_embedded(arguments.body)
    model = joints.fold(body)
    build.check_checkpoint(checkpoint, model)
    found = TEST_SETS[arguments.dataset](arguments, body)
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

    fit = partial(evaluation.learned, checkpoint, model, arguments.steps)
    estimates, seconds = lgd_evaluate.timed("LGD", fit, found.observed)
    ours = errors(estimates)
    baselines: dict[str, float | None] = {}
    if arguments.baselines:
        for name, method in lgd_evaluate.baselines_for(model, pose_prior.embedded()).items():
            baselines[name] = None
            if method is not None:
                estimates, _ = lgd_evaluate.timed(name, method, found.observed)
                baselines[name] = float(errors(estimates).mean())
    return Result(
        arguments.dataset,
        found.protocol,
        found.compared,
        arguments.checkpoint,
        count,
        seconds,
        float(ours.mean()),
        float(np.median(ours)),
        baselines,
    )


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


def _threedpw(arguments: Arguments, body: smpl.BodyModel) -> TestSet:
    from data.threedpw import reader as threedpw_reader

    if arguments.split not in threedpw_reader.SPLITS:
        raise InputError(
            f"--split is {arguments.split}, expected {', '.join(threedpw_reader.SPLITS)}"
        )
    people = threedpw_reader.read(arguments.data_dir, arguments.split)
    chosen = evaluation.choose(len(people.name), arguments.count, arguments.seed)
    observed = keypoints2d.Keypoints2D(people.points[chosen], people.confidence[chosen])
    if arguments.regressors is None:
        names, compared, truth = protocols.SMPL_24, "SMPL's 24 joints", people.joints[chosen]
        points = partial(protocols.points, joints.fold(body), names)
        return TestSet(protocols.THREEDPW, compared, observed, truth, points)
    names = protocols.H36M_14
    points = partial(protocols.points, _regressed(arguments.regressors, body), names)
    truth = np.zeros((len(chosen), len(names), 3), np.float32)
    for gender, path in (("m", arguments.male), ("f", arguments.female)):
        rows = np.flatnonzero(people.gender[chosen] == gender)
        if not len(rows):
            continue
        if path is None:
            option = "--male" if gender == "m" else "--female"
            raise InputError(
                f"--dataset 3dpw with --regressors needs {option} FILE: {len(rows)} of its bodies "
                "are of that SMPL model"
            )
        model = _regressed(arguments.regressors, model_files.load(path))
        local = rotations.axis_angle_to_matrix(jnp.asarray(people.poses[chosen[rows]]))
        right = jax.jit(jax.vmap(partial(protocols.points, model, names)))
        bodies = Body(local, jnp.asarray(people.betas[chosen[rows]]))
        truth[rows] = batches.map_in_chunks(right, lgd_evaluate.batch_size(len(rows)), bodies)
    compared = "14 joints by Human3.6M's regressor"
    return TestSet(protocols.THREEDPW, compared, observed, truth, points)


def _h36m(arguments: Arguments, body: smpl.BodyModel) -> TestSet:
    from data.h36m import reader as h36m_reader

    if arguments.regressors is None:
        raise InputError(
            f"--dataset h36m needs --regressors DIR with {regressors.H36M_FILE}, and --body "
            "with SMPL's own file, whose vertices it is for"
        )
    names = protocols.H36M_14
    points = partial(protocols.points, _regressed(arguments.regressors, body), names)
    detector = arguments.detector or h36m_reader.detectors(arguments.data_dir)[0]
    people = h36m_reader.read(arguments.data_dir, detector)
    chosen = evaluation.choose(len(people.name), arguments.count, arguments.seed)
    columns = [regressors.H36M_17.index(name) for name in names]
    return TestSet(
        protocols.H36M,
        f"14 joints by Human3.6M's regressor; keypoints {detector}",
        keypoints2d.Keypoints2D(people.points[chosen], people.confidence[chosen]),
        people.joints[chosen][:, columns],
        points,
    )


def _ehf(arguments: Arguments, body: smpl.BodyModel) -> TestSet:
    from data.ehf import reader as ehf_reader

    if arguments.correspondence is None:
        raise InputError(
            "--dataset ehf needs --correspondence FILE, which takes SMPL-X's vertices to SMPL's "
            "(smplx2smpl_deftrafo_setup.pkl of smplx's transfer data), and --body with SMPL's own "
            "file"
        )
    if arguments.body is None:
        raise InputError("--dataset ehf needs --body with SMPL's own file: its vertices count")
    matrix = ehf_reader.correspondence(arguments.correspondence, len(body.template))
    people = ehf_reader.read(arguments.data_dir)
    chosen = evaluation.choose(len(people.name), arguments.count, arguments.seed)
    return TestSet(
        protocols.EHF,
        f"{len(body.template)} vertices",
        keypoints2d.Keypoints2D(people.points[chosen], people.confidence[chosen]),
        np.stack([matrix @ people.vertices[row] for row in chosen]).astype(np.float32),
        lambda fitted: smpl.vertices(body, fitted.local, fitted.betas),
    )


def _motion_capture(arguments: Arguments, body: smpl.BodyModel) -> TestSet:
    from data import amass, cmu

    loader = {"amass": amass.load, "cmu": cmu.load}[arguments.dataset]
    poses = loader(arguments.data_dir, arguments.split).poses
    chosen = evaluation.choose(len(poses), arguments.count, arguments.seed)
    model = joints.fold(body)
    examples = evaluation.examples_of_poses(
        model, jnp.asarray(poses[chosen]), jnp.asarray(chosen), jnp.uint32(arguments.seed)
    )
    points = partial(protocols.points, model, protocols.SMPL_14)
    bodies = Body(examples.truth.local, examples.truth.betas)
    truth = batches.map_in_chunks(
        jax.jit(jax.vmap(points)), lgd_evaluate.batch_size(len(chosen)), bodies
    )
    return TestSet(
        protocols.MOTION_CAPTURE,
        f"SMPL's 14 joints; {arguments.dataset}, {arguments.split}",
        examples.observed,
        truth,
        points,
    )


def _regressed(folder: Path, body: smpl.BodyModel) -> joints.JointModel:
    """A body with the regressed joints among its points."""
    return joints.fold(body, regressors.load(folder, body))


TEST_SETS: dict[str, Callable[[Arguments, smpl.BodyModel], TestSet]] = {
    "3dpw": _threedpw,
    "h36m": _h36m,
    "ehf": _ehf,
    "amass": _motion_capture,
    "cmu": _motion_capture,
}
