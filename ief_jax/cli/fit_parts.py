"""`ief-jax fit` of many frames, part by part: each is kept, and in the end they are one file.

A part's npz is written whole or not at all, and depends on nothing but its own keypoints, so that a
run that was stopped goes on, and several runs, on one machine or many, share the parts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ief_jax.cli import bodies, body_files, lenses
from ief_jax.cli.bodies import Fitted, Gender
from ief_jax.cli.fit_source import Source
from ief_jax.cli.lenses import Lenses
from ief_jax.cli.shared import counted, say
from ief_jax.formats import body_parts, detections, photographs
from ief_jax.formats.detections import Detections
from ief_jax.formats.meshes import MeshFormat
from ief_jax.geometry import skeletons
from ief_jax.io import files, npz
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from ief_jax.body.smpl import BodyModel
    from ief_jax.geometry.camera import Intrinsics
    from ief_jax.lgd.checkpoints import Checkpoint
    from ief_jax.lgd.fitting import Bodies

    Fit = Callable[[Detections, Lenses], Bodies]

FOLDER = "parts"
"""Within the output."""
_ABOUT = "about.json"
_FIT_BATCH = 512
_MANY = 0.1
"""Of the bodies of a part: more that are far from their keypoints are worth a warning."""


class Job(NamedTuple):
    """Everything that parts are made of and with.

    Attributes:
      source: the keypoints.
      output: folder for the results.
      checkpoint: what fits bodies.
      body: the body model.
      gender: of the body model.
      focal: focal length, pixels, if it is known.
      size: of every image, pixels, if it is known.
      album: photographs.
      meshes: kind of meshes to write.
      pictures: whether to draw contact sheets of each part.
      every_picture: whether to draw every fit, too.
    """

    source: Source
    output: Path
    checkpoint: "Checkpoint"
    body: "BodyModel"
    gender: Gender
    focal: float | None
    size: tuple[float, float] | None
    album: photographs.Album
    meshes: MeshFormat | None
    pictures: bool
    every_picture: bool = False


class Shard(NamedTuple):
    """The `number`-th, from 1, of `total` runs that share the parts: every `total`-th part."""

    number: int
    total: int


def parse_shard(text: str) -> Shard:
    """A shard as `2/8`; raises InputError."""
    number, _, total = text.partition("/")
    if number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total):
        return Shard(int(number), int(total))
    raise InputError(f"--shard {text}: expected I/N, the I-th of N, such as 1/8 to 8/8")


def run(job: Job, shard: Shard | None) -> None:
    """Makes the parts that are not there, of a shard; without one all, and then the whole of them.

    Raises:
      InputError: the output has parts of something else; nobody at all can be fitted.
      OutputError: a file cannot be written.
    """
    claim(job)
    first, step = (0, 1) if shard is None else (shard.number - 1, shard.total)
    mine = range(first, job.source.parts, step)
    missing = [number for number in mine if not is_there(job, number)]
    if len(missing) < len(mine):
        done = counted(len(mine) - len(missing), "part", "parts")
        say(f"{job.output / FOLDER}: {done} of {len(mine)} are there already")
    fit = fitter(job.checkpoint, job.body)
    with tqdm(total=len(mine), initial=len(mine) - len(missing), desc="parts", unit="part") as bar:
        for number in missing:
            if not is_there(job, number):
                make(job, fit, number)
            bar.update()
    if shard is None:
        join(job)
        return
    there = sum(is_there(job, number) for number in range(job.source.parts))
    say(
        f"{job.output / FOLDER}: {there} of {job.source.parts} parts are there; the same command "
        "without --shard puts them together"
    )


def claim(job: Job) -> None:
    """Makes the folder of the parts and says what they are of; parts of something else stay.

    Raises:
      InputError: there are such; names the first value that differs.
      OutputError: the folder cannot be written.
    """
    path = files.output_folder(job.output / FOLDER) / _ABOUT
    wanted = _about(job)
    if not path.exists():
        files.write_json(path, wanted)
    found = files.read_json(path)
    for name, value in wanted.items():
        other = found.get(name) if isinstance(found, dict) else None
        if other != value:
            raise InputError(
                f"{path.parent} has parts of {name} {other!r}, not {value!r}: take another "
                "--output, or remove it"
            )


def is_there(job: Job, number: int) -> bool:
    """Whether a part has been made."""
    return part_path(job, number).exists()


def part_path(job: Job, number: int) -> Path:
    """Where a part is kept."""
    return job.output / FOLDER / f"{number:06d}.npz"


def make(job: Job, fit: "Fit", number: int) -> None:
    """Fits the people of a part, and writes what is asked for; the npz last.

    Args:
      job: what is asked for.
      fit: of `fitter`.
      number: of the part.

    Raises:
      InputError: with `strict` in the source, something cannot be read.
      OutputError: a file cannot be written.
    """
    from ief_jax.formats import bodies as formats_bodies

    people, skipped = detections.usable(job.source.read(number))
    each_lens = lenses.of_people(job.focal, job.size, job.album, people)
    fitted = Fitted(fit(people, each_lens), people, each_lens.known, skipped)
    if len(people.points):
        fitted = bodies.usable(fitted.bodies, people, each_lens, skipped)
        _warn(number, fitted)
        beside = part_path(job, number).with_suffix("")
        if job.meshes:
            into = files.output_folder(beside / "meshes")
            body_files.write_meshes(into, job.body, fitted.bodies, fitted.people, job.meshes)
        if job.pictures:
            body_files.write_pictures(
                files.output_folder(beside),
                *(job.body, fitted.bodies, fitted.people, job.album, job.every_picture),
            )
    formats_bodies.write(
        part_path(job, number),
        fitted.bodies,
        fitted.people,
        fitted.skipped,
        job.gender,
        fitted.lens_known,
    )


def _warn(number: int, fitted: Fitted) -> None:
    far = len(bodies.far(fitted))
    if far > _MANY * len(fitted.people.points):
        say(
            f"warning: part {number}: {far} of {len(fitted.people.points)} bodies are far from "
            "their keypoints; is the skeleton right?"
        )


def fitter(checkpoint: "Checkpoint", body: "BodyModel") -> "Fit":
    """Fits any number of people in batches of one size, each split over all devices."""
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from ief_jax.batches import map_in_chunks
    from ief_jax.body import joints
    from ief_jax.lgd import fitting
    from ief_jax.training import mesh

    model = joints.fold(body)
    split = NamedSharding(mesh.device_mesh(), PartitionSpec("batch"))

    def some(*arrays: Any) -> "Bodies":
        if jax.device_count() > 1:
            arrays = jax.device_put(arrays, split)
        points, confidence, *lens = arrays
        return fitting.fit(checkpoint, model, points, confidence, None, *lens)

    size = _FIT_BATCH * jax.device_count()
    template = np.zeros((size, len(skeletons.UNION_27), 2), np.float32)

    def alike(people: Detections, lens: "Intrinsics | None") -> "Bodies":
        given = () if lens is None else (lens,)
        return map_in_chunks(some, size, people.points, people.confidence, *given)

    def fit(people: Detections, lenses: Lenses) -> "Bodies":
        if len(people.points):
            return bodies.by_lens(alike, people, lenses)
        shapes = jax.eval_shape(some, template, template[..., 0])
        return jax.tree.map(lambda leaf: np.zeros((0, *leaf.shape[1:]), leaf.dtype), shapes)

    return fit


def join(job: Job) -> None:
    """Writes bodies.npz of all parts, people who are followed over frames with their numbers.

    Raises:
      InputError: a part is damaged; or nobody was fitted.
      OutputError: it cannot be written.
    """
    parts = [part_path(job, number) for number in range(job.source.parts)]
    path = job.output / "bodies.npz"
    count = body_parts.join(parts, path, _followed(parts))
    if not count:
        raise InputError(f"{path}: nobody could be fitted; it says of each why (skipped_reason)")
    error = npz.read(path, ["reprojection_error"])["reprojection_error"]
    say(
        f"{path}: {counted(count, 'body', 'bodies')}, reprojection error {np.median(error):.1f} px "
        f"(median), {np.max(error):.1f} px (largest)"
    )


def _followed(parts: Sequence[Path]) -> list[np.ndarray] | None:
    """Of each part, the people's numbers; None where they have some, or frames are no sequence.

    Whether frames are a sequence is told by the first part and by the numbers of all.
    """
    from ief_jax import tracking  # SciPy is slow to import

    first = _as_detections(body_parts.people(parts[0]))
    if not len(first.points) or tracking.followed(first) is first:
        return None
    last, state, found = -np.inf, tracking.State(), []
    for part in tqdm(parts, desc="who is who", unit="part"):
        people = body_parts.people(part)
        if (people.identity >= 0).any() or (np.diff(people.numbers, prepend=last) <= 0).any():
            return None
        rate = tracking.USUAL_RATE if np.isnan(people.fps) else people.fps
        last, identity = people.numbers[-1], people.identity.copy()
        for number, rows in _rows_of_frames(people):
            at = number / rate
            state, identity[rows] = tracking.step(
                state, people.points[rows], people.confidence[rows], at
            )
        found.append(identity)
    return found


def _rows_of_frames(people: body_parts.People) -> Iterator[tuple[int, np.ndarray]]:
    """The number of each frame that has somebody, and its rows."""
    order = np.argsort(people.frame, kind="stable")
    numbers, starts = np.unique(people.frame[order], return_index=True)
    rows = np.split(order, starts[1:]) if len(starts) else []
    yield from zip(numbers.tolist(), rows, strict=True)


def _as_detections(people: body_parts.People) -> Detections:
    index = {number: place for place, number in enumerate(people.numbers.tolist())}
    frame = np.array([index[number] for number in people.frame.tolist()], np.int64)
    count = len(people.numbers)
    return Detections(
        people.points,
        people.confidence,
        (),
        "",
        "",
        frame,
        np.zeros_like(frame),
        ("",) * count,
        (None,) * count,
        tuple(people.numbers.tolist()),
        people.identity,
        None if np.isnan(people.fps) else people.fps,
    )


def _about(job: Job) -> Mapping[str, Any]:
    """What makes parts what they are."""
    from ief_jax.io.checkpoint_files import checksum

    return {
        **job.source.about,
        "parts": job.source.parts,
        "checkpoint": [job.checkpoint.configuration.name, checksum(job.checkpoint.weights)],
        "body": [job.gender, checksum(job.body)],
        "focal": job.focal,
        "size": job.size if job.size is None else list(job.size),
        "meshes": job.meshes,
        "pictures": job.pictures,
        "every_picture": job.every_picture,
    }
