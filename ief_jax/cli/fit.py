"""`ief-jax fit` and `ief-jax inspect`: bodies fitted to files of keypoint detections, and how."""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import numpy as np
import tyro
from tqdm import tqdm

from ief_jax.cli.shared import counted, keep_compilations, say
from ief_jax.formats import detection_files, detections, photographs
from ief_jax.formats.detections import Detections, Skipped
from ief_jax.formats.meshes import MeshFormat
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.checkpoints import Checkpoint
    from ief_jax.lgd.fitting import Bodies

Skeleton = Literal["COCO_17", "COCO_18", "BODY_25", "BODY_25B", "LSP_14", "MPII_16"]

T = TypeVar("T")

_FIT_BATCH = 256
_MESH_BATCH = 16
_SPECK = 0.1
"""Of the keypoints' box: bodies smaller than this explain nothing of it."""
_LISTED = 20
"""People left out who are listed one by one; the npz lists all."""


def fit(
    keypoints: Annotated[Path, tyro.conf.Positional],
    output: Path,
    checkpoint: str = "released",
    body: Path | None = None,
    skeleton: Skeleton | None = None,
    images: Path | None = None,
    meshes: MeshFormat | None = None,
    pictures: bool = True,
) -> None:
    """Fit a 3D body to every person in a file or folder of 2D keypoints.

    Writes bodies.npz (AMASS-style poses, betas and trans; camera, joints, errors), a picture of
    every fit and, if asked, a mesh of every body.

    Args:
      keypoints: OpenPose JSON (BODY_25, BODY_25B, COCO_18), a folder of such frames, COCO
        keypoint JSON, or npz with keypoints [N, K, 3].
      output: folder for the results; made if missing.
      checkpoint: released, paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      skeleton: layout of the keypoints, where the file leaves it open.
      images: folder with the photographs, to draw over.
      meshes: also write a mesh of every body, in metres.
      pictures: draw every fit.
    """
    people, skipped = _usable(_read(keypoints, skeleton), keypoints)
    album = photographs.catalogue(images) if images else {}
    keep_compilations()
    model = _load_body(body)
    trained = _load_checkpoint(checkpoint, model)
    files.output_folder(output)
    fitted = _fit(trained, model, people)
    fitted, people, failed = _sound(fitted, people, keypoints)
    # The numbers first: whatever happens to pictures and meshes, they are safe.
    _write_bodies(output / "bodies.npz", fitted, people, skipped + failed)
    if meshes:
        _write_meshes(files.output_folder(output / "meshes"), model, fitted, people, meshes)
    if pictures:
        _write_pictures(files.output_folder(output / "pictures"), model, fitted, people, album)


def inspect(
    keypoints: Annotated[Path, tyro.conf.Positional],
    output: Path,
    frame: int = 0,
    person: int = 0,
    checkpoint: str = "released",
    body: Path | None = None,
    skeleton: Skeleton | None = None,
) -> None:
    """Draw what every step of one fit saw and did, as one figure.

    Error, norms of gradients and updates, the cosine between them and the reprojected skeleton,
    step by step.

    Args:
      keypoints: as for fit.
      output: the figure: .png, .pdf or .svg.
      frame: which frame, counted from 0.
      person: which person of the frame, counted from 0.
      checkpoint: released, paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      skeleton: layout of the keypoints, where the file leaves it open.
    """
    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"{output}: the figure's name must end in .png, .pdf or .svg")
    found = detections.to_coco_18(_read(keypoints, skeleton))
    row = _row(found, keypoints, frame, person)
    keep_compilations()
    from ief_jax.body import joints
    from ief_jax.lgd import fitting
    from ief_jax.viz import step_figure

    model = _load_body(body)
    trained = _load_checkpoint(checkpoint, model)
    files.output_folder(output.parent)
    one = detections.take(found, np.array([row]))
    trace = fitting.trace(trained, joints.fold(model), one.points, one.confidence)
    title = f"{found.frame_names[frame]}, person {person}"
    step_figure.write(output, step_figure.figure(trace, one.points, one.confidence, title))
    say(f"wrote {output}")


