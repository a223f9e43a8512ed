"""`ief-jax fit` and `ief-jax inspect`: bodies fitted to files of keypoint detections, and how."""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
import tyro
from tqdm import tqdm

from ief_jax.cli.shared import counted, keep_compilations, say
from ief_jax.formats import detection_files, detections, layout_evidence, photographs
from ief_jax.formats.assembling import Options
from ief_jax.formats.detections import Detections, Skipped
from ief_jax.formats.meshes import MeshFormat
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.body.smpl import BodyModel
    from ief_jax.geometry.camera import Intrinsics
    from ief_jax.lgd.checkpoints import Checkpoint
    from ief_jax.lgd.fitting import Bodies

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
KeypointFiles = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")]

Gender = Literal["neutral", "male", "female"]

T = TypeVar("T")

_FIT_BATCH = 256
_MESH_BATCH = 16
_SPECK = 0.1
"""Of the keypoints' box: bodies smaller than this explain nothing of it."""
_LISTED = 20
"""People left out who are listed one by one; the npz lists all."""
_LARGE_ERROR = 0.06
"""Of the keypoints' box: reprojection errors above it are seldom those of a right reading."""


def fit(
    keypoints: KeypointFiles,
    output: Path,
    checkpoint: str = "released",
    body: Path | None = None,
    gender: Gender = "neutral",
    skeleton: Skeleton | None = None,
    min_confidence: float | None = None,
    image_size: tuple[float, float] | None = None,
    focal: float | None = None,
    names: Path | None = None,
    strict: bool = False,
    images: Path | None = None,
    meshes: MeshFormat | None = None,
    pictures: bool = True,
) -> None:
    """Fit a 3D body to every person in files or folders of 2D keypoints.

    Writes bodies.npz (AMASS-style poses, betas and trans; camera, joints, errors), a picture of
    every fit and, if asked, a mesh of every body.

    Args:
      keypoints: OpenPose, COCO, MMPose, AlphaPose, Ultralytics, YOLO, EasyMocap, MediaPipe,
        DeepLabCut, SLEAP, npz or npy, or folders of frames.
      output: folder for the results; made if missing.
      checkpoint: released, paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body; or a folder or zip of them.
      gender: of the body, where --body has several.
      skeleton: layout of the keypoints, where the file leaves it open.
      min_confidence: keypoints below it count as not found. Without it, those below a tenth of
        the person's largest, but none of a detector that leaves out what it does not find.
      image_size: width and height in pixels, for files that give shares of the image.
      focal: focal length of the camera, pixels, its optical axis through the middle of the image;
        needs --images or --image-size. Without it people are taken to be some metres away.
      names: JSON with the file's names of keypoints and ours, such as {"snout": "nose"}.
      strict: stop at what cannot be read instead of passing over it.
      images: folder with the photographs, to draw over; or one photograph of all.
      meshes: also write a mesh of every body, in metres.
      pictures: draw every fit.
    """
    album = _album(images, keypoints)
    options = _options(skeleton, min_confidence, image_size, names, strict, album)
    read = [_read(path, options) for path in keypoints]
    people, skipped = _usable(read, keypoints)
    keep_compilations()
    model = _load_body(body, gender)
    trained = _load_checkpoint(checkpoint, model)
    files.output_folder(output)
    lens = _lens(focal, image_size, album, people)
    fitted = _fit(trained, model, people, lens)
    fitted, people, failed = _sound(fitted, people, keypoints[0])
    _warn(fitted, people, read)
    # The numbers first: whatever happens to pictures and meshes, they are safe.
    _write_bodies(output / "bodies.npz", fitted, people, skipped + failed, gender, lens is not None)
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
    gender: Gender = "neutral",
    skeleton: Skeleton | None = None,
    min_confidence: float | None = None,
    image_size: tuple[float, float] | None = None,
    names: Path | None = None,
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
      body: SMPL body file (.pkl or .npz) instead of the embedded body; or a folder or zip of them.
      gender: of the body, where --body has several.
      skeleton: layout of the keypoints, where the file leaves it open.
      min_confidence: as for fit.
      image_size: as for fit.
      names: as for fit.
    """
    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"{output}: the figure's name must end in .png, .pdf or .svg")
    options = _options(skeleton, min_confidence, image_size, names, False, photographs.EMPTY)
    found = detections.to_union(_read(keypoints, options))
    row = _row(found, keypoints, frame, person)
    keep_compilations()
    from ief_jax.body import joints
    from ief_jax.lgd import fitting
    from ief_jax.viz import step_figure

    model = _load_body(body, gender)
    trained = _load_checkpoint(checkpoint, model)
    files.output_folder(output.parent)
    one = detections.take(found, np.array([row]))
    trace = fitting.trace(trained, joints.fold(model), one.points, one.confidence)
    title = f"{found.frame_names[frame]}, person {person}"
    step_figure.write(output, step_figure.figure(trace, one.points, one.confidence, title))
    say(f"wrote {output}")


# Reading


def _album(images: Path | None, keypoints: Sequence[Path]) -> photographs.Album:
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


def _options(
    skeleton: Skeleton | None,
    minimum: float | None,
    size: tuple[float, float] | None,
    names: Path | None,
    strict: bool,
    album: photographs.Album,
) -> Options:
    def size_of(frame: str, image: str | None, number: int | None) -> tuple[float, float] | None:
        path = photographs.find(album, frame, image, number)
        return None if path is None else photographs.size(path)

    if size is not None and not min(size) > 0:
        raise InputError(f"--image-size {size[0]:g} {size[1]:g}: expected width and height")
    return Options(skeleton, minimum, size, size_of, _name_map(names), strict)


def _name_map(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    content = files.read_json(path)
    if not isinstance(content, dict) or not all(isinstance(n, str) for n in content.values()):
        raise InputError(f'{path}: expected an object of names, such as {{"snout": "nose"}}')
    return content


def _read(path: Path, options: Options) -> Detections:
    found = detection_files.read(path, options=options)
    people = counted(len(found.points), "person", "people")
    frames = counted(len(found.frame_names), "frame", "frames")
    say(f"{path}: {people} in {frames}, skeleton {found.skeleton} ({found.evidence})")
    unseen = np.count_nonzero(found.confidence == 0)
    if unseen:
        say(f"{path}: {unseen} of {found.confidence.size} keypoints unseen")
    for passed in found.passed_over[:_LISTED]:
        say(f"passed over {passed}")
    if found.passed_over:
        more = len(found.passed_over) - _LISTED
        listed = f"; bodies.npz lists {more} more" if more > 0 else ""
        say(f"{path}: {counted(len(found.passed_over), 'item', 'items')} passed over{listed}")
    return found


def _usable(read: Sequence[Detections], paths: Sequence[Path]) -> tuple[Detections, list[Skipped]]:
    """The people who can be fitted, in UNION_27, and the others, who are also listed."""
    found = detections.joined([detections.to_union(one) for one in read])
    people, skipped = detections.usable(found)
    _list(skipped, found, paths[0])
    return people, skipped


def _warn(fitted: "Bodies", people: Detections, read: Sequence[Detections]) -> None:
    """Says of whom the body is far from the keypoints, and why that is likely to be."""
    box = detections.box_size(people.points, people.confidence)
    large = np.flatnonzero(np.asarray(fitted.error) > _LARGE_ERROR * box)
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
        f"warning: {who}{more}: the body is {100 * np.max(fitted.error[large] / box[large]):.0f} % "
        f"of the keypoints' box away from them: {'; '.join(dict.fromkeys(causes))}"
    )


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


def _load_body(path: Path | None, gender: Gender) -> "BodyModel":
    from ief_jax.body import model_files

    try:
        return model_files.load_or_embedded(path, gender=gender)
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


def _lens(
    focal: float | None,
    size: tuple[float, float] | None,
    album: photographs.Album,
    people: Detections,
) -> "Intrinsics | None":
    """The lens of each person's photograph, pixels; None where no focal length is said."""
    if focal is None:
        return None
    from ief_jax.geometry.camera import Intrinsics

    if not focal > 0:
        raise InputError(f"--focal {focal:g}: expected pixels, more than 0")
    sizes: dict[int, tuple[float, float]] = {}
    for frame in np.unique(people.frame).tolist():
        found = size
        if found is None:
            path = photographs.find(
                album, people.frame_names[frame], people.images[frame], people.numbers[frame]
            )
            found = None if path is None else photographs.size(path)
        if found is None:
            raise InputError(
                f"--focal needs the size of the image {people.frame_names[frame]}: give "
                "--image-size WIDTH HEIGHT, or its photograph by --images"
            )
        sizes[frame] = found
    import jax.numpy as jnp

    middles = jnp.array([sizes[frame] for frame in people.frame.tolist()]) / 2
    return Intrinsics(jnp.full(len(middles), 1 / focal), middles)


