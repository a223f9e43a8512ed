"""Fitting bodies to people, what they are fitted with, and saying how well it went."""

import functools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import numpy as np
from tqdm import tqdm

from ief_jax import threads
from ief_jax.cli import keypoint_files
from ief_jax.cli.lenses import Lenses
from ief_jax.cli.shared import say
from ief_jax.formats import detections, layout_evidence
from ief_jax.formats.detections import Detections, Skipped
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from ief_jax.body.smpl import BodyModel
    from ief_jax.geometry.camera import Intrinsics
    from ief_jax.lgd.checkpoints import Checkpoint
    from ief_jax.lgd.fitting import Bodies

Gender = Literal["neutral", "male", "female"]

Result = TypeVar("Result")

_FEW = 16
"""People up to whom compiling costs more than a program that is half as fast."""
_SPECK = 0.1
"""Of the keypoints' box: bodies smaller than this explain nothing of it."""
_LARGE_ERROR = 0.06
"""Of the keypoints' box: reprojection errors above it are seldom those of a right reading."""


class Fitted(NamedTuple):
    """N people and their bodies, and those left out.

    Attributes:
      bodies: one a person.
      people: the people, in UNION_27.
      lens_known: [N] whether the lens of each one's photograph is known.
      skipped: those without a body.
    """

    bodies: "Bodies"
    people: Detections
    lens_known: np.ndarray
    skipped: list[Skipped]


def load_body(path: Path | None, gender: Gender) -> "BodyModel":
    """The body of a file, or the embedded one."""
    from ief_jax.body import model_files

    try:
        return model_files.load_or_embedded(path, gender=gender)
    except model_files.BodyFileError as error:
        raise InputError(str(error)) from error


def load_checkpoint(name: str, body: "BodyModel") -> "Checkpoint":
    """The checkpoint, which must be one for bodies such as this."""
    from ief_jax.body import joints
    from ief_jax.lgd import build, checkpoints

    checkpoint = checkpoints.load(name)
    # Those that are shipped are for all bodies of 10 betas; to check it takes half a second.
    if name not in checkpoints.SHIPPED or body.betas != 10:
        build.check_checkpoint(checkpoint, joints.fold(body))
    return checkpoint


def check_smoothness(strength: float) -> None:
    """Raises InputError unless the strength of the smoothness is one."""
    if not (np.isfinite(strength) and strength >= 0):
        raise InputError(f"--smooth {strength:g}: expected 0 or more")


def fit(
    checkpoint: "Checkpoint",
    body: "BodyModel",
    people: Detections,
    lenses: Lenses,
) -> "Bodies":
    """Fits a body to each person, in batches: to those whose lens is known, and to the others."""
    return by_lens(partial(_fit_alike, checkpoint, body), people, lenses)


def by_lens(
    fit_alike: Callable[[Detections, "Intrinsics | None"], "Bodies"],
    people: Detections,
    lenses: Lenses,
) -> "Bodies":
    """The bodies of people, one or more, of whom some have a lens that is known."""
    import jax

    groups = [np.flatnonzero(lenses.known), np.flatnonzero(~lenses.known)]
    parts = [
        fit_alike(detections.take(people, rows), lenses.of(rows)) for rows in groups if len(rows)
    ]
    if len(parts) == 1:
        return parts[0]
    back = np.argsort(np.concatenate(groups))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[back], *parts)


def _fit_alike(
    checkpoint: "Checkpoint", body: "BodyModel", people: Detections, lens: "Intrinsics | None"
) -> "Bodies":
    import jax

    from ief_jax.batches import map_in_chunks
    from ief_jax.body import joints
    from ief_jax.lgd import fitting

    count = len(people.points)
    size = batch_size(count, fitting.PART)
    *static, weights, model, pixels = fitting.arguments(
        checkpoint, joints.fold(body), people.points, people.confidence, None, lens
    )
    compiled = partial(compiled_for(count, fitting.fitted, (0, 1)), *static, weights, model)
    with tqdm(total=count, desc="fitting", unit="person", disable=count == 1) as bar:
        return map_in_chunks(
            compiled, size, jax.device_get(pixels), advance=bar.update, threads=threads.cores()
        )


def compiled_for(
    count: int, function: Callable[..., Result], static_argnums: tuple[int, ...] = ()
) -> Callable[..., Result]:
    """The function for so many people: for few, what compiles soonest rather than runs fastest.

    Args:
      count: of people.
      function: as `stored_programs.jit` takes it.
      static_argnums: likewise.
    """
    return _compiled(function, count <= _FEW, static_argnums)


@functools.cache
def _compiled(
    function: Callable[..., Result], quick: bool, static_argnums: tuple[int, ...]
) -> Callable[..., Result]:
    from ief_jax import compiling, stored_programs

    options = compiling.QUICK if quick else compiling.LEAN
    return stored_programs.jit(function, options, static_argnums)


