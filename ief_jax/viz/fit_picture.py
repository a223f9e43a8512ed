"""Pictures of fits: keypoints found and reprojected, the body over the photograph, its side."""

from typing import NamedTuple

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ief_jax.geometry import camera, skeletons
from ief_jax.viz import raster
from ief_jax.viz.colours import INK, PAPER, SKINS, Colour, side_colour

LIMBS = (
    ("right_shoulder", "left_shoulder"),
    *((f"{side}_shoulder", f"{side}_elbow") for side in ("left", "right")),
    *((f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")),
    *((f"{side}_shoulder", f"{side}_hip") for side in ("left", "right")),
    ("right_hip", "left_hip"),
    *((f"{side}_hip", f"{side}_knee") for side in ("left", "right")),
    *((f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
    *((f"{side}_ankle", f"{side}_heel") for side in ("left", "right")),
    *((f"{side}_ankle", f"{side}_big_toe") for side in ("left", "right")),
    ("upper_neck", "head_top"),
    *(("nose", f"{side}_eye") for side in ("left", "right")),
    *((f"{side}_eye", f"{side}_ear") for side in ("left", "right")),
)
"""Pairs of UNION_27's keypoints to join with a line."""

LIMB_ROWS = np.array([[skeletons.UNION_27.index(name) for name in limb] for limb in LIMBS])
"""`LIMBS` as rows of UNION_27: [21, 2]."""

_CANVAS: Colour = (244, 244, 242)
_OUTSIDE: Colour = (60, 60, 60)
_OVER_PHOTOGRAPH = 0.88
_HEADER = 30
_GAP = 6


class Fit(NamedTuple):
    """One person to be drawn.

    Attributes:
      points: [27, 2] UNION_27 keypoints found, pixels.
      confidence: [27], 0 where not found.
      reprojected: [27, 2] the body's keypoints, pixels.
      vertices: [V, 3] of the posed body, metres.
      view: how the camera sees it: `camera.project(view, vertices, intrinsics)`, pixels.
      intrinsics: of the lens.
      error: [] mean reprojection error, pixels.
      person: index within the frame; chooses the colour.
      title: what to call it.
    """

    points: np.ndarray
    confidence: np.ndarray
    reprojected: np.ndarray
    vertices: np.ndarray
    view: camera.WeakPerspective
    intrinsics: camera.Intrinsics
    error: np.ndarray
    person: int
    title: str


class _Crop(NamedTuple):
    """The part of the image that a panel shows: upper left corner, pixels of the panel per pixel
    of the image, and the panel's width and height."""

    corner: np.ndarray
    zoom: float
    size: tuple[int, int]

    def panel(self, points: np.ndarray) -> np.ndarray:
        """Image pixels [..., 2] to panel pixels."""
        return (points - self.corner) * self.zoom


class Panels(NamedTuple):
    """Three views of one person, all of one height.

    Attributes:
      keypoints: found and reprojected, over the photograph.
      front: the body over the photograph.
      side: the body from its side.
    """

    keypoints: Image.Image
    front: Image.Image
    side: Image.Image


def panels(
    fit: Fit, faces: np.ndarray, photograph: Image.Image | None, height: int = 560
) -> Panels:
    """Draws keypoints, the body in place and the body from its side.

    Args:
      fit: the person and the fitted body.
      faces: [F, 3] of the body's mesh.
      photograph: what the keypoints were found in; None for a plain canvas.
      height: of the panels, pixels.
    """
    projected = _projected(fit)
    crop = _crop(fit, projected, height)
    backdrop = _backdrop(photograph, crop)
    opacity = 1.0 if photograph is None else _OVER_PHOTOGRAPH
    # Depth in pixels too; a larger z is nearer.
    place = np.concatenate(
        [crop.panel(projected), fit.vertices[:, 2:] * float(fit.view.scale) * crop.zoom], 1
    )
    plain = Image.new("RGB", crop.size, _CANVAS)
    return Panels(
        _keypoints(backdrop, crop, fit),
        _body(backdrop, place, faces, fit.person, opacity),
        _body(plain, _from_the_side(place, crop), faces, fit.person),
    )


def picture(drawn: Panels, fit: Fit) -> Image.Image:
    """The panels in a row under a line that says what they are."""
    width = sum(panel.width for panel in drawn) + _GAP * (len(drawn) - 1)
    image = Image.new("RGB", (width, drawn.front.height + _HEADER), PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    found = int((fit.confidence > 0).sum())
    above = (
        fit.title,
        f"{found} keypoints, {float(fit.error):.1f} px off on average",
        "from the side",
    )
    left = 0
    for panel, text in zip(drawn, above, strict=True):
        image.paste(panel, (left, _HEADER))
        pen.text((left or 8, _HEADER // 2), text, INK, font, anchor="lm")
        left += panel.width + _GAP
    return image


def front_and_side(drawn: Panels, height: int) -> Image.Image:
    """The body in place and from its side, beside one another and smaller: for contact sheets."""
    width = round(drawn.front.width * height / drawn.front.height)
    image = Image.new("RGB", (2 * width, height))
    for number, panel in enumerate((drawn.front, drawn.side)):
        small = panel.resize((width, height), Image.Resampling.HAMMING, reducing_gap=1.01)
        image.paste(small, (number * width, 0))
    return image


def _projected(fit: Fit) -> np.ndarray:
    """[V, 2] where the vertices are seen, pixels."""
    # In numpy: there is no program to compile.
    seen = jax.tree.map(np.asarray, (fit.view, fit.vertices, fit.intrinsics))
    return np.asarray(camera.project(*seen))


def _crop(fit: Fit, projected: np.ndarray, height: int) -> _Crop:
    """The box round the keypoints found and the body, with a margin.

    A body that went astray does not make the person small: it counts up to half a box away.
    """
    seen = fit.points[fit.confidence > 0]
    low, high = seen.min(0), seen.max(0)
    reach = 0.5 * (high - low).max()
    low = np.minimum(low, np.maximum(projected.min(0), low - reach))
    high = np.maximum(high, np.minimum(projected.max(0), high + reach))
    margin = 0.08 * (high - low).max()
    extent = high - low + 2 * margin
    # Neither a slit nor a strip.
    extent[0] = max(extent[0], 0.6 * extent[1])
    extent[1] = max(extent[1], 0.6 * extent[0])
    zoom = height / extent[1]
    size = (round(extent[0] * zoom), height)
    return _Crop((low + high) / 2 - extent / 2, float(zoom), size)


def _backdrop(photograph: Image.Image | None, crop: _Crop) -> Image.Image:
    """The cropped photograph, of the panel's size."""
    if photograph is None:
        return Image.new("RGB", crop.size, _CANVAS)
    backdrop = Image.new("RGB", crop.size, _OUTSIDE)
    # The panel's whole pixels that the photograph covers, and where they lie in it.
    corners = np.array([(0, 0), photograph.size])
    (left, top), (right, bottom) = np.clip(crop.panel(corners), 0, crop.size)
    low = np.ceil([left, top]).astype(int)
    high = np.floor([right, bottom]).astype(int)
    if (high > low).all():
        box = np.concatenate([low, high]).reshape(2, 2) / crop.zoom + crop.corner
        part = photograph.resize(
            tuple((high - low).tolist()),
            Image.Resampling.BICUBIC,
            box=tuple(np.clip(box, 0, photograph.size).reshape(-1).tolist()),
            reducing_gap=2.0,
        )
        backdrop.paste(part, tuple(low.tolist()))
    return backdrop


def _keypoints(backdrop: Image.Image, crop: _Crop, fit: Fit) -> Image.Image:
    """Found keypoints as dots and coloured limbs, the body's as rings and thin lines."""
    # At twice the size, for smooth edges.
    image = backdrop.resize((2 * crop.size[0], 2 * crop.size[1]), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    found = crop.panel(fit.points) * 2
    body = crop.panel(fit.reprojected) * 2
    seen = fit.confidence > 0
    for (first, second), (_, name) in zip(LIMB_ROWS, LIMBS, strict=True):
        if seen[first] and seen[second]:
            _line(pen, found[[first, second]], side_colour(name), 7)
    for first, second in LIMB_ROWS:
        _line(pen, body[[first, second]], PAPER, 5)
        _line(pen, body[[first, second]], INK, 2)
    for point in body:
        _dot(pen, point, 13, outline=PAPER, width=6)
        _dot(pen, point, 11.5, outline=INK, width=3)
    for name, point, visible in zip(skeletons.UNION_27, found, seen, strict=True):
        if visible:
            _dot(pen, point, 7, fill=side_colour(name), outline=PAPER, width=2)
    return image.reduce(2)


def _line(pen: ImageDraw.ImageDraw, ends: np.ndarray, colour: Colour, width: int) -> None:
    pen.line([(float(x), float(y)) for x, y in ends], fill=colour, width=width)


def _dot(
    pen: ImageDraw.ImageDraw,
    centre: np.ndarray,
    radius: float,
    *,
    outline: Colour,
    width: int,
    fill: Colour | None = None,
) -> None:
    x, y = (float(c) for c in centre)
    box = (x - radius, y - radius, x + radius, y + radius)
    pen.ellipse(box, fill=fill, outline=outline, width=width)


def _body(
    backdrop: Image.Image,
    place: np.ndarray,
    faces: np.ndarray,
    person: int,
    opacity: float = 1.0,
) -> Image.Image:
    image = backdrop.copy()
    raster.paint(image, place, faces, SKINS[person % len(SKINS)], opacity)
    return image


def _from_the_side(place: np.ndarray, crop: _Crop) -> np.ndarray:
    """The body turned by a quarter about the vertical, as seen from the image's right.

    Whoever faces the camera comes to face left. Height and scale are those of the other panels
    if the whole body fits into the panel so; else it is made to fit.
    """
    x, y, z = place.T
    turned = np.stack([-z, y, x], 1)
    low, high = turned.min(0), turned.max(0)
    panel = np.array(crop.size)
    across = high[0] - low[0] <= panel[0]
    if across and low[1] >= 0 and high[1] <= panel[1]:
        return turned + [(panel[0] - low[0] - high[0]) / 2, 0, 0]
    shrink = (0.92 * panel / (high - low)[:2]).min()
    shift = panel / 2 - shrink * (low + high)[:2] / 2
    return shrink * turned + [*shift, 0]
