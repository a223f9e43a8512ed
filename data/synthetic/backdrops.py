"""What is behind people: walls, skies, clutter, and grounds to stand on."""

import colorsys
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data.synthetic import noise


class Ground(NamedTuple):
    """A ground as a picture that is repeated over the plane.

    Attributes:
      tile: [n, n, 3] sRGB in [0, 1].
      side: of the tile, metres.
    """

    tile: np.ndarray
    side: float


def palette(rng: np.random.Generator, count: int) -> np.ndarray:
    """Colours that go together: sRGB [count, 3], hues near one another, mostly dull."""
    hue, spread = rng.random(), rng.choice([0.04, 0.15, 0.5])
    return np.array(
        [
            colorsys.hsv_to_rgb(
                (hue + rng.normal(0, spread)) % 1, rng.beta(1.2, 2.5), rng.uniform(0.1, 0.95)
            )
            for _ in range(count)
        ]
    )


def _mixed(colours: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colours along a list of them, at shares [...] in [0, 1]: [..., 3]."""
    place = share * (len(colours) - 1)
    return np.stack(
        [np.interp(place, np.arange(len(colours)), colours[:, i]) for i in range(3)], -1
    )


def behind(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A picture [height, width, 3], sRGB in [0, 1]: of fields, edges, things near and far."""
    width, height = size
    length = min(size)
    cell = length * rng.uniform(0.15, 1.5)
    field = noise.field(rng, size, cell, int(rng.integers(1, 6)))
    ramp = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    share = np.clip(field + rng.uniform(-1, 1) * (ramp - 0.5), 0, 1)
    picture = Image.fromarray(_bytes(_mixed(palette(rng, int(rng.integers(2, 5))), share)))
    if rng.random() < 0.75:
        _shapes(rng, picture, int(rng.geometric(0.08)))
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.025) * length))
    grain = rng.uniform(0, 0.25) * (noise.field(rng, size, rng.uniform(2, 12), 3) - 0.5)
    return np.clip(np.asarray(picture, np.float32) / 255 + grain[..., None], 0, 1)


def sky(rng: np.random.Generator, size: tuple[int, int], horizon: np.ndarray) -> np.ndarray:
    """A bright sky above far things [height, width, 3], sRGB in [0, 1].

    Args:
      rng: randomness.
      size: width and height, px.
      horizon: [height, width] height over the horizon, in image heights.
    """
    width, height = size
    blue = np.array([0.45, 0.63, 0.88]) * rng.uniform(0.7, 1.1)
    pale = np.array([0.85, 0.88, 0.92]) * rng.uniform(0.8, 1.05)
    clouds = noise.field(rng, size, width * rng.uniform(0.2, 1), 4)
    share = np.clip(horizon * 1.2 + rng.uniform(-0.3, 0.3) * clouds, 0, 1)
    picture = _mixed(np.stack([pale, blue]), share)
    # Trees, houses, hills: a skyline of its own unevenness.
    top = rng.uniform(0, 0.35) + rng.uniform(0, 0.3) * (
        noise.field(rng, (width, 1), width * rng.uniform(0.03, 0.5), 4) - 0.5
    )
    green = rng.random() < 0.6
    dark = palette(rng, 2) * ([0.5, 0.65, 0.35] if green else [0.7, 0.7, 0.7])
    leaves = noise.field(rng, size, max(3, height * rng.uniform(0.02, 0.15)), 3)
    picture = np.where((horizon < top)[..., None], _mixed(dark, leaves), picture)
    return np.clip(picture, 0, 1)


def ground(rng: np.random.Generator) -> Ground:
    """Grass, sand, carpet, tiles, boards or marked courts."""
    pixels = 128
    colours = palette(rng, 2)
    if rng.random() < 0.35:
        colours = np.array([[0.20, 0.32, 0.10], [0.45, 0.55, 0.22]]) * rng.uniform(0.7, 1.3)
    coarse = noise.field(rng, (pixels, pixels), rng.uniform(4, 120), 5)
    colours = colours[0] + rng.uniform(0.15, 0.7) * np.stack([np.zeros(3), colours[1] - colours[0]])
    tile = Image.fromarray(_bytes(_mixed(colours, coarse)))
    pen = ImageDraw.Draw(tile)
    line = tuple(_bytes(palette(rng, 1)[0]).tolist())
    kind = rng.random()
    if kind < 0.25:  # tiles or boards
        across, along = rng.integers(1, 9), rng.integers(1, 9)
        for x in np.linspace(0, pixels, across, endpoint=False):
            pen.line([(x, 0), (x, pixels)], line, 1)
        for y in np.linspace(0, pixels, along, endpoint=False):
            pen.line([(0, y), (pixels, y)], line, 1)
    elif kind < 0.4:  # a court's lines
        place = rng.uniform(0, pixels)
        pen.line([(place, 0), (place, pixels)], (235, 235, 230), int(rng.integers(2, 6)))
    # Mirrored both ways it has no seams.
    quarter = np.asarray(tile, np.float32) / 255
    half = np.concatenate([quarter, quarter[::-1]])
    return Ground(np.concatenate([half, half[:, ::-1]], 1), rng.uniform(1.5, 8.0))


def _shapes(rng: np.random.Generator, picture: Image.Image, count: int) -> None:
    """Draws things of random outline over a picture."""
    pen = ImageDraw.Draw(picture)
    length = min(picture.size)
    colours = palette(rng, 6)
    for _ in range(count):
        x, y = rng.uniform(-0.2, 1.2, 2) * picture.size
        across, tall = length * np.exp(rng.normal(-1.6, 0.8, 2))
        fill = tuple(_bytes(colours[rng.integers(6)]).tolist())
        box = (x - across, y - tall, x + across, y + tall)
        kind = rng.random()
        if kind < 0.35:
            pen.rectangle(box, fill)
        elif kind < 0.55:
            pen.ellipse(box, fill)
        elif kind < 0.8:
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
            reach = rng.uniform(0.4, 1.2, len(angles))
            corners = zip(
                x + across * reach * np.cos(angles), y + tall * reach * np.sin(angles), strict=True
            )
            pen.polygon(list(corners), fill)
        else:
            ends = [(x, y), tuple(rng.uniform(-0.2, 1.2, 2) * picture.size)]
            pen.line(ends, fill, int(rng.integers(1, max(3, length // 25))))


def _bytes(colour: np.ndarray) -> np.ndarray:
    return (np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8)
