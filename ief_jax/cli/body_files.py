"""Writing fitted bodies: the npz, meshes and pictures."""

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
from tqdm import tqdm

from ief_jax import threads
from ief_jax.cli.bodies import Fitted, Gender, batch_size, compiled_for
from ief_jax.cli.lenses import photograph_of
from ief_jax.cli.shared import counted, say
from ief_jax.formats import photographs
from ief_jax.formats.detections import Detections
from ief_jax.formats.meshes import MeshFormat
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    import jax
    from PIL.Image import Image

    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.fitting import Bodies
    from ief_jax.viz import fit_picture

T = TypeVar("T")

_MESH_BATCH = 16
_QUALITY = 92
"""Of JPEGs, 0 to 100."""
_MOST_DRAWERS = 8
"""Threads that draw pictures; each holds a photograph."""


def write(
    output: Path,
    body: "BodyModel",
    fitted: Fitted,
    gender: Gender,
    album: photographs.Album,
    kind: MeshFormat | None,
    pictures: bool,
    every_picture: bool,
) -> None:
    """Writes all that is asked for into a folder, the numbers first: whatever happens to pictures
    and meshes, they are safe.

    Args:
      output: the folder.
      body: the model that was fitted.
      fitted: the people and their bodies.
      gender: of the body.
      album: photographs to draw over.
      kind: of meshes; None for none.
      pictures: whether to draw anything.
      every_picture: as `write_pictures` has it.
    """
    _write_bodies(output / "bodies.npz", fitted, gender)
    found, people = fitted.bodies, fitted.people
    if kind:
        write_meshes(files.output_folder(output / "meshes"), body, found, people, kind)
    if pictures:
        write_pictures(output, body, found, people, album, every_picture)


def _write_bodies(path: Path, fitted: Fitted, gender: Gender) -> None:
    from ief_jax.formats import bodies

    bodies.write(path, fitted.bodies, fitted.people, fitted.skipped, gender, fitted.lens_known)
    error = np.asarray(fitted.bodies.error)
    say(
        f"{path}: {counted(len(error), 'body', 'bodies')}, reprojection error "
        f"{np.median(error):.1f} px (median), {np.max(error):.1f} px (largest)"
    )


def write_meshes(
    folder: Path, body: "BodyModel", fitted: "Bodies", people: Detections, kind: MeshFormat
) -> None:
    from ief_jax.formats import meshes

    faces = np.asarray(body.faces)
    names = _file_names(people)
    each = zip(names, posed(body, fitted.poses, fitted.betas), strict=True)
    with _bar("meshes", len(names)) as bar:
        for name, vertices in _counting(bar, each):
            meshes.write(folder / f"{name}.{kind}", vertices, faces, kind)
    say(f"{folder}: {counted(len(people.points), 'mesh', 'meshes')}")


def write_pictures(
    output: Path,
    body: "BodyModel",
    fitted: "Bodies",
    people: Detections,
    album: photographs.Album,
    every: bool,
) -> None:
    """Draws everybody: of several frames contact sheets, of a single one a picture of each person.

    Args:
      output: the folder for the contact sheets, and for the folder `pictures`.
      body: the model that was fitted.
      fitted: the bodies.
      people: whose they are.
      album: photographs to draw over.
      every: whether a picture of each person is wanted of several frames, too.
    """
    from ief_jax.viz import contact_sheet, fit_picture
    from ief_jax.viz.contact_sheet import Entry

    faces = np.asarray(body.faces)
    behind = functools.lru_cache(1)(lambda frame: photograph(album, people, frame))
    names = _file_names(people)
    several = len(people.frame_names) > 1
    folder = None if several and not every else files.output_folder(output / "pictures")

    def draw(name: str, one: fit_picture.Fit, image: "Image | None") -> Entry:
        """Writes a picture, if it is wanted, and gives what belongs on the contact sheet."""
        if folder is None:
            panels = fit_picture.panels(one, faces, image, contact_sheet.TALL)
        else:
            panels = fit_picture.panels(one, faces, image)
            save_picture(folder / f"{name}.jpg", fit_picture.picture(panels, one))
        return Entry(fit_picture.front_and_side(panels, contact_sheet.TALL), one.title)

    # Photographs are read here, in order, and what is wrong with them is said so.
    work = (
        functools.partial(
            draw, name, _drawable(fitted, people, row, vertices), behind(int(people.frame[row]))
        )
        for row, (name, vertices) in enumerate(
            zip(names, posed(body, fitted.poses, fitted.betas), strict=True)
        )
    )
    pages = 0
    with _bar("pictures", len(names)) as bar:
        small = _counting(bar, threads.in_order(work, drawers(len(names))))
        if several:
            for pages, page in enumerate(contact_sheet.pages(small), 1):
                save_picture(output / f"contact_sheet_{pages}.jpg", page)
        else:
            for _ in small:
                pass
    if folder is not None:
        say(f"{folder}: {counted(len(names), 'picture', 'pictures')}")
    if pages:
        everybody = counted(len(names), "body", "bodies")
        say(f"{output}: {counted(pages, 'contact sheet', 'contact sheets')} of {everybody}")


