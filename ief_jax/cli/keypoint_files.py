"""Reading files of keypoint detections, and saying what is in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ief_jax.cli.shared import counted, once, say
from ief_jax.formats import detection_files, detections, photographs
from ief_jax.formats.assembling import Options
from ief_jax.formats.detections import Detections, Skipped
from ief_jax.io import files
from ief_jax.io.files import InputError

Skeleton = Literal[
    "COCO_17",
    "COCO_18",
    "COCO_17_NECK",
    "BODY_19",
    "BODY_25",
    "BODY_25B",
    "UNION_27",
    "BODY_135",
    "MPI_15",
    "HALPE_26",
    "HALPE_136",
    "WHOLEBODY_133",
    "MEDIAPIPE_33",
    "MPII_16",
    "LSP_14",
    "AIC_14",
    "CROWDPOSE_14",
    "H36M_17",
    "H36M_16",
    "SMPL_24",
]

LISTED = 20
"""People left out who are listed one by one; the npz lists all."""


def album(images: Path | None, keypoints: Sequence[Path]) -> photographs.Album:
    """The photographs: those that are said, or those beside `keypoints/` in a folder."""
    if images is not None:
        return photographs.catalogue(images)
    beside = keypoints[0] / "images" if len(keypoints) == 1 else None
    if beside is not None and beside.is_dir():
        try:
            return photographs.catalogue(beside)
        except InputError:
            return photographs.EMPTY
    return photographs.EMPTY


def options(
    skeleton: Skeleton | None,
    minimum: float | None,
    size: tuple[float, float] | None,
    names: Path | None,
    strict: bool,
    album: photographs.Album,
) -> Options:
    """How the options of the command line say that files are to be read."""

    def size_of(frame: str, image: str | None, number: int | None) -> tuple[float, float] | None:
        path = photographs.find(album, frame, image, number)
        return None if path is None else photographs.size(path)

    if size is not None and not min(size) > 0:
        raise InputError(f"--image-size {size[0]:g} {size[1]:g}: expected width and height")
    if minimum is not None and not 0 <= minimum < np.inf:
        raise InputError(f"--min-confidence {minimum:g}: expected 0 or more")
    return Options(skeleton, minimum, size, size_of, _name_map(names), strict)


def _name_map(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    content = files.read_json(path)
    if not isinstance(content, dict) or not all(isinstance(n, str) for n in content.values()):
        raise InputError(f'{path}: expected an object of names, such as {{"snout": "nose"}}')
    return content


def given(paths: Sequence[Path]) -> list[Path]:
    """The files and folders of a command line, each once.

    Raises:
      InputError: there are none, or one does not exist.
    """
    if not paths:
        raise InputError("no file of keypoints is given, nor a folder of them")
    for path in paths:
        if not path.exists():
            raise InputError(f"cannot read {path}: No such file or directory")
    return once(paths)


def read_all(paths: Sequence[Path], options: Options) -> dict[Path, Detections]:
    """Reads files and folders; of several, one that cannot be read is said and passed over.

    Raises:
      InputError: none can be read; or, where they are read strictly, one.
    """
    found: dict[Path, Detections] = {}
    passed_over: list[str] = []
    for path in paths:
        try:
            found[path] = read(path, options)
        except InputError as error:
            if options.strict or len(paths) == 1:
                raise
            say(f"passed over {error}")
            passed_over.append(str(error))
    if not found:
        raise InputError(f"none of the {len(paths)} can be read: {passed_over[0]}")
    first = next(iter(found))
    whole = (*passed_over, *found[first].passed_over)
    return found | {first: found[first]._replace(passed_over=whole)}


def read(path: Path, options: Options) -> Detections:
    """Reads one file or folder, and says what it holds and what is passed over."""
    found = detection_files.read(path, options=options)
    people = counted(len(found.points), "person", "people")
    frames = counted(len(found.frame_names), "frame", "frames")
    say(f"{path}: {people} in {frames}, skeleton {found.skeleton} ({found.evidence})")
    unseen = np.count_nonzero(found.confidence == 0)
    if unseen:
        say(f"{path}: {unseen} of {found.confidence.size} keypoints unseen")
    for passed in found.passed_over[:LISTED]:
        say(f"passed over {passed}")
    if found.passed_over:
        more = len(found.passed_over) - LISTED
        listed = f"; bodies.npz lists {more} more" if more > 0 else ""
        say(f"{path}: {counted(len(found.passed_over), 'item', 'items')} passed over{listed}")
    return found


def followed(read: Sequence[Detections], paths: Sequence[Path]) -> list[Detections]:
    """The same with the numbers of people where frames are a sequence and nobody has one yet."""
    if all(len(one.frame_names) < 2 for one in read):
        return list(read)
    from ief_jax import tracking  # SciPy is slow to import

    unused = max(int(one.identity.max(initial=-1)) for one in read) + 1
    after = []
    for one, path in zip(read, paths, strict=True):
        found = tracking.followed(one)
        if found is not one:
            # Other files' people are others.
            found = found._replace(identity=found.identity + unused)
            unused = int(found.identity.max()) + 1
            seen = found.identity[(found.confidence > 0).any(1)]
            people = counted(len(np.unique(seen)), "person", "people")
            say(f"{path}: {people} followed from frame to frame (id)")
        after.append(found)
    return after


def usable(read: Sequence[Detections], paths: Sequence[Path]) -> tuple[Detections, list[Skipped]]:
    """The people who can be fitted, in UNION_27, and the others, who are also listed."""
    found = detections.joined([detections.to_union(one) for one in read])
    people, skipped = detections.usable(found)
    list_skipped(skipped, found, paths[0])
    return people, skipped


def list_skipped(skipped: Sequence[Skipped], found: Detections, path: Path) -> None:
    """Says who of `found` cannot be fitted; nobody left to fit is an error of the file `path`."""
    for frame, person, reason in skipped[:LISTED]:
        say(f"skipped {found.frame_names[frame]}, person {person}: {reason}")
    if len(skipped) > LISTED:
        say(f"skipped {len(skipped) - LISTED} more; bodies.npz lists them (skipped_...)")
    if len(skipped) == len(found.points):
        people = counted(len(skipped), "person", "people")
        raise InputError(f"{path}: of {people}, none can be fitted: {skipped[0].reason}")


def row(found: Detections, path: Path, frame: int, person: int) -> int:
    """The row of one person, who must be one that can be fitted."""
    if not 0 <= frame < len(found.frame_names):
        raise InputError(f"{path}: no frame {frame}: there are {len(found.frame_names)}, from 0")
    rows = np.flatnonzero((found.frame == frame) & (found.person == person))
    if not len(rows):
        there = ", ".join(map(str, found.person[found.frame == frame])) or "nobody"
        raise InputError(f"{path}: no person {person} in frame {frame}: it has {there}")
    one = detections.take(found, rows)
    for skipped in detections.usable(one)[1]:
        raise InputError(f"{path}: person {person} of frame {frame}: {skipped.reason}")
    return int(rows[0])
