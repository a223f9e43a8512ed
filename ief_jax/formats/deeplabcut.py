"""DeepLabCut's tables: three or four header rows (scorer, individuals, bodyparts, coords)."""

from collections.abc import Sequence

import numpy as np

from ief_jax.formats.content import (
    Collector,
    Content,
    Frame,
    ItemError,
    number_in,
    numbers,
    plain_path,
)
from ief_jax.io.files import InputError

_HEADERS = ("scorer", "individuals", "bodyparts", "coords")


def matches(table: Sequence[Sequence[str]]) -> bool:
    """Does it begin with DeepLabCut's header rows?"""
    first = [row[0].strip().lower() for row in table[:4] if row]
    return "bodyparts" in first and "coords" in first


def read(table: Sequence[Sequence[str]]) -> Content:
    """The people of a CSV, a row a frame.

    Args:
      table: the cells.

    Raises:
      InputError: the header is not whole.
    """
    header: dict[str, Sequence[str]] = {}
    for row in table[:4]:
        label = row[0].strip().lower() if row else ""
        if label in _HEADERS:
            header[label] = row
    body = [row for row in table[len(header) :] if any(cell.strip() for cell in row)]
    parts, coords = header["bodyparts"], header["coords"]
    start = next((i for i, c in enumerate(coords) if c.strip() in ("x", "y", "likelihood")), 0)
    width = min(len(parts), len(coords))
    if start == 0 or width <= start:
        raise InputError("DeepLabCut's 'coords' has no x and y")
    owners = header.get("individuals", [""] * width)
    columns = [
        (owners[i] if i < len(owners) else "", parts[i], coords[i].strip())
        for i in range(start, width)
    ]
    rows = [(_label(row[:start]), row[start:width]) for row in body]
    return content(columns, rows)


def _label(cells: Sequence[str]) -> str:
    return "/".join(cell.strip() for cell in cells if cell.strip())


def content(
    columns: Sequence[tuple[str, str, str]], rows: Sequence[tuple[str, Sequence[object]]]
) -> Content:
    """The people of labelled rows.

    Args:
      columns: individual, body part, and x, y or likelihood of each.
      rows: of each frame, its label (a number, or the path of an image) and the numbers.
    """
    individuals = list(dict.fromkeys(owner for owner, _, _ in columns))
    # "single": parts that belong to no individual.
    individuals = [one for one in individuals if one != "single"] or individuals
    names = tuple(dict.fromkeys(part for owner, part, _ in columns if owner in individuals))
    where = {column: index for index, column in enumerate(columns)}
    found = Collector()
    for position, (label, cells) in enumerate(rows):
        place = f"row {label or position}"
        stem = plain_path(label)
        image = stem if not stem.isdigit() else None
        if image:
            stem = image.rpartition(".")[0] or image
        index = found.frame(position, Frame(stem or None, image, number_in(stem)))
        try:
            values = numbers(cells, place)
        except ItemError as error:
            found.passed_over.append(str(error))
            continue
        if len(values) < len(columns):
            found.passed_over.append(f"{place} has {len(values)} numbers of {len(columns)}")
            continue
        for identity, owner in enumerate(individuals):
            keypoints = np.full((len(names), 3), np.nan)
            for row, name in enumerate(names):
                for column, coordinate in enumerate(("x", "y", "likelihood")):
                    at = where.get((owner, name, coordinate))
                    if at is not None:
                        keypoints[row, column] = values[at]
                    elif coordinate == "likelihood":
                        keypoints[row, column] = 1.0
            if np.isfinite(keypoints[:, :2]).all(1).any():
                found.person(
                    f"{place}{f', {owner}' if owner else ''}",
                    index,
                    keypoints,
                    identity if len(individuals) > 1 else None,
                )
    return Content(
        "DeepLabCut", found.frames, found.people, found.passed_over, "it holds nobody", names=names
    )
