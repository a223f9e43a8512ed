"""`eval.py lgd-triangulated`: a real detector's keypoints, fitted, against several cameras' truth.

One camera's keypoints are fitted, its lens known, by themselves and as one motion; the joints that
the keypoints of all cameras were triangulated to are the truth. Detectors' joints are not SMPL's,
so that an error of some centimetres is theirs.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import checks
from experiments.lgd.arguments import EvaluateTriangulated
from ief_jax.body import joints, model_files, smpl
from ief_jax.formats import keypoint_names
from ief_jax.geometry import camera, skeletons
from ief_jax.io import npz
from ief_jax.io.files import InputError, write_json
from ief_jax.lgd import checkpoints, fitting, metrics, motion
from ief_jax.lgd.protocols import MILLIMETRES

LIMBS = tuple(
    f"{side}_{part}"
    for part in ("hip", "shoulder", "elbow", "wrist", "knee", "ankle")
    for side in ("left", "right")
)
"""The joints that are compared, the hips first."""
PLACES = [smpl.JOINT_NAMES.index(name) for name in LIMBS]
JUMP = 150.0
"""Millimetres from frame to frame that count as a jump."""


class Truth(NamedTuple):
    """What several cameras saw of one person in F frames, and what one of them did.

    Attributes:
      points: [F, 27, 2] this camera's keypoints, pixels.
      confidence: [F, 27] of them, 0 to 1.
      intrinsics: of its lens, pixels.
      joints: [F, 12, 3] `LIMBS`, metres: x right, y up, z towards the camera; NaN where not known.
    """

    points: np.ndarray
    confidence: np.ndarray
    intrinsics: camera.Intrinsics
    joints: np.ndarray


@dataclass(frozen=True)
class Errors:
    """Means over the frames whose truth is known.

    Attributes:
      pa_mpjpe: after Procrustes alignment, mm.
      mpjpe: relative to the middle of the hips, mm.
      acceleration: how far second differences are off, mm / frame^2.
      jumps: percent of the joints that move by `JUMP` and more from one frame to the next.
    """

    pa_mpjpe: float
    mpjpe: float
    acceleration: float
    jumps: float


@dataclass(frozen=True)
class Result:
    """Of frames fitted by themselves, and as one motion where the checkpoint can; and frames."""

    frames: Errors
    motion: Errors | None
    count: int


def run(arguments: EvaluateTriangulated) -> None:
    """Fits, prints the table, and writes the file that was asked for.

    Raises:
      InputError: the file cannot be read or lacks something; or the checkpoint is for another body.
      OutputError: the file cannot be written.
    """
    result = evaluate(arguments)
    print(table(result))
    if arguments.json:
        write_json(arguments.json, asdict(result))


def evaluate(arguments: EvaluateTriangulated) -> Result:
    """Fits the frames; writes nothing."""
    checks.outputs(arguments.json)
    if not arguments.fps > 0:
        raise InputError(f"--fps is {arguments.fps}, expected more than 0")
    checkpoint = checkpoints.load(arguments.checkpoint)
    model = joints.fold(model_files.load_or_embedded(arguments.body))
    truth = read(arguments.truth)
    seen = truth.points, truth.confidence
    each = fitting.fit(checkpoint, model, *seen, None, truth.intrinsics)
    moving = None
    if checkpoint.configuration.second_order_steps:
        times = np.arange(len(truth.points)) / arguments.fps
        moving = errors(motion.fit(checkpoint, model, *seen, times, truth.intrinsics), truth)
    return Result(errors(each, truth), moving, int(_known(truth).sum()))


def read(path: Path) -> Truth:
    """Reads an npz file of `names`, `keypoints`, `joints` and `K` (see `EvaluateTriangulated`).

    Raises:
      InputError: it cannot be read, or lacks an array, or one is of another shape; names it.
    """
    found = npz.read(path, ("names", "keypoints", "joints", "K"))
    count = found["names"].size if "names" in found else 0
    frames = len(found["keypoints"]) if "keypoints" in found and found["keypoints"].ndim else 0
    wanted = {
        "names": ("[J] names of the keypoints", (count,)),
        "keypoints": ("[F, J, 3] pixels and confidence", (frames, count, 3)),
        "joints": ("[F, J, 3] metres before the camera", (frames, count, 3)),
        "K": ("[3, 3] of the lens, pixels", (3, 3)),
    }
    for name, (what, shape) in wanted.items():
        if name not in found:
            raise InputError(f"{path}: no array '{name}', expected {what}")
        if found[name].shape != shape or 0 in shape:
            raise InputError(f"{path}: {name} is {found[name].shape}, expected {what}")
    names = keypoint_names.known_names([str(name) for name in found["names"]])
    missing = [name for name in LIMBS if name not in names]
    if missing:
        raise InputError(f"{path}: names has no {', '.join(missing)}")
    limbs = found["joints"][:, [names.index(name) for name in LIMBS]]
    known = np.isfinite(limbs).all((1, 2))
    if not (known[:-2] & known[1:-1] & known[2:]).any():
        raise InputError(f"{path}: joints has no three frames running in which all limbs are known")
    points, confidence = found["keypoints"][..., :2], found["keypoints"][..., 2]
    there = np.isfinite(found["keypoints"]).all(-1)
    points, confidence = skeletons.to_union(
        np.where(there[..., None], points, 0.0), np.where(there, confidence, 0.0).clip(0, 1), names
    )
    matrix = found["K"]
    lens = camera.Intrinsics(
        jnp.float32(2 / (matrix[0, 0] + matrix[1, 1])), jnp.asarray(matrix[:2, 2], jnp.float32)
    )
    # x right, y down, z ahead to x right, y up, z towards the camera
    return Truth(points, confidence, lens, limbs * np.array([1.0, -1.0, -1.0]))


def errors(bodies: fitting.Bodies, truth: Truth) -> Errors:
    """How far bodies of the truth's frames are off."""
    found, right = _from_hips(np.asarray(bodies.joints)[:, PLACES]), _from_hips(truth.joints)
    known = _known(truth)
    aligned = jax.vmap(metrics.pa_mpjpe)(jnp.asarray(found[known]), jnp.asarray(right[known]))
    # a = x_{t+1} - 2 x_t + x_{t-1}
    acceleration = np.linalg.norm(np.diff(found - right, 2, axis=0), axis=-1)
    moved = MILLIMETRES * np.linalg.norm(np.diff(found, axis=0), axis=-1)
    return Errors(
        pa_mpjpe=MILLIMETRES * float(aligned.mean()),
        mpjpe=MILLIMETRES * float(metrics.mpjpe(found[known], right[known]).mean()),
        acceleration=MILLIMETRES * float(acceleration[np.isfinite(acceleration)].mean()),
        jumps=100 * float((moved >= JUMP).mean()),
    )


def table(result: Result) -> str:
    """As Markdown."""
    lines = [
        f"{result.count} frames; 12 joints of the limbs",
        "",
        "| fitted | PA-MPJPE, mm | MPJPE, mm | acceleration, mm / frame^2 | jumps, % |",
        "|---|---|---|---|---|",
        _row("each frame by itself", result.frames),
    ]
    if result.motion is not None:
        lines.append(_row("as one motion", result.motion))
    return "\n".join(lines)


def _row(name: str, found: Errors) -> str:
    cells = (found.pa_mpjpe, found.mpjpe, found.acceleration, found.jumps)
    return f"| {name} | {' | '.join(f'{value:.1f}' for value in cells)} |"


def _from_hips(limbs: np.ndarray) -> np.ndarray:
    """[F, 12, 3] relative to the middle of the hips."""
    return np.asarray(limbs - limbs[:, :2].mean(1, keepdims=True), np.float32)


def _known(truth: Truth) -> np.ndarray:
    """[F] whether all limbs of a frame are known."""
    return np.isfinite(truth.joints).all((1, 2))
