"""`ief-jax inspect`: what every step of a fit, or of finding keypoints, saw and did."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
import tyro

from ief_jax.cli import bodies, body_files, finding, keypoint_files
from ief_jax.cli.bodies import Gender
from ief_jax.cli.keypoint_files import Skeleton
from ief_jax.cli.shared import keep_compilations, say
from ief_jax.formats import content, detections, photographs
from ief_jax.formats.detections import Detections
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.body.smpl import BodyModel
    from ief_jax.inspector.content import Subject
    from ief_jax.lgd.checkpoints import Checkpoint

T = TypeVar("T")

PAGES = (".html", ".htm")
FIGURES = (".png", ".pdf", ".svg")
MOST = 12
"""People in one page, of about a megabyte each."""


def inspect(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
    output: Path,
    frame: int | None = None,
    person: int | None = None,
    images: Path | None = None,
    point: Annotated[tuple[tuple[float, float], ...], tyro.conf.UseAppendAction] = (),
    checkpoint: str = "released",
    keypoint_checkpoint: str = "released",
    body: Path | None = None,
    gender: Gender = "neutral",
    skeleton: Skeleton | None = None,
    min_confidence: float | None = None,
    image_size: tuple[float, float] | None = None,
    names: Path | None = None,
    truth: Path | None = None,
) -> None:
    """Show what every step saw and did: a page that opens in a browser, or one figure.

    Of keypoints, the steps of the bodies' fits: error, gradients and updates, what each would do to
    every joint, and which keypoint moves which joint. Of a photograph, before these the corrections
    of its keypoints, with what they depend on.

    Args:
      source: keypoints as for fit, or a photograph.
      output: .html, a page that needs neither server nor network; or, for keypoints, a figure of
        one person: .png, .pdf or .svg.
      frame: which frame, counted from 0; all, or for a figure the first, by default.
      person: which person of the frames or of the photograph, counted from 0; all, or for a figure
        the first, by default.
      images: as for fit.
      point: of a photograph, as for keypoints.
      checkpoint: released, paper, or a folder that train.py wrote.
      keypoint_checkpoint: of a photograph: released, lsp, a folder that train.py ief wrote, or
        movenet, which keypoints and body take by default: one step, without feedback.
      body: SMPL body file (.pkl or .npz) instead of the embedded body; or a folder or zip of them.
      gender: of the body, where --body has several.
      skeleton: layout of the keypoints, where the file leaves it open.
      min_confidence: as for fit.
      image_size: as for fit.
      names: as for fit.
      truth: of a photograph: a file of the keypoints that are right, as for fit, to see how far off
        each step is, and which corrections would lead there.
    """
    kind = output.suffix.lower()
    if kind not in (*PAGES, *FIGURES):
        raise InputError(
            f"{output}: the name must end in .html for a page, or in .png, .pdf or .svg for a "
            "figure"
        )
    if truth is not None and not _is_photograph(source):
        raise InputError("--truth is for a photograph: it shows how its keypoints are found")
    if kind in FIGURES and _is_photograph(source):
        raise InputError(f"{output}: the steps of a photograph are a page; its name ends in .html")
    of_keypoints = {"--frame": frame, "--images": images}
    of_files = {
        "--skeleton": skeleton,
        "--min-confidence": min_confidence,
        "--image-size": image_size,
        "--names": names,
    }
    if _is_photograph(source):
        for option, given in (of_keypoints if truth else of_keypoints | of_files).items():
            if given is not None:
                raise InputError(f"{option} is for keypoints, and {source} is a photograph")
        right = None
        if truth is not None:
            how = keypoint_files.options(
                skeleton, min_confidence, image_size, names, False, photographs.EMPTY
            )
            right = _of_photograph(keypoint_files.read(truth, how), truth, source)
        image = photographs.read(source)
        marked = finding.marked_points(source, image, point)
    else:
        if point:
            raise InputError("--point is for a photograph; keypoints say where people are")
        album = keypoint_files.album(images, (source,))
        options = keypoint_files.options(skeleton, min_confidence, image_size, names, False, album)
        people = detections.to_union(keypoint_files.read(source, options))
        people = _chosen(people, source, frame, person, kind in FIGURES)
    keep_compilations()
    model = bodies.load_body(body, gender)
    trained = bodies.load_checkpoint(checkpoint, model)
    files.output_folder(output.parent)
    if kind in FIGURES:
        _write_figure(output, trained, model, people)
    else:
        from ief_jax.inspector.page import Page

        if _is_photograph(source):
            subjects = _of_photographed(
                source, image, marked, person, keypoint_checkpoint, right, trained, model
            )
        else:
            subjects = _fits(trained, model, people, _titles(people), album)
        Page(subjects, source.name).write(output)
    say(f"wrote {output}")


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in photographs.suffixes()


# People


def _chosen(
    found: Detections, path: Path, frame: int | None, person: int | None, one: bool
) -> Detections:
    """Those who are to be shown; `one` person of one frame, or all who can be fitted."""
    if one:
        frame, person = frame or 0, person or 0
    if frame is not None and not 0 <= frame < len(found.frame_names):
        raise InputError(f"{path}: no frame {frame}: there are {len(found.frame_names)}, from 0")
    right = np.ones(len(found.frame), bool)
    if frame is not None:
        right &= found.frame == frame
    there = ", ".join(map(str, np.unique(found.person[right]))) or "nobody"
    if person is not None:
        right &= found.person == person
    if not right.any():
        where = "any frame" if frame is None else f"frame {frame}"
        who = "nobody" if person is None else f"no person {person}"
        raise InputError(f"{path}: {who} in {where}: it has {there}")
    people, skipped = detections.usable(detections.take(found, np.flatnonzero(right)))
    for missed in skipped:
        reason = f"person {missed.person} of frame {missed.frame}: {missed.reason}"
        if not len(people.points):
            raise InputError(f"{path}: {reason}")
        say(f"skipped {reason}")
    if len(people.points) > MOST:
        say(
            f"{path}: the first {MOST} of {len(people.points)} people are shown; --frame and "
            "--person choose others"
        )
    return detections.take(people, np.arange(min(len(people.points), MOST)))


def _titles(people: Detections) -> list[str]:
    each = zip(people.frame.tolist(), people.person.tolist(), strict=True)
    return [f"{people.frame_names[frame]}, person {person}" for frame, person in each]


def _of_photograph(right: Detections, path: Path, photograph: Path) -> Detections:
    """Those in one photograph of a file; of a file of one frame, all."""
    number = content.number_in(photograph.stem)
    one = photographs.Album(
        {photograph.name: photograph, photograph.stem: photograph},
        {} if number is None else {number: photograph},
    )
    frames = zip(right.frame_names, right.images, right.numbers, strict=True)
    named = [n for n, frame in enumerate(frames) if photographs.find(one, *frame)]
    if len(right.frame_names) == 1:
        named = [0]
    rows = np.flatnonzero(np.isin(right.frame, named))
    if not len(rows):
        raise InputError(f"{path}: nobody in {photograph.name}")
    return detections.take(right, rows)


def _nearest(truth: Detections, names: Sequence[str], estimate: np.ndarray) -> np.ndarray:
    """[K, 2] the keypoints, of the names, of who is nearest to an estimate; NaN of the others."""
    whole = np.full((len(truth.points), len(names), 2), np.nan)
    for k, name in enumerate(names):
        if name in truth.names:
            column = truth.names.index(name)
            seen = truth.confidence[:, column] > 0
            whole[seen, k] = truth.points[seen, column]
    distance = np.linalg.norm(whole - estimate, axis=-1)
    known = np.isfinite(distance)
    mean = np.where(known, distance, 0).sum(-1) / np.maximum(known.sum(-1), 1)
    return whole[np.argmin(np.where(known.any(-1), mean, np.inf))]


# The steps


def _of_photographed(
    path: Path,
    image: "Image",
    marked: np.ndarray,
    person: int | None,
    keypoints: str,
    truth: Detections | None,
    trained: "Checkpoint",
    body: "BodyModel",
) -> "list[Subject]":
    """How the keypoints of a photograph's people were found, then the bodies' fits to these."""
    estimator = finding.load_estimator(keypoints, "released")
    from ief_jax.ief import people
    from ief_jax.inspector import corrections

    network = estimator.checkpoint
    if len(marked):
        found = [corrections.find(estimator, image, one) for one in marked]
    else:
        everybody = people.estimate_people(network, finding.load_detector(), image)
        found = list(map(corrections.Found, everybody.estimates, everybody.boxes))
    if not found:
        raise InputError(f"{path}: {finding.NOBODY}")
    if person is not None and not 0 <= person < len(found):
        raise InputError(f"{path}: no person {person}: there are {len(found)}, from 0")
    if person is None and len(found) > MOST:
        say(f"{path}: the first {MOST} of {len(found)} people are shown; --person chooses another")
    rows = list(range(min(len(found), MOST))) if person is None else [person]
    names = network.configuration.joints
    titles = [f"{path.name}, person {row}" for row in rows]

    def laid_open() -> "list[Subject]":
        note = (
            f"Corrections of one crop by {keypoints}. Bodies are fitted to the median over "
            "several crops."
        )
        return [
            corrections.laid_open(
                network,
                image,
                found[row].box,
                f"{title}: keypoints",
                None if truth is None else _nearest(truth, names, found[row].estimate.path[-1]),
                note,
            )
            for row, title in zip(rows, titles, strict=True)
        ]

    places, sure = finding.stacked([found[row].estimate for row in rows], names)
    shown = Detections(
        points=places,
        confidence=np.ones(places.shape[:2]) if sure is None else sure,
        names=names,
        skeleton="of its own",
        evidence="ief-jax keypoints",
        frame=np.zeros(len(rows), int),
        person=np.array(rows),
        frame_names=(path.stem,),
        images=(path.name,),
        numbers=(0,),
        identity=np.full(len(rows), -1),
    )
    note = f"Fitted to the keypoints of {keypoints}."
    if keypoints != "movenet":
        note += " Those that ief-jax body fits to are MoveNet's own, unless told otherwise."
    # Neither needs the other, and much of both is done on one core.
    with ThreadPoolExecutor(1) as beside:
        opened = beside.submit(laid_open)
        fitted = _fits(
            trained,
            body,
            detections.to_union(shown),
            [f"{title}: body" for title in titles],
            photographs.Album({}, {}, path),
        )
        return [*opened.result(), *(one._replace(note=note) for one in fitted)]


def _fits(
    checkpoint: "Checkpoint",
    body: "BodyModel",
    people: Detections,
    titles: Sequence[str],
    album: photographs.Album,
) -> "list[Subject]":
    import jax

    from ief_jax.batches import map_in_chunks
    from ief_jax.body import joints
    from ief_jax.inspector import fits
    from ief_jax.lgd import fitting, sensitivity

    given = people.points, people.confidence
    *static, weights, model, pixels = fitting.arguments(
        checkpoint, joints.fold(body), *given, None, None
    )

    seen = jax.device_get(pixels)

    def each(function: Callable[..., T]) -> T:
        compiled = bodies.compiled_for(1, function, (0, 1))
        return map_in_chunks(functools.partial(compiled, *static, weights, model), 1, seen)

    # One by one: the same compiled programs whatever their number.
    traces, sensitivities = each(fitting.traced), each(sensitivity.derivatives)
    photograph = functools.cache(lambda frame: body_files.photograph(album, people, frame))
    behind = [photograph(frame) for frame in people.frame.tolist()]
    return fits.subjects(traces, body, *given, titles, behind, sensitivities)


def _write_figure(
    output: Path, checkpoint: "Checkpoint", body: "BodyModel", people: Detections
) -> None:
    from ief_jax.body import joints
    from ief_jax.lgd import fitting
    from ief_jax.viz import step_figure

    trace = fitting.trace(checkpoint, joints.fold(body), people.points, people.confidence)
    (title,) = _titles(people)
    figure = step_figure.figure(trace, people.points, people.confidence, title)
    step_figure.write(output, figure)
