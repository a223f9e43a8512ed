"""The keypoint data sets by name.

Each is a module `data.NAME.reader` with its keypoints' names `LAYOUT`, its `SPLITS`, and
`read(data_dir, split)`, which gives its people.
"""

import dataclasses
import importlib
from collections.abc import Sequence
from pathlib import Path

from data.people import Person
from ief_jax.files import InputError
from ief_jax.skeletons import LSP_14, convert

SETS = ("lsp", "lspet", "mpii", "coco", "synthetic")


def load(name: str, data_dir: Path, split: str) -> tuple[list[Person], tuple[str, ...]]:
    """The people of one split of a data set, and their keypoints' names.

    Args:
      name: one of `SETS`.
      data_dir: the folder that holds `lsp/`, `lspet/`, ... in the releases' own layout.
      split: "train", "validation" or, where the release has one with annotations, "test".

    Raises:
      InputError: there is no such set or split, or its files are missing or not what the
        release holds.
    """
    if name not in SETS:
        raise InputError(f"no data set '{name}': one of {', '.join(SETS)}")
    reader = importlib.import_module(f"data.{name}.reader")
    if split not in reader.SPLITS:
        raise InputError(f"{name} has no split '{split}': one of {', '.join(reader.SPLITS)}")
    return reader.read(Path(data_dir), split), reader.LAYOUT


def load_all(
    names: Sequence[str], data_dir: Path, split: str
) -> tuple[list[Person], tuple[str, ...]]:
    """The people of several data sets together, and their keypoints' names.

    Where their layouts differ, all are brought into `LSP_14`; the joints that a data set has
    not (the neck and the head's top, in COCO) are not annotated.

    Raises:
      InputError: as `load`.
    """
    loaded = [load(name, data_dir, split) for name in dict.fromkeys(names)]
    layouts = {layout for _, layout in loaded}
    target = layouts.pop() if len(layouts) == 1 else LSP_14
    return [to_layout(p, layout, target) for people, layout in loaded for p in people], target


def to_layout(person: Person, source: tuple[str, ...], target: tuple[str, ...]) -> Person:
    """The person with the keypoints of another layout; what the source lacks is not annotated."""
    if source == target:
        return person
    points, annotated = convert(person.points, person.annotated, source, target)
    _, visible = convert(person.points, person.visible, source, target)
    return dataclasses.replace(person, points=points, annotated=annotated, visible=visible)
