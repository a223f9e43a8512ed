"""What scale selectors are trained on: people in boxes of any size, and how much they should grow.

    people = scale_examples.shrunk(people)
    batches = keypoint_pipeline.batches(people, scale_examples.boxes(64), batch_size=64, seed=0)

Leeds' images are cut close about their persons, others are not. So that the network looks at the
person and not at where the image ends, images are cut at random, and what lies outside is black in
most of the examples only.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypedDict

import cv2
import numpy as np
from tqdm import tqdm

from data.keypoints.people import Person, decode
from ief_jax.geometry.crops import PERSON

TALL = 80
"""Height of people in the images that are kept, px; enough for what the networks see of a box."""
SIDES = (0.3, 4.0)
"""Of the boxes, in units of the one that fits; the logarithm is uniform between the two."""
ROTATION = 15.0
SHIFT = 0.05
COLOUR = 0.25
CUT = 0.4


class Shrunk(NamedTuple):
    """A person in an image where they are at most `TALL` pixels tall.

    Attributes:
      image: uint8 [H, W, 3] RGB.
      marked: [2] px.
      height: px.
    """

    image: np.ndarray
    marked: np.ndarray
    height: float


class Example(TypedDict):
    """A box: image uint8 [S, S, 3], and growth float32 [], log(1.2 height / side)."""

    image: np.ndarray
    growth: np.ndarray


def shrunk(people: Sequence[Person]) -> list[Shrunk]:
    """The people in small images, to be held in memory; with a progress bar."""

    def one(person: Person) -> Shrunk:
        image = decode(person.image, person.name)
        share = min(1.0, TALL / person.height)
        size = [max(1, round(side * share)) for side in image.size]
        small = np.asarray(image.resize(size, reducing_gap=2.0))
        # (x + 1/2) f - 1/2
        share_xy = np.array(size) / image.size
        marked = (person.marked + 0.5) * share_xy - 0.5
        return Shrunk(small, marked, person.height * float(share_xy.mean()))

    return [one(person) for person in tqdm(people, desc="images", unit="person", leave=False)]


def boxes(size: int) -> Callable[[Shrunk, np.random.Generator], Example]:
    """What makes an example of S x S pixels: a random box about the marked point."""

    def example(person: Shrunk, random: np.random.Generator) -> Example:
        log_side = random.uniform(*np.log(SIDES))
        side = PERSON * person.height * math.exp(log_side)
        marked = person.marked + SHIFT * person.height * random.normal(size=2)
        image, corner = _cut(person, random)
        reduced = max(1, int(side / size))
        if reduced > 1:
            smaller = [max(1, round(length / reduced)) for length in image.shape[1::-1]]
            image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        angle = math.radians(random.uniform(-ROTATION, ROTATION))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        turn[0] *= random.choice([-1, 1])
        # u = A (q - c) + (n - 1) / 2 with A = n r / s R, q and c in pixels of the reduced image
        linear = turn * (size * reduced / side)
        centre = (marked - corner + 0.5) / reduced - 0.5
        matrix = np.column_stack([linear, (size - 1) / 2 - linear @ centre])
        seen = cv2.warpAffine(
            image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=_border(random)
        )
        # c -> gain c, white balance and all; black stays black
        gain = (1 + COLOUR * random.uniform(-1, 1)) * (1 + COLOUR / 3 * random.uniform(-1, 1, 3))
        return Example(
            image=cv2.transform(seen, np.diag(gain)), growth=np.array(-log_side, np.float32)
        )

    return example


def _cut(person: Shrunk, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A part of the image with the person in it, now and then cut off a little; its corner."""
    height, width = person.image.shape[:2]
    if random.uniform() > CUT:
        return person.image, np.zeros(2)
    reach = person.height * random.uniform(0.35, 1.5, 4)
    left, top = np.clip(person.marked - reach[:2], 0, [width - 2, height - 2]).astype(int)
    right, bottom = np.ceil(person.marked + reach[2:]).astype(int)
    part = person.image[top : max(bottom, top + 2), left : max(right, left + 2)]
    return part, np.array([left, top])


def _border(random: np.random.Generator) -> int:
    return random.choice(
        [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE], p=[0.6, 0.2, 0.2]
    ).item()