def fit_motions(
    checkpoint: "Checkpoint",
    body: "BodyModel",
    people: Detections,
    lenses: Lenses,
    strength: float,
) -> "Bodies":
    """Fits one moving body to each person who is followed over frames, and the others one by one.

    Args:
      checkpoint: one with second-order steps.
      body: the body model.
      people: with ids, or one in each frame; frames come `fps` a second, or else 30.
      lenses: of the people's photographs.
      strength: of the smoothness, as `lgd.motion.fit` takes it.

    Raises:
      InputError: the checkpoint has none, the strength is negative, or nobody is followed.
    """
    import jax

    from ief_jax import tracking  # SciPy is slow to import
    from ief_jax.body import joints
    from ief_jax.lgd import motion

    if not checkpoint.configuration.second_order_steps:
        name = checkpoint.configuration.name
        raise InputError(f"--smooth needs a checkpoint such as released; {name} is never unsure")
    check_smoothness(strength)
    followed = tracks(people)
    if not followed:
        raise InputError(
            "--smooth needs to know who is who: the files have no ids of people, and more than "
            "one person in a frame, or one frame only"
        )
    if people.fps is None:
        rate = f"{tracking.USUAL_RATE:g} a second are taken"
        say(f"--smooth: the files do not say how fast frames follow: {rate}")
    times = tracking.frame_times(people)[people.frame]
    model = joints.fold(body)
    others = np.setdiff1d(np.arange(len(people.points)), np.concatenate(followed))
    parts: list[Bodies] = []
    for rows in tqdm(followed, desc="fitting", unit="track", disable=len(followed) == 1):
        moving = motion.fit(
            checkpoint,
            model,
            people.points[rows],
            people.confidence[rows],
            times[rows] - times[rows[0]],
            lenses.of(rows),
            strength,
        )
        parts.append(jax.device_get(moving))
    if len(others):
        apart = Lenses(*(part[others] for part in lenses))
        parts.append(fit(checkpoint, body, detections.take(people, others), apart))
    back = np.argsort(np.concatenate([*followed, others]))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[back], *parts)


def tracks(people: Detections) -> list[np.ndarray]:
    """The rows of each person who is in several frames, in the frames' order."""
    identity = people.identity
    alone = len(np.unique(people.frame)) == len(people.frame)
    if alone and (identity < 0).all():
        identity = np.zeros_like(identity)
    numbers = np.array(people.numbers)[people.frame]
    found = []
    for one in np.unique(identity[identity >= 0]):
        rows = np.flatnonzero(identity == one)
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        if len(rows) > 1 and (np.diff(numbers[rows]) > 0).all():
            found.append(rows)
    return found


def batch_size(count: int, most: int) -> int:
    """A power of two up to `most`: one shape, so one compilation, and few over many runs."""
    return min(most, 1 << (count - 1).bit_length())


def sound(
    bodies: "Bodies", people: Detections, lenses: Lenses, skipped: Sequence[Skipped], path: Path
) -> Fitted:
    """The bodies that can be used, and their people; the others are listed.

    Args:
      bodies: one a person.
      people: the people.
      lenses: of their photographs.
      skipped: those who could not be fitted.
      path: of the keypoints or photographs, for messages.

    Raises:
      InputError: nobody is left.
    """
    fitted = usable(bodies, people, lenses, skipped)
    keypoint_files.list_skipped(fitted.skipped[len(skipped) :], people, path)
    return fitted


def usable(
    bodies: "Bodies", people: Detections, lenses: Lenses, skipped: Sequence[Skipped]
) -> Fitted:
    """The bodies that can be used, and their people, one or more; arguments as of `sound`.

    A body is finite, and not a speck: keypoints that no body has, none of them sure, may be best
    explained by one so small that none of it moves.
    """
    import jax

    leaves = jax.tree.leaves(bodies)
    finite = np.all([np.isfinite(a).reshape(len(a), -1).all(1) for a in leaves], 0)
    there = detections.box_size(people.points, people.confidence)
    speck = detections.box_size(np.asarray(bodies.keypoints), people.confidence) < _SPECK * there
    reasons = np.where(speck, "no body has such keypoints", "")
    reasons = np.where(finite, reasons, "the fit is not finite")
    kept, failed = detections.part(people, reasons)
    rows = reasons == ""
    left = jax.tree.map(lambda array: array[rows], bodies)
    return Fitted(left, kept, lenses.known[rows], [*skipped, *failed])


def far(fitted: Fitted) -> np.ndarray:
    """The rows of the bodies that are far from the keypoints."""
    people = fitted.people
    box = detections.box_size(people.points, people.confidence)
    return np.flatnonzero(np.asarray(fitted.bodies.error) > _LARGE_ERROR * box)


def warn(fitted: Fitted, read: Sequence[Detections]) -> None:
    """Says of whom the body is far from the keypoints, and why that is likely to be."""
    people, error = fitted.people, np.asarray(fitted.bodies.error)
    box = detections.box_size(people.points, people.confidence)
    large = far(fitted)
    if not len(large):
        return
    starts = np.cumsum([0, *(len(one.frame_names) for one in read)])
    causes = []
    for one, start in zip(read, starts, strict=False):
        there = {(int(people.frame[i]) - start, int(people.person[i])) for i in large}
        each = zip(one.frame.tolist(), one.person.tolist(), strict=True)
        rows = np.array([pair in there for pair in each])
        if rows.any():
            causes.append(layout_evidence.likely_cause(detections.take(one, np.flatnonzero(rows))))
    who = ", ".join(
        f"{people.frame_names[people.frame[i]]} person {people.person[i]}" for i in large[:3]
    )
    more = f" and {len(large) - 3} more" if len(large) > 3 else ""
    say(
        f"warning: {who}{more}: the body is {100 * np.max(error[large] / box[large]):.0f} % "
        f"of the keypoints' box away from them: {'; '.join(dict.fromkeys(causes))}"
    )
