"""Files of people who move: AMASS's npz and a BVH of each, and a glTF of all."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ief_jax.cli import bodies, scenes
from ief_jax.cli.bodies import Fitted
from ief_jax.cli.shared import counted, say
from ief_jax.formats.detections import Detections

if TYPE_CHECKING:
    from ief_jax.body.motion import Motion
    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.fitting import Bodies

_PERSON = re.compile(r"person_\d+\.(npz|bvh)")


class Moving(NamedTuple):
    """Somebody's motion, and arrays by key that AMASS's file has beside it."""

    motion: "Motion"
    further: Mapping[str, np.ndarray]


def write(
    output: Path, body: "BodyModel", people: Sequence[Moving], fps: float | None, gender: str
) -> None:
    """Writes NAME.npz and NAME.bvh of each person, and people.glb.

    Those of an earlier run's people, who are not among these, are deleted. Without `fps` frames a
    second, `tracking.USUAL_RATE` is taken.

    Raises:
      OutputError: a file cannot be written.
    """
    from ief_jax import tracking  # SciPy is slow to import
    from ief_jax.formats import amass, bvh, gltf

    rate = fps or tracking.USUAL_RATE
    for motion, further in people:
        amass.write(output / f"{motion.name}.npz", body, motion, rate, gender, further)
        bvh.write(output / f"{motion.name}.bvh", body, motion, rate)
    gltf.write(output / "people.glb", body, [motion for motion, _ in people])
    _forget_others(output, {motion.name for motion, _ in people})
    say(f"{output}: {counted(len(people), 'person', 'people')} in motion (npz, BVH, people.glb)")


def _forget_others(output: Path, names: set[str]) -> None:
    """Deletes the motions of people who are not among these: an earlier run's."""
    for path in output.iterdir():
        if _PERSON.fullmatch(path.name) and path.stem not in names:
            with contextlib.suppress(OSError):
                path.unlink()


def of_fitted(fitted: Fitted, size: tuple[int, int]) -> list[Moving]:
    """The people who are followed over frames, each with the mean of their shapes.

    Args:
      fitted: the people and their bodies.
      size: of the frames, pixels.
    """
    import jax

    from ief_jax import tracking  # SciPy is slow to import
    from ief_jax.body.motion import Motion
    from ief_jax.formats.bodies import before_the_camera

    people = fitted.people
    times = tracking.frame_times(people)
    numbers = np.array(people.numbers, np.int64)
    moving = []
    for rows in bodies.tracks(people):
        some = scenes.with_lens(
            jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf[rows]), fitted.bodies),
            fitted.lens_known[rows],
            size,
        )
        motion = Motion(
            f"person_{max(int(people.identity[rows[0]]), 0)}",
            np.asarray(some.poses).reshape(len(rows), -1, 3),
            np.mean(some.betas, 0),
            before_the_camera(some),
            times[people.frame[rows]] - times[0],
        )
        moving.append(Moving(motion, beside(people, rows, numbers[people.frame[rows]], some)))
    return moving


def beside(
    people: Detections, rows: np.ndarray, frames: np.ndarray, found: "Bodies"
) -> dict[str, np.ndarray]:
    """What AMASS's file has beside the motion of some rows.

    Args:
      people: in UNION_27.
      rows: of one person.
      frames: their numbers.
      found: the bodies of these rows; their lens is known, or was assumed.
    """
    further = {
        "frame": frames,
        "confidence": people.confidence[rows],
        "points": people.points[rows],
        "keypoint_names": np.array(people.names),
        "reprojection_error": np.asarray(found.error),
        "focal": 1 / np.asarray(found.inverse_focal)[0],
        "principal": np.asarray(found.principal)[0],
    }
    if found.deviation is not None:
        further["joint_deviation"] = np.asarray(found.deviation)
    return further
