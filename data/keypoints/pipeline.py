"""From annotated people to batches of crops: the paper's recipe, and augmentation beyond it.

    people = lspet.read(data_dir, "train")
    batches = pipeline.batches(
        people, pipeline.augmented(LSP_14, size=128), batch_size=64, seed=0
    )
    for batch in batches: ...

An iterator's `get_state()` is a small dict; `set_state` of a new iterator goes on from there with
the same examples.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, TypeVar, overload

import cv2
import grain
import numpy as np
from PIL import Image

from data.keypoints.people import Person, decode
from ief_jax.geometry.crops import (
    PERSON,
    WINDOW,
    Box,
    candidate_boxes,
    crop,
    fitting_boxes,
    to_crop,
    window,
)
from ief_jax.geometry.skeletons import opposite
from ief_jax.io.files import InputError, read_bytes

Entry = TypeVar("Entry")


class Example(TypedDict):
    """One crop; in a batch each entry has a leading axis.

    image: uint8 [S, S, 3].
    points: float32 [K, 2], pixels of the crop, outside of it too; zero where not annotated.
    annotated: bool [K].
    marked: float32 [2], pixels of the crop.
    """

    image: np.ndarray
    points: np.ndarray
    annotated: np.ndarray
    marked: np.ndarray


class PaperCrop(NamedTuple):
    """One of the paper's training examples: a person, one of the boxes, as it is or mirrored."""

    person: Person
    rank: int
    mirrored: bool


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far the random changes of `augmented` go.

    Attributes:
      rotation: degrees; uniform in +- this.
      scale: the box is this much larger or smaller; its logarithm is uniform between the two.
      shift: of the marked point and the box with it; its standard deviation, in heights.
      mirror: share of mirrored examples.
      colour: brightness, contrast, saturation and white balance vary by up to this.
    """

    rotation: float = 40.0
    scale: tuple[float, float] = (0.75, 1.3)
    shift: float = 0.03
    mirror: float = 0.5
    colour: float = 0.3


def paper_crops(
    people: Sequence[Person], count: int = 3, mirror: bool = True
) -> Sequence[PaperCrop]:
    """The paper's training set: `count` boxes a person, each as it is and mirrored.

    Args:
      people: whom.
      count: boxes of each, the best ones first.
      mirror: false leaves the mirror images out, for people who are not like their own.
    """
    return _PaperCrops(people, count, 1 + mirror)


class _PaperCrops(Sequence[PaperCrop]):
    def __init__(self, people: Sequence[Person], count: int, sides: int) -> None:
        self._people, self._count, self._sides = people, count, sides

    def __len__(self) -> int:
        return self._sides * self._count * len(self._people)

    @overload
    def __getitem__(self, index: int) -> PaperCrop: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PaperCrop]: ...
    def __getitem__(self, index: int | slice) -> PaperCrop | Sequence[PaperCrop]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        person, number = divmod(range(len(self))[index], self._sides * self._count)
        rank, mirrored = divmod(number, self._sides)
        return PaperCrop(self._people[person], rank, mirrored == 1)


def paper(
    names: Sequence[str], size: int, length: Callable[[tuple[int, int]], int] = min
) -> Callable[[PaperCrop, np.random.Generator], Example]:
    """What makes an example of a `PaperCrop`: a random window of the box, mirrored or not.

    Args:
      names: the K keypoints' names, which say what changes places in a mirror.
      size: S, side of the crop, px.
      length: what the boxes are measured by, of an image's sides: `min` in the paper. LSP's
        images are tight about the person, and in most even the largest box of the smaller side
        is too small (16 % of the keypoints lie outside of the chosen one): `max` fits there.
    """
    mirrored_order = opposite(names)

    def example(chosen: PaperCrop, random: np.random.Generator) -> Example:
        person = chosen.person
        image = decode(person.image, person.name)
        box = fitting_boxes(candidate_boxes(person.marked, length(image.size)), person.height)[
            chosen.rank
        ]
        plain = _cut(person, image, window(box, random.uniform(-1, 1, 2)), size)
        return _mirror(plain, mirrored_order) if chosen.mirrored else plain

    return example


def central(size: int) -> Callable[[Person, np.random.Generator], Example]:
    """What makes an example for testing: the central window of a box of 1.2 times the height."""

    def example(person: Person, _: np.random.Generator) -> Example:
        return _cut(person, decode(person.image, person.name), _fitted(person), size)

    return example


def central_points(person: Person, size: int) -> np.ndarray:
    """The points [K, 2] of a person in the crop that `central` makes, without the image."""
    return to_crop(person.points, _fitted(person), size)


def augmented(
    names: Sequence[str], size: int, amount: Augmentation | None = None
) -> Callable[[Person, np.random.Generator], Example]:
    """What makes an example by random rotation, scale, shift, mirroring and colour.

    About the central window of a box of 1.2 times the person's height, by a single warp.

    Args:
      names: the K keypoints' names, which say what changes places in a mirror.
      size: S, side of the crop, px.
      amount: how much of each.
    """
    amount = amount or Augmentation()
    mirrored_order = opposite(names)

    def example(person: Person, random: np.random.Generator) -> Example:
        angle = math.radians(random.uniform(-amount.rotation, amount.rotation))
        scale = math.exp(random.uniform(*np.log(amount.scale)))
        marked = person.marked + amount.shift * person.height * random.normal(size=2)
        mirrored = random.uniform() < amount.mirror
        zoom = size / (WINDOW * PERSON * person.height * scale)
        turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        # u = A (p - c) + (n - 1) / 2,  A = n / s (R, or R and then the mirror)
        linear = zoom * np.array(turn) * (np.array([[-1.0], [1.0]]) if mirrored else 1.0)
        offset = (size - 1) / 2 - linear @ marked
        order = mirrored_order if mirrored else slice(None)
        annotated = person.annotated[order]
        points = (person.points[order] @ linear.T + offset).astype(np.float32)
        return Example(
            image=_warp(person, linear, offset, size, _colours(random, amount.colour)),
            points=np.where(annotated[:, None], points, np.float32(0)),
            annotated=annotated,
            marked=(linear @ marked + offset).astype(np.float32),
        )

    return example


def batches(
    source: Sequence[Entry],
    example: Callable[[Entry, np.random.Generator], Mapping[str, object]],
    batch_size: int,
    seed: int,
    epochs: int | None = None,
    threads: int = 2,
    first: int = 0,
    rows: Sequence[int] | np.ndarray | None = None,
) -> grain.IterDataset:
    """Shuffled batches of examples, prepared in threads ahead of their use.

    Args:
      source: people, or `views` for `paper`.
      example: makes one example of an entry of `source`, given a generator of random numbers.
      batch_size: B; an incomplete batch at the end is left out.
      seed: fixes the order and all that is random.
      epochs: how often each entry is seen; None: without end.
      threads: how many.
      first: number of the batch to begin with, to go on where an earlier run ended.
      rows: of each batch, which alone are prepared; all by default.

    Returns:
      An iterable of batches; its iterator has `get_state` and `set_state`.

    Raises:
      InputError: there are fewer entries than a batch takes.
    """
    if len(source) * (epochs or batch_size) < batch_size:
        raise InputError(f"{len(source)} examples do not make a batch of {batch_size}")
    cv2.setNumThreads(1)  # the threads are grain's
    kept = range(batch_size) if rows is None else rows
    examples = grain.MapDataset.source(source).seed(seed).shuffle().repeat(epochs)
    return (
        _Rows(examples.random_map(example), batch_size, kept)
        .batch(len(kept), drop_remainder=True)
        .slice(slice(first, None))
        .to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads))
    )


class _Rows(grain.MapDataset):
    """Of every so many entries some, by their place among them."""

    def __init__(
        self, parent: grain.MapDataset, batch_size: int, rows: Sequence[int] | np.ndarray
    ) -> None:
        super().__init__(parent)
        self._batch_size, self._rows = batch_size, [int(row) for row in rows]

    def __len__(self) -> int:
        return len(self._parent) // self._batch_size * len(self._rows)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        batch, place = divmod(index, len(self._rows))
        return self._parent[batch * self._batch_size + self._rows[place]]


def _fitted(person: Person) -> Box:
    x, y = person.marked
    return window(Box(float(x), float(y), PERSON * person.height))


def _cut(person: Person, image: Image.Image, box: Box, size: int) -> Example:
    points = to_crop(person.points, box, size).astype(np.float32)
    return Example(
        image=crop(image, box, size),
        points=np.where(person.annotated[:, None], points, np.float32(0)),
        annotated=person.annotated,
        marked=to_crop(person.marked, box, size).astype(np.float32),
    )


def _mirror(plain: Example, order: np.ndarray) -> Example:
    """The example in a mirror: what was the left wrist is the right one."""
    size = plain["image"].shape[1]

    def reflect(points: np.ndarray) -> np.ndarray:
        return np.stack([size - 1 - points[..., 0], points[..., 1]], -1)

    annotated = plain["annotated"][order]
    points = reflect(plain["points"][order])
    return Example(
        image=np.ascontiguousarray(plain["image"][:, ::-1]),
        points=np.where(annotated[:, None], points, np.float32(0)),
        annotated=annotated,
        marked=reflect(plain["marked"]),
    )


def _warp(
    person: Person, linear: np.ndarray, offset: np.ndarray, size: int, colours: np.ndarray
) -> np.ndarray:
    """The image at p -> linear p + offset, its colours mapped; black where there is none."""
    image, reduced = _decode_reduced(person, 1 / math.sqrt(abs(np.linalg.det(linear))))
    # In the reduced image q = (p + 1/2) / r - 1/2.
    matrix = np.column_stack([linear * reduced, offset + linear.sum(1) * (reduced - 1) / 2])

    def warp(picture: np.ndarray, interpolation: int) -> np.ndarray:
        return cv2.warpAffine(picture, matrix, (size, size), flags=interpolation)

    covered = warp(np.full(image.shape[:2], 255, np.uint8), cv2.INTER_NEAREST)
    coloured = cv2.transform(warp(image, cv2.INTER_LINEAR), colours[:, [2, 1, 0, 3]])
    return cv2.bitwise_and(coloured, coloured, mask=covered)


def _decode_reduced(person: Person, shrinks: float) -> tuple[np.ndarray, int]:
    """The image in blue, green, red, 1, 2, 4 or 8 times smaller, and how many.

    Args:
      person: whose image.
      shrinks: how many times coarser than the image its pixels are going to be; it is made
        smaller by no more. JPEG files are decoded so, which is quicker.
    """
    content = person.image if isinstance(person.image, bytes) else read_bytes(person.image)
    reduced = max(r for r in _REDUCED if r <= max(shrinks, 1))
    mode = _REDUCED[reduced if content.startswith(_JPEG) else 1]
    buffer = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(buffer, mode | cv2.IMREAD_IGNORE_ORIENTATION) if len(buffer) else None
    if image is None:
        where = person.name if isinstance(person.image, bytes) else person.image
        raise InputError(f"{where}: not an image that can be read")
    if reduced > 1 and not content.startswith(_JPEG):
        share = 1 / reduced
        image = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return image, reduced


_JPEG = b"\xff\xd8"
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_GREY = np.array([[0.299, 0.587, 0.114]])


def _colours(random: np.random.Generator, amount: float) -> np.ndarray:
    """A random affine map [3, 4] of colours: brightness, contrast, saturation, white balance."""
    brightness, contrast, saturation = 1 + amount * random.uniform(-1, 1, 3)
    balance = 1 + amount / 3 * random.uniform(-1, 1, (3, 1))
    mix = saturation * np.eye(3) + (1 - saturation) * np.repeat(_GREY, 3, 0)
    # c -> contrast (brightness balance mix c - 128) + 128
    linear = contrast * brightness * balance * mix
    return np.hstack([linear, np.full((3, 1), 128 * (1 - contrast))])