def _fit(
    checkpoint: "Checkpoint",
    body: "BodyModel",
    people: Detections,
    lens: "Intrinsics | None",
) -> "Bodies":
    from ief_jax.batches import map_in_chunks
    from ief_jax.body import joints
    from ief_jax.lgd import fitting

    model = joints.fold(body)

    def run(points: Any, confidence: Any, *lens: Any) -> "Bodies":
        return fitting.fit(checkpoint, model, points, confidence, None, *lens)

    count = len(people.points)
    size = _batch_size(count, _FIT_BATCH)
    with tqdm(total=count, desc="fitting", unit="person", disable=count == 1) as bar:
        given = () if lens is None else (lens,)
        return map_in_chunks(
            run, size, people.points, people.confidence, *given, advance=bar.update
        )


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

    leaves = jax.tree.leaves(fitted)
    finite = np.all([np.isfinite(a).reshape(len(a), -1).all(1) for a in leaves], 0)
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
    path: Path,
    fitted: "Bodies",
    people: Detections,
    skipped: Sequence[Skipped],
    gender: Gender,
    lens_known: bool,
) -> None:
    from ief_jax.formats import bodies

    bodies.write(path, fitted, people, skipped, gender, lens_known)
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
    album: photographs.Album,
) -> None:
    from ief_jax.geometry.camera import Intrinsics, WeakPerspective
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
            view=WeakPerspective(fitted.scale[row], fitted.translation[row]),
            intrinsics=Intrinsics(fitted.inverse_focal[row], fitted.principal[row]),
            error=np.asarray(fitted.error[row]),
            person=person,
            title=f"{people.frame_names[frame]}, person {person}",
        )
        image = fit_picture.picture(one, faces, photograph(frame))
        with files.replacing(folder / f"{name}.png") as file:
            image.save(file, "png")
    say(f"{folder}: {counted(len(people.points), 'picture', 'pictures')}")


def _photograph(album: photographs.Album, people: Detections, frame: int) -> "Image | None":
    """A frame's photograph; what is missing or broken is said, and a plain canvas will do."""
    if album == photographs.EMPTY:
        return None
    path = photographs.find(
        album, people.frame_names[frame], people.images[frame], people.numbers[frame]
    )
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
