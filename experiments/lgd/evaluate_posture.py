"""`eval.py lgd-posture`: what is systematically wrong with fitted bodies.

A mean error of joints says nothing of its direction. Here are the biases that one sees: knees that
are bent where they are straight, trunks that lean towards the viewer or away, heads that hang where
no face was found; and how well bodies are fitted that are turned in the image.
"""

from dataclasses import asdict, dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments import checks
from experiments.lgd.arguments import EvaluatePosture
from ief_jax import batches
from ief_jax.body import joints, model_files, smpl
from ief_jax.formats import poses as formats_poses
from ief_jax.geometry import keypoints2d
from ief_jax.io.files import write_json
from ief_jax.lgd import build, checkpoints, detector_errors, evaluation, posture
from ief_jax.lgd.evaluation import Examples
from ief_jax.lgd.parameters import Body

BATCH = 128
ARMS_DOWN = np.radians(65.0)
STANDING = 512
"""People who stand straight, seen from all sides."""
SIDES = 8
FLEXIONS = (0, 10, 20, 40, 70, 180)
"""Degrees between which the biases of knees are means."""
TURNS = (0, 45, 90, 135, 180, 270)
"""Degrees by which people are turned in the image."""


@dataclass(frozen=True)
class Biases:
    """Estimate less truth, degrees: means over people.

    Attributes:
      knees: flexion of both knees.
      trunk: tilt of the trunk towards the viewer.
      head: how far the face is raised.
    """

    knees: float
    trunk: float
    head: float


@dataclass(frozen=True)
class Result:
    """All of it.

    Attributes:
      standing: of people who stand straight, by the side that they are seen from, `SIDES` of them.
      knees: bias of knees whose true flexion is within `FLEXIONS`, degrees, by these bounds.
      no_face: of people whose faces were not found.
      turned: PA-MPJPE in mm, by how many degrees people are turned in the image.
    """

    standing: tuple[Biases, ...]
    knees: dict[str, float]
    no_face: Biases
    turned: dict[str, float]


def run(arguments: EvaluatePosture) -> None:
    """Measures, prints the tables, and writes the file that was asked for.

    Raises:
      InputError: a file cannot be read, or the checkpoint is for another body.
      OutputError: the file cannot be written.
    """
    result = evaluate(arguments)
    print(table(result))
    if arguments.json:
        write_json(arguments.json, asdict(result))


def evaluate(arguments: EvaluatePosture) -> Result:
    """Fits everybody; writes nothing."""
    checks.at_least(arguments, {"count": 1, "seed": 0})
    checks.outputs(arguments.json)
    checkpoint = checkpoints.load(arguments.checkpoint)
    model = joints.fold(model_files.load_or_embedded(arguments.body))
    build.check_checkpoint(checkpoint, model)
    poses = formats_poses.read(arguments.poses).poses
    chosen = evaluation.choose(len(poses), arguments.count, arguments.seed)
    seen = partial(evaluation.examples_of_poses, model, seed=jnp.uint32(arguments.seed))
    people = seen(jnp.asarray(poses[chosen]), jnp.asarray(chosen))
    stand = seen(jnp.asarray(_standing()), jnp.arange(STANDING))

    @jax.jit
    def measured(examples: Examples) -> tuple[posture.Posture, posture.Posture, jax.Array]:
        found = evaluation.learned(checkpoint, model, None, examples.observed)
        right = Body(examples.truth.local, examples.truth.betas)
        of = jax.vmap(partial(posture.of_body, model))
        pa_mpjpe, _, _ = jax.vmap(partial(evaluation.joint_errors, model))(found, examples)
        return of(found.body), of(right), pa_mpjpe

    fit = partial(batches.map_in_chunks, measured, BATCH)
    found, truth, _ = fit(stand)
    sides = _sides(stand)
    standing = tuple(_biases(found, truth, sides == side) for side in range(SIDES))
    by_turn = {turn: fit(_turned(people, turn)) for turn in TURNS}
    found, truth, _ = by_turn[0]
    within = np.digitize(truth.knees, FLEXIONS[1:-1])
    knees = {
        f"{low} to {high}": float((found.knees - truth.knees)[within == row].mean())
        for row, (low, high) in enumerate(zip(FLEXIONS, FLEXIONS[1:], strict=False))
        if (within == row).any()
    }
    found, truth, _ = fit(_without_face(people))
    everybody = np.ones(len(chosen), bool)
    turned = {f"{turn}": float(pa_mpjpe.mean()) for turn, (_, _, pa_mpjpe) in by_turn.items()}
    return Result(standing, knees, _biases(found, truth, everybody), turned)


def table(result: Result) -> str:
    """As Markdown."""
    lines = [
        "| estimate less truth, degrees | knees | trunk, towards the viewer | head, raised |",
        "|---|---|---|---|",
    ]
    for side, biases in enumerate(result.standing):
        lines.append(_row(f"standing straight, seen at {360 * side // SIDES}", biases))
    lines.append(_row("no face found", result.no_face))
    lines += ["", "| true flexion of a knee | bias |", "|---|---|"]
    lines += [f"| {bounds} | {bias:+.1f} |" for bounds, bias in result.knees.items()]
    lines += ["", "| turned in the image by | PA-MPJPE, mm |", "|---|---|"]
    lines += [f"| {turn} | {error:.1f} |" for turn, error in result.turned.items()]
    return "\n".join(lines)


def _row(name: str, biases: Biases) -> str:
    return f"| {name} | {biases.knees:+.1f} | {biases.trunk:+.1f} | {biases.head:+.1f} |"


def _standing() -> np.ndarray:
    """Poses [STANDING, 24, 3] of people who stand straight, their arms hanging."""
    pose = np.zeros((smpl.JOINTS, 3), np.float32)
    for side, sign in (("left", -1), ("right", 1)):
        pose[smpl.JOINT_NAMES.index(f"{side}_shoulder"), 2] = sign * ARMS_DOWN
    return np.tile(pose, (STANDING, 1, 1))


def _sides(examples: Examples) -> np.ndarray:
    """Of `SIDES`, the one from which each is seen: int [N], 0 from the front."""
    root = np.asarray(examples.truth.local)[:, 0]
    yaw = np.arctan2(root[:, 0, 2], root[:, 2, 2])
    return np.round(yaw / (2 * np.pi / SIDES)).astype(int) % SIDES


def _biases(found: posture.Posture, truth: posture.Posture, chosen: np.ndarray) -> Biases:
    # Angles that differ by a whole turn are the same
    less = [(a - b + 180) % 360 - 180 for a, b in zip(found, truth, strict=True)]
    return Biases(*(float(part[chosen].mean()) for part in less))


def _without_face(people: Examples) -> Examples:
    """The same, of whose faces no keypoint was found."""
    kept = ~np.isin(build.LAYOUT, detector_errors.FACE)
    observed = people.observed
    return people._replace(observed=observed._replace(confidence=observed.confidence * kept[None]))


def _turned(people: Examples, degrees: float) -> Examples:
    """The same, turned in the image about their middle; the truth is not."""
    points = people.observed.points
    middle = points.mean(1, keepdims=True)
    turned = keypoints2d.turned(points - middle, jnp.radians(degrees)) + middle
    return people._replace(observed=people.observed._replace(points=turned))
