"""From annotated people to batches of crops: the paper's recipe, and augmentation beyond it.

    people = lspet.read(data_dir, "train")
    batches = keypoint_pipeline.batches(
        people, keypoint_pipeline.augmented(LSP_14, size=128), batch_size=64, seed=0
    )
    for batch in batches: ...

An iterator's `get_state()` is a small dict; `set_state` of a new iterator goes on from there with
the same examples.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypedDict

import grain
import numpy as np
from PIL import Image

from data.people import Person, decode
from ief_jax.crops import PERSON, WINDOW, Box, boxes, crop, fitting, to_crop, window
from ief_jax.files import InputError
from ief_jax.skeletons import opposite


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


class View(NamedTuple):
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


def views(people: Sequence[Person], count: int = 3) -> list[View]:
    """The paper's training set: `count` boxes a person, each also mirrored."""
    return [View(p, rank, flip) for p in people for rank in range(count) for flip in (False, True)]


def paper(names: Sequence[str], size: int) -> Callable[[View, np.random.Generator], Example]:
    """What makes an example of a `View`: a random window of the box, mirrored or not.

    Args:
      names: the K keypoints' names, which say what changes places in a mirror.
      size: S, side of the crop, px.
    """
    mirrored_order = opposite(names)

    def example(view: View, random: np.random.Generator) -> Example:
        person = view.person
        image = decode(person.image, person.name)
        box = fitting(boxes(person.marked, min(image.size)), person.height)[view.rank]
        plain = _cut(person, image, window(box, random.uniform(-1, 1, 2)), size)
        return _mirror(plain, mirrored_order) if view.mirrored else plain

    return example


def central(size: int) -> Callable[[Person, np.random.Generator], Example]:
    """What makes an example for testing: the central window of a box of 1.2 times the height."""

    def example(person: Person, _: np.random.Generator) -> Example:
        box = Box(*person.marked.tolist(), PERSON * person.height)
        return _cut(person, decode(person.image, person.name), window(box), size)

    return example


def augmented(
    names: Sequence[str], size: int, amount: Augmentation | None = None
) -> Callable[[Person, np.random.Generator], Example]:
    """What makes an example by random rotation, scale, shift, mirroring and colour.

    About the central window of a box of 1.2 times the person's height, by a single warp.

    Args:
      names: the K keypoints' names.
      size: S, side of the crop, px.
      amount: how much of each.
    """
    amount = amount or Augmentation()
    mirrored_order = opposite(names)

    def example(person: Person, random: np.random.Generator) -> Example:
        angle = math.radians(random.uniform(-amount.rotation, amount.rotation))
        scale = math.exp(random.uniform(*np.log(amount.scale)))
        marked = person.marked + amount.shift * person.height * random.normal(size=2)
        side = WINDOW * PERSON * person.height * scale
        # u = R (p - c) n / s + (n - 1) / 2
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = turn * (size / side)
        offset = (size - 1) / 2 - linear @ marked
        image = _warp(person, linear, offset, size, _colours(random, amount.colour))
        points = (person.points @ linear.T + offset).astype(np.float32)
        result = Example(
            image=np.asarray(image),
            points=np.where(person.annotated[:, None], points, np.float32(0)),
            annotated=person.annotated,
            marked=(linear @ marked + offset).astype(np.float32),
        )
        return _mirror(result, mirrored_order) if random.uniform() < amount.mirror else result

    return example


def batches(
    source: Sequence,
    example: Callable[..., Example],
    batch_size: int,
    seed: int,
    epochs: int | None = None,
    threads: int = 2,
) -> grain.IterDataset:
    """Shuffled batches of examples, prepared in threads ahead of their use.

    Args:
      source: people, or `views` for `paper`.
      example: makes one example of an entry of `source`, given a generator of random numbers.
      batch_size: B; an incomplete batch at the end is left out.
      seed: fixes the order and all that is random.
      epochs: how often each entry is seen; None: without end.
      threads: how many.

    Returns:
      An iterable of batches; its iterator has `get_state` and `set_state`.

    Raises:
      InputError: there are fewer entries than a batch takes.
    """
    if len(source) * (epochs or batch_size) < batch_size:
        raise InputError(f"{len(source)} examples do not make a batch of {batch_size}")
    return (
        grain.MapDataset.source(source)
        .seed(seed)
        .shuffle()
        .repeat(epochs)
        .random_map(example)
        .batch(batch_size, drop_remainder=True)
        .to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads))
    )


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
) -> Image.Image:
    """The image at p -> linear p + offset, its colours mapped; black where there is none."""
    # Where the crop is much coarser than the image, whole blocks of pixels are averaged first.
    reduced = max(1, math.floor(1 / math.sqrt(np.linalg.det(linear))))
    image = decode(person.image, person.name).reduce(reduced)
    # Pillow asks where in the (reduced) image each place of the crop comes from, in coordinates
    # of pixel edges: e = p + 1/2.
    inverse = np.linalg.inv(linear)
    start = 0.5 - inverse @ (offset + 0.5)
    (a, b), (d, e) = inverse / reduced
    c, f = start / reduced

    def warp(picture: Image.Image, resampling: Image.Resampling) -> Image.Image:
        return picture.transform(
            (size, size), Image.Transform.AFFINE, (a, b, c, d, e, f), resampling
        )

    coloured = warp(image, Image.Resampling.BILINEAR).convert("RGB", tuple(colours.ravel()))
    covered = warp(Image.new("L", image.size, 255), Image.Resampling.NEAREST)
    return Image.composite(coloured, Image.new("RGB", (size, size)), covered)


_GREY = np.array([[0.299, 0.587, 0.114]])


def _colours(random: np.random.Generator, amount: float) -> np.ndarray:
    """A random affine map [3, 4] of colours: brightness, contrast, saturation, white balance."""
    brightness, contrast, saturation = 1 + amount * random.uniform(-1, 1, 3)
    balance = 1 + amount / 3 * random.uniform(-1, 1, (3, 1))
    mix = saturation * np.eye(3) + (1 - saturation) * np.repeat(_GREY, 3, 0)
    # c -> contrast (brightness balance mix c - 128) + 128
    linear = contrast * brightness * balance * mix
    return np.hstack([linear, np.full((3, 1), 128 * (1 - contrast))])
