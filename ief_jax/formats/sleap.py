"""SLEAP's analysis files: CSV (`track`, `frame_idx`, `NODE.x`, ...) and HDF5 (`tracks`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ief_jax.formats.content import Collector, Content, Frame, ItemError, numbers, whole
from ief_jax.io.files import InputError

_FRAMES_FIRST = ("frame", "track", "node", "xy")


def matches(table: Sequence[Sequence[str]]) -> bool:
    """Does its first row have SLEAP's columns?"""
    first = [cell.strip() for cell in table[0]] if table else []
    return "frame_idx" in first and any(cell.endswith(".x") for cell in first)


def read(table: Sequence[Sequence[str]]) -> Content:
    """The people of a CSV, a row each."""
    header = [cell.strip() for cell in table[0]]
    column = {name: i for i, name in enumerate(header)}
    names = tuple(
        name.removesuffix(".x")
        for name in header
        if name.endswith(".x") and f"{name.removesuffix('.x')}.y" in column
    )
    tracks: dict[str, int] = {}
    found = Collector()
    for line, row in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        place = f"line {line}"
        if len(row) < len(header):
            found.passed_over.append(f"{place} has {len(row)} cells of {len(header)}")
            continue
        frame = whole(row[column["frame_idx"]])
        if frame is None:
            found.passed_over.append(f"{place}: 'frame_idx' is no number")
            continue
        keypoints = np.ones((len(names), 3))
        try:
            for i, name in enumerate(names):
                cells = [row[column[f"{name}.{c}"]] for c in ("x", "y")]
                score = column.get(f"{name}.score")
                keypoints[i, :2] = numbers(cells, place)
                if score is not None:
                    keypoints[i, 2] = numbers([row[score]], place)[0]
        except ItemError as error:
            found.passed_over.append(str(error))
            continue
        track = row[column["track"]].strip() if "track" in column else ""
        identity = tracks.setdefault(track, len(tracks)) if track else None
        index = found.frame(frame, Frame(f"{frame:06d}", None, frame))
        found.person(place, index, keypoints, identity)
    return Content(
        "SLEAP", found.frames, found.people, found.passed_over, "it holds nobody", names=names
    )


def read_arrays(arrays: Mapping[str, Any], dims: Sequence[str] = ()) -> Content:
    """The people of an analysis HDF5.

    Args:
      arrays: `tracks` [P, 2, K, T] px, `node_names` [K], and optionally `point_scores` [P, K, T].
      dims: what the axes of `tracks` are, where the file says; those of sleap-io's `standard`
        preset are frame, track, node, xy.

    Raises:
      InputError: they are of other shapes.
    """
    tracks = arrays["tracks"]
    scores = arrays.get("point_scores")
    if tracks.ndim == 4 and dims == _FRAMES_FIRST:
        tracks = tracks.transpose(1, 3, 2, 0)
        if scores is not None and scores.ndim == 3:
            scores = scores.transpose(1, 2, 0)
    if tracks.ndim != 4 or tracks.shape[1] != 2 or tracks.dtype.kind not in "iuf":
        raise InputError(f"'tracks' has shape {tracks.shape}, expected [P, 2, K, T]")
    people, _, count, frames = tracks.shape
    names = tuple(
        name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        for name in np.asarray(arrays["node_names"]).reshape(-1)
    )
    if len(names) != count:
        raise InputError(f"'node_names' has {len(names)} names, expected {count}")
    if scores is None or scores.shape != (people, count, frames) or scores.dtype.kind != "f":
        scores = np.ones((people, count, frames))
    found = Collector()
    for frame in range(frames):
        index = found.frame(frame, Frame(f"{frame:06d}", None, frame))
        for person in range(people):
            keypoints = np.concatenate(
                [tracks[person, :, :, frame], scores[person, :, frame][None]]
            )
            if np.isfinite(keypoints[:2]).all(0).any():
                place = f"tracks[{person}], frame {frame}"
                found.person(place, index, keypoints.T.astype(np.float64), person)
    return Content(
        "SLEAP", found.frames, found.people, found.passed_over, "it holds nobody", names=names
    )
