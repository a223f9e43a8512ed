"""The keypoint data sets by name.

Each is a module `data.NAME.reader` with its keypoints' names `LAYOUT`, its `SPLITS`, and
`read(data_dir, split)`, which gives its people.
"""

import dataclasses
import importlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import overload

from data import releases
from data.keypoints.people import Person
from ief_jax.geometry.skeletons import LSP_14, convert
from ief_jax.io.files import InputError

SETS = ("lsp", "lspet", "mpii", "coco", "synthetic", "figures")
ONE_SIDED = ("figures",)
"""Those whose people are not like their mirror images: colours tell left from right."""
VERSION = "1.0.0"
"""Of what `data.keypoints.builder` writes."""


def load(name: str, data_dir: Path, split: str) -> tuple[Sequence[Person], tuple[str, ...]]:
    """The people of one split of a data set, and their keypoints' names.

    Args:
      name: one of `SETS`.
      data_dir: the folder that holds `lsp/`, `lspet/`, ... in the releases' own layout, or what
        `python -m data.prepare` made of them, which is preferred.
      split: "train", "validation" or, where the release has one with annotations, "test".

    Raises:
      InputError: there is no such set or split, or its files are missing or not what the
        release holds.
    """
    if name not in SETS:
        raise InputError(f"no data set '{name}': one of {', '.join(SETS)}")
    reader = importlib.import_module(f"data.{name}.reader")
    releases.check_split(name, split, reader.SPLITS)
    prepared = Path(data_dir) / name / VERSION
    if prepared.is_dir():
        from data.keypoints.builder import Prepared  # imports TFDS

        return Prepared(prepared, split), reader.LAYOUT
    return reader.read(Path(data_dir), split), reader.LAYOUT


def load_all(
    names: Sequence[str], data_dir: Path, split: str
) -> tuple[Sequence[Person], tuple[str, ...]]:
    """The people of several data sets together, and their keypoints' names.

    Where their layouts differ, all are brought into `LSP_14`; the joints that a data set has
    not (the neck and the head's top, in COCO) are not annotated.

    Raises:
      InputError: as `load`.
    """
    loaded = [load(name, data_dir, split) for name in dict.fromkeys(names)]
    layouts = {layout for _, layout in loaded}
    target = layouts.pop() if len(layouts) == 1 else LSP_14
    return Joined(loaded, target), target


class Joined(Sequence[Person]):
    """The people of several data sets one after another, in one layout of keypoints."""

    def __init__(
        self, parts: Sequence[tuple[Sequence[Person], tuple[str, ...]]], layout: tuple[str, ...]
    ) -> None:
        """`parts`: people, and the names of their keypoints; `layout`: names of the result's."""
        self._parts = parts
        self._ends = list(accumulate(len(people) for people, _ in parts))
        self._layout = layout

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Person]: ...
    def __getitem__(self, index: int | slice) -> Person | Sequence[Person]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        part = bisect_right(self._ends, index)
        people, layout = self._parts[part]
        start = self._ends[part] - len(people)
        return to_layout(people[index - start], layout, self._layout)


def to_layout(person: Person, source: tuple[str, ...], target: tuple[str, ...]) -> Person:
    """The person with the keypoints of another layout; what the source lacks is not annotated."""
    if source == target:
        return person
    points, annotated = convert(person.points, person.annotated, source, target)
    _, visible = convert(person.points, person.visible, source, target)
    return dataclasses.replace(person, points=points, annotated=annotated, visible=visible)