def drawers(pictures: int) -> int:
    """How many threads draw so many: numpy and Pillow let others run, but not all the time."""
    return min(threads.cores(), _MOST_DRAWERS, pictures)


def _drawable(
    fitted: "Bodies", people: Detections, row: int, vertices: np.ndarray
) -> "fit_picture.Fit":
    from ief_jax.geometry.camera import Intrinsics, WeakPerspective
    from ief_jax.viz import fit_picture

    person = int(people.person[row])
    return fit_picture.Fit(
        points=people.points[row],
        confidence=people.confidence[row],
        reprojected=np.asarray(fitted.keypoints[row]),
        vertices=vertices,
        view=WeakPerspective(fitted.scale[row], fitted.translation[row]),
        intrinsics=Intrinsics(fitted.inverse_focal[row], fitted.principal[row]),
        error=np.asarray(fitted.error[row]),
        person=person,
        title=f"{people.frame_names[people.frame[row]]}, person {person}",
    )


def save_picture(path: Path, picture: "Image") -> None:
    """Writes a JPEG."""
    with files.replacing(path) as file:
        picture.save(file, "jpeg", quality=_QUALITY)


def photograph(album: photographs.Album, people: Detections, frame: int) -> "Image | None":
    """A frame's photograph; what is missing or broken is said, and a plain canvas will do."""
    if album == photographs.EMPTY:
        return None
    try:
        return _read(album, people, frame)
    except InputError as error:
        say(f"{error}; drawn on a plain canvas")
        return None


def photograph_if_any(album: photographs.Album, people: Detections, frame: int) -> "Image | None":
    """A frame's photograph; None for what is missing or broken, which `photograph` has said."""
    try:
        return _read(album, people, frame)
    except InputError:
        return None


def _read(album: photographs.Album, people: Detections, frame: int) -> "Image":
    path = photograph_of(album, people, frame)
    if path is None:
        raise InputError(f"{people.frame_names[frame]}: no photograph of this name")
    return photographs.read(path)


def posed(
    body: "BodyModel", poses: "np.ndarray | jax.Array", betas: "np.ndarray | jax.Array"
) -> Iterator[np.ndarray]:
    """The vertices [V, 3] of one body after the other, of poses [N, 72] and betas [N, B]."""
    from ief_jax.batches import padded_rows
    from ief_jax.body import smpl

    count = len(poses)
    batch = compiled_for(count, smpl.posed_vertices)
    for rows in padded_rows(count, batch_size(count, _MESH_BATCH)):
        some = np.asarray(batch(body, poses[rows], betas[rows]))
        yield from some[: count - rows[0]]


def _bar(what: str, count: int) -> "tqdm[NoReturn]":
    return tqdm(total=count, desc=what, disable=count == 1)


def _counting(bar: "tqdm[NoReturn]", each: Iterable[T]) -> Iterator[T]:
    """Each in turn; the bar advances when the next is asked for."""
    for one in each:
        yield one
        bar.update()


def _file_names(people: Detections) -> list[str]:
    """A name a person: the frame's, fit for any file system, and the person's place in it."""
    plain = [re.sub(r"[^\w.-]+", "_", name) for name in people.frame_names]
    if len(set(plain)) < len(plain):
        plain = [f"{index:06d}_{name}" for index, name in enumerate(plain)]
    return [f"{plain[f]}_{p}" for f, p in zip(people.frame, people.person, strict=True)]