# Reading


def _read(path: Path, skeleton: Skeleton | None) -> Detections:
    found = detection_files.read(path, skeleton)
    people = counted(len(found.points), "person", "people")
    frames = counted(len(found.frame_names), "frame", "frames")
    say(f"{path}: {people} in {frames}, skeleton {found.skeleton} ({found.evidence})")
    return found


def _usable(found: Detections, path: Path) -> tuple[Detections, list[Skipped]]:
    """The people who can be fitted, in COCO_18, and the others, who are also listed."""
    people, skipped = detections.usable(detections.to_coco_18(found))
    _list(skipped, found, path)
    return people, skipped


def _list(skipped: Sequence[Skipped], found: Detections, path: Path) -> None:
    for frame, person, reason in skipped[:_LISTED]:
        say(f"skipped {found.frame_names[frame]}, person {person}: {reason}")
    if len(skipped) > _LISTED:
        say(f"skipped {len(skipped) - _LISTED} more; bodies.npz lists them (skipped_...)")
    if len(skipped) == len(found.points):
        people = counted(len(skipped), "person", "people")
        raise InputError(f"{path}: of {people}, none can be fitted: {skipped[0].reason}")


def _row(found: Detections, path: Path, frame: int, person: int) -> int:
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


def _load_body(path: Path | None) -> "BodyModel":
    from ief_jax.body import model_files

    try:
        return model_files.load_or_embedded(path)
    except model_files.BodyFileError as error:
        raise InputError(str(error)) from error


def _load_checkpoint(name: str, body: "BodyModel") -> "Checkpoint":
    """The checkpoint, which must be one for bodies such as this."""
    from ief_jax.body import joints
    from ief_jax.lgd import build, checkpoints

    checkpoint = checkpoints.load(name)
    build.check_checkpoint(checkpoint, joints.fold(body))
    return checkpoint


# Fitting


def _fit(checkpoint: "Checkpoint", body: "BodyModel", people: Detections) -> "Bodies":
    from ief_jax.batches import map_in_chunks
    from ief_jax.body import joints
    from ief_jax.lgd import fitting

    run = functools.partial(fitting.fit, checkpoint, joints.fold(body))
    count = len(people.points)
    size = _batch_size(count, _FIT_BATCH)
    with tqdm(total=count, desc="fitting", unit="person", disable=count == 1) as bar:
        return map_in_chunks(run, size, people.points, people.confidence, advance=bar.update)


def _batch_size(count: int, most: int) -> int:
    """A power of two up to `most`: one shape, so one compilation, and few over many runs."""
    return min(most, 1 << (count - 1).bit_length())


def _sound(
    fitted: "Bodies", people: Detections, path: Path
) -> tuple["Bodies", Detections, list[Skipped]]:
    """The bodies that can be used, and their people; the others are listed.

    A body is finite, and not a speck: keypoints that no body has, none of them sure, may be best
    explained by one so small that none of it moves.
    """
    import jax

    finite = np.all([np.isfinite(a).reshape(len(a), -1).all(1) for a in fitted], 0)
    there = detections.box_size(people.points, people.confidence)
    speck = detections.box_size(np.asarray(fitted.keypoints), people.confidence) < _SPECK * there
    reasons = np.where(speck, "no body has such keypoints", "")
    reasons = np.where(finite, reasons, "the fit is not finite")
    kept, failed = detections.part(people, reasons)
    _list(failed, people, path)
    sound = reasons == ""
    return jax.tree.map(lambda array: array[sound], fitted), kept, failed


# Writing


def _write_bodies(
    path: Path, fitted: "Bodies", people: Detections, skipped: Sequence[Skipped]
) -> None:
    from ief_jax.formats import bodies

    bodies.write(path, fitted, people, skipped)
    bodies_written = counted(len(fitted.error), "body", "bodies")
    say(
        f"{path}: {bodies_written}, reprojection error {np.median(fitted.error):.1f} px (median), "
        f"{np.max(fitted.error):.1f} px (largest)"
    )


