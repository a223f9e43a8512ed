"""OpenPose JSON: a file a frame, with its `people`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.formats.assembling import assemble, triples
from ief_jax.formats.detections import Detections
from ief_jax.formats.messages import has, kind, known
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError


def frames(folder: Path) -> list[Path]:
    """The JSON files of a folder, one a frame, in the order of the numbers in their names.

    Raises:
      InputError: there is none.
    """
    paths = sorted((p for p in folder.iterdir() if p.suffix.lower() == ".json"), key=_natural)
    if not paths:
        raise InputError(f"{folder}: no .json file in this folder; expected one a frame")
    return paths


def read(
    paths: Sequence[Path], contents: Sequence[Mapping[str, Any]], skeleton: str | None
) -> Detections:
    """The people of frames.

    Args:
      paths: of the files, one a frame.
      contents: what is in them.
      skeleton: a key of `skeletons.LAYOUTS`, or None for what the files themselves say.

    Raises:
      InputError: nobody is there, or something is not what was expected; names file and field.
    """
    rows: list[np.ndarray] = []
    places: list[str] = []
    frame, person = [], []
    for index, (path, content) in enumerate(zip(paths, contents, strict=True)):
        if not isinstance(content, dict) or "people" not in content:
            raise InputError(
                f"{path}: not an OpenPose frame: expected 'people', as in every file of a "
                f"folder{has(content)}"
            )
        people = content["people"]
        if not isinstance(people, list):
            raise InputError(f"{path}: 'people' is {kind(people)}, expected a list")
        for number, entry in enumerate(people):
            field = f"people[{number}]"
            # OpenPose before 1.2 had the shorter name.
            names = ("pose_keypoints_2d", "pose_keypoints")
            keys = [name for name in names if isinstance(entry, dict) and name in entry]
            if not keys:
                raise InputError(
                    f"{path}: {field}.pose_keypoints_2d is missing: expected [x, y, confidence, "
                    f"...]{has(entry)}"
                )
            places.append(f"{path}: {field}.{keys[0]}")
            rows.append(triples(entry[keys[0]], places[-1]))
            frame.append(index)
            person.append(number)
    where = paths[0] if len(paths) == 1 else paths[0].parent
    if skeleton is None:
        skeleton = _stated(paths, contents)
    if not rows:
        frames = "'people' is empty" if len(paths) == 1 else "'people' is empty in every file"
        raise InputError(f"{where}: {frames}: nobody was detected")
    return assemble(
        where,
        places,
        rows,
        skeleton,
        None,
        np.array(frame),
        np.array(person),
        tuple(path.stem.removesuffix("_keypoints") for path in paths),
        (None,) * len(paths),
    )


def _stated(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]]) -> str | None:
    """The skeleton that the files themselves name: those of `keypoints.write` do."""
    stated = {
        content["skeleton"]: path
        for path, content in zip(paths, contents, strict=True)
        if isinstance(content.get("skeleton"), str)
    }
    for name, path in stated.items():
        if name not in skeletons.LAYOUTS or len(stated) > 1:
            others = "" if len(stated) == 1 else f"; the files name {', '.join(sorted(stated))}"
            raise InputError(f"{path}: 'skeleton' is '{name}', expected {known()}{others}")
    return next(iter(stated), None)


def _natural(path: Path) -> tuple[list[Any], str]:
    """Sorts 2 before 10."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if part.isdigit() else part for part in parts], path.name
