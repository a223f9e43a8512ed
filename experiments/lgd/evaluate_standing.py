"""`eval.py lgd-standing`: how people come out who stand upright in photographs.

Nobody knows their bodies, but people stand upright whichever side they are seen from: where the
fits of many of them lean towards the viewer in the mean, or bend their knees, that is the fitter's.
"""

from dataclasses import asdict, dataclass

import jax
import jax.numpy as jnp
import numpy as np

from experiments import checks
from experiments.lgd.arguments import EvaluateStanding
from ief_jax.body import joints, model_files, smpl
from ief_jax.formats import detection_files, detections
from ief_jax.geometry import rotations
from ief_jax.io.files import InputError, write_json
from ief_jax.lgd import build, checkpoints, fitting, posture
from ief_jax.lgd.parameters import Body

UPRIGHT_TRUNK = 8.0
"""Degrees from the vertical of the image, at most: of the line between hips and shoulders."""
UPRIGHT_LEGS = 12.0
"""Likewise of each thigh and shank."""
STRAIGHT_KNEES = 10.0
"""Degrees between thigh and shank in the image, at most."""


@dataclass(frozen=True)
class Mean:
    """Over people, and its standard error: degrees."""

    mean: float
    error: float


@dataclass(frozen=True)
class Result:
    """Of the people who stand.

    Attributes:
      people: how many they are.
      trunk: tilt of the trunk towards the viewer.
      legs: of the line from the ankles to the hips.
      head: how far the face is raised; negative where it hangs.
      knees: their flexion.
    """

    people: int
    trunk: Mean
    legs: Mean
    head: Mean
    knees: Mean


def run(arguments: EvaluateStanding) -> None:
    """Fits, prints the table, and writes the file that was asked for.

    Raises:
      InputError: a file cannot be read, nobody in them stands, or the checkpoint is for another
        body.
      OutputError: the file cannot be written.
    """
    result = evaluate(arguments)
    print(table(result))
    if arguments.json:
        write_json(arguments.json, asdict(result))


def evaluate(arguments: EvaluateStanding) -> Result:
    """Fits those who stand; writes nothing."""
    checks.outputs(arguments.json)
    checkpoint = checkpoints.load(arguments.checkpoint)
    model = joints.fold(model_files.load_or_embedded(arguments.body))
    read = [detection_files.read(path, arguments.skeleton) for path in arguments.keypoints]
    found, _ = detections.usable(detections.joined([detections.to_union(one) for one in read]))
    rows = np.flatnonzero(stands(found.points, found.confidence))
    if len(rows) < 2:
        raise InputError(
            f"{arguments.keypoints[0]}: {len(rows)} of {len(found.points)} people stand upright "
            "with shoulders, hips, knees and ankles seen, expected 2 at least"
        )
    bodies = jax.device_get(
        fitting.fit(checkpoint, model, found.points[rows], found.confidence[rows])
    )

    @jax.jit
    @jax.vmap
    def held(poses: jax.Array, betas: jax.Array) -> posture.Posture:
        local = rotations.axis_angle_to_matrix(poses.reshape(smpl.JOINTS, 3))
        return posture.of_body(model, Body(local, betas))

    how = held(jnp.asarray(bodies.poses), jnp.asarray(bodies.betas))
    up = _middle(bodies.joints, smpl.JOINT_NAMES, "hip")
    up = up - _middle(bodies.joints, smpl.JOINT_NAMES, "ankle")
    legs = np.degrees(np.arctan2(up[:, 2], up[:, 1]))
    knees = np.asarray(how.knees).mean(1)
    return Result(len(rows), *(_mean(part) for part in (how.trunk, legs, how.head, knees)))


def stands(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Who stands upright in the image, trunk and legs seen: [N] of [N, 27, 2] and [N, 27]."""
    place = {name: points[:, row] for row, name in enumerate(build.LAYOUT)}
    needed = [
        build.LAYOUT.index(f"{side}_{part}")
        for side in ("left", "right")
        for part in ("shoulder", "hip", "knee", "ankle")
    ]
    upright = (confidence[:, needed] > 0).all(1)
    trunk = _middle(points, build.LAYOUT, "hip") - _middle(points, build.LAYOUT, "shoulder")
    upright &= np.abs(_lean(trunk)) < UPRIGHT_TRUNK
    for side in ("left", "right"):
        thigh = _lean(place[f"{side}_knee"] - place[f"{side}_hip"])
        shank = _lean(place[f"{side}_ankle"] - place[f"{side}_knee"])
        upright &= (np.abs(thigh) < UPRIGHT_LEGS) & (np.abs(shank) < UPRIGHT_LEGS)
        upright &= np.abs(thigh - shank) < STRAIGHT_KNEES
    return upright


def table(result: Result) -> str:
    """As Markdown."""
    lines = [
        f"{result.people} people who stand upright in the image",
        "",
        "| degrees | mean | standard error |",
        "|---|---|---|",
    ]
    for name, part in (
        ("trunk, towards the viewer", result.trunk),
        ("legs, towards the viewer", result.legs),
        ("face, raised", result.head),
        ("flexion of the knees", result.knees),
    ):
        lines.append(f"| {name} | {part.mean:+.1f} | {part.error:.1f} |")
    return "\n".join(lines)


def _mean(values: np.ndarray | jax.Array) -> Mean:
    values = np.asarray(values)
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def _middle(points: np.ndarray, names: tuple[str, ...], part: str) -> np.ndarray:
    """[N, ...] of the left and the right one of [N, J, ...]."""
    left, right = (points[:, names.index(f"{side}_{part}")] for side in ("left", "right"))
    return (left + right) / 2


def _lean(down: np.ndarray) -> np.ndarray:
    """Degrees from the image's y to vectors [N, 2], positive to the right: [N]."""
    return np.degrees(np.arctan2(down[:, 0], down[:, 1]))
