"""People that the project makes itself, in files of their own: one npz a split."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data import releases
from data.keypoints.people import Person
from ief_jax.io import npz
from ief_jax.io.files import InputError, output_folder, read_bytes, replacing

_FIELDS = ("name", "points", "annotated", "visible", "marked", "height", "head_size")


def of_split(data_dir: Path, name: str, chosen: str, splits: Collection[str]) -> Path:
    """The file of a split.

    Args:
      data_dir: the folder that holds the data sets, or is to hold them.
      name: of the data set, and of its folder.
      chosen: the split.
      splits: that there are.

    Raises:
      InputError: there is no such split.
    """
    releases.check_split(name, chosen, splits)
    return Path(data_dir) / name / f"{chosen}.npz"


def make(path: Path, people: Iterable[Person], count: int, version: str) -> None:
    """Makes people one by one, with a progress bar, and writes them.

    Args:
      path: the file.
      people: to be made, all of one layout.
      count: how many.
      version: of what makes them; `read` asks for it.

    Raises:
      InputError: the file is there already.
      OutputError: it cannot be written.
    """
    if path.exists():
        raise InputError(f"{path}: is there already; remove it to make it anew")
    output_folder(path.parent)
    with tqdm(people, desc=str(path), total=count) as bar:
        found = list(bar)
    write(path, found, version)


def write(path: Path, people: Sequence[Person], version: str) -> None:
    """Writes people and their images.

    Args:
      path: the file.
      people: all of one layout.
      version: of what made them; `read` asks for it.
    """
    images = [
        np.frombuffer(p.image if isinstance(p.image, bytes) else read_bytes(p.image), np.uint8)
        for p in people
    ]
    with replacing(path) as file:
        np.savez(
            file,
            allow_pickle=False,
            format=version,
            images=np.concatenate(images),
            ends=np.cumsum([len(image) for image in images]),
            **{field: np.array([getattr(p, field) for p in people]) for field in _FIELDS},
        )


def read(path: Path, version: str) -> list[Person]:
    """The people of a file.

    Raises:
      InputError: it is no such file, or one of another version, or lacks something.
    """
    arrays = npz.read(path, what="a prepared data set, or a truncated one")
    if str(arrays.get("format")) != version:
        raise InputError(
            f"{path}: field 'format' is not '{version}': made by another version; remove it"
        )
    for field in ("images", "ends", *_FIELDS):
        if field not in arrays:
            raise InputError(f"{path}: has no field '{field}'")
        if field != "images" and arrays[field].shape[:1] != arrays["ends"].shape:
            raise InputError(f"{path}: 'ends' and '{field}' are not of equally many people")
    blob, ends = arrays["images"].tobytes(), arrays["ends"].tolist()
    return [
        Person(
            name=str(arrays["name"][row]),
            image=blob[start:end],
            points=arrays["points"][row],
            annotated=arrays["annotated"][row],
            visible=arrays["visible"][row],
            marked=arrays["marked"][row],
            height=float(arrays["height"][row]),
            head_size=float(arrays["head_size"][row]),
        )
        for row, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]