def _write_meshes(
    folder: Path, body: "BodyModel", fitted: "Bodies", people: Detections, kind: MeshFormat
) -> None:
    from ief_jax.formats import meshes

    faces = np.asarray(body.faces)
    for name, vertices in _each("meshes", _file_names(people), _vertices(body, fitted)):
        meshes.write(folder / f"{name}.{kind}", vertices, faces, kind)
    say(f"{folder}: {counted(len(people.points), 'mesh', 'meshes')}")


def _write_pictures(
    folder: Path,
    body: "BodyModel",
    fitted: "Bodies",
    people: Detections,
    album: Mapping[str, Path],
) -> None:
    from ief_jax.viz import fit_picture

    faces = np.asarray(body.faces)
    photograph = functools.lru_cache(1)(lambda frame: _photograph(album, people, frame))
    names = _file_names(people)
    for row, (name, vertices) in enumerate(_each("pictures", names, _vertices(body, fitted))):
        frame, person = int(people.frame[row]), int(people.person[row])
        one = fit_picture.Fit(
            points=people.points[row],
            confidence=people.confidence[row],
            reprojected=np.asarray(fitted.keypoints[row]),
            vertices=vertices,
            scale=np.asarray(fitted.scale[row]),
            translation=np.asarray(fitted.translation[row]),
            error=np.asarray(fitted.error[row]),
            person=person,
            title=f"{people.frame_names[frame]}, person {person}",
        )
        image = fit_picture.picture(one, faces, photograph(frame))
        with files.replacing(folder / f"{name}.png") as file:
            image.save(file, "png")
    say(f"{folder}: {counted(len(people.points), 'picture', 'pictures')}")


def _photograph(album: Mapping[str, Path], people: Detections, frame: int) -> "Image | None":
    """A frame's photograph; what is missing or broken is said, and a plain canvas will do."""
    if not album:
        return None
    path = photographs.find(album, people.frame_names[frame], people.images[frame])
    if path is None:
        say(f"{people.frame_names[frame]}: no photograph of this name; drawn on a plain canvas")
        return None
    try:
        return photographs.read(path)
    except InputError as error:
        say(f"{error}; drawn on a plain canvas")
        return None


def _vertices(body: "BodyModel", fitted: "Bodies") -> Iterator[np.ndarray]:
    """The posed vertices [V, 3] of one body after the other."""
    import jax

    from ief_jax.batches import padded_rows
    from ief_jax.body import smpl
    from ief_jax.geometry import rotations

    def posed(body: "BodyModel", pose: jax.Array, betas: jax.Array) -> jax.Array:
        local = rotations.axis_angle_to_matrix(pose.reshape(-1, 3))
        return smpl.vertices(body, local, betas)

    batch = jax.jit(jax.vmap(posed, (None, 0, 0)))
    count = len(fitted.poses)
    for rows in padded_rows(count, _batch_size(count, _MESH_BATCH)):
        some = np.asarray(batch(body, fitted.poses[rows], fitted.betas[rows]))
        yield from some[: count - rows[0]]


def _each(what: str, names: Sequence[str], vertices: Iterator[T]) -> Iterator[tuple[str, T]]:
    bar = tqdm(total=len(names), desc=what, disable=len(names) == 1)
    with bar:
        for pair in zip(names, vertices, strict=True):
            yield pair
            bar.update()


def _file_names(people: Detections) -> list[str]:
    """A name a person: the frame's, fit for any file system, and the person's place in it."""
    plain = [re.sub(r"[^\w.-]+", "_", name) for name in people.frame_names]
    if len(set(plain)) < len(plain):
        plain = [f"{index:06d}_{name}" for index, name in enumerate(plain)]
    return [f"{plain[f]}_{p}" for f, p in zip(people.frame, people.person, strict=True)]
