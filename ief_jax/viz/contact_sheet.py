"""Contact sheets: many small pictures on few pages."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ief_jax.viz.colours import INK, PAPER

WIDTH, HEIGHT = 1600, 2000
"""Of a page, pixels; a page that is not full is less high."""
TALL = 200
"""Of the pictures, pixels."""
_GAP = 8
_CAPTION = 18
_FONT = 12


class Entry(NamedTuple):
    """A picture, and what is written under it."""

    picture: Image.Image
    caption: str


def pages(entries: Iterable[Entry]) -> Iterator[Image.Image]:
    """Pages full of pictures, row by row, each picture `TALL` high. One page is kept at a time."""
    page = _empty()
    font = ImageFont.load_default(_FONT)
    left = top = _GAP
    for entry in entries:
        small = _fitted(entry.picture)
        if left > _GAP and left + small.width + _GAP > WIDTH:
            left, top = _GAP, top + _row()
        if top + _row() > HEIGHT:
            yield page
            page, left, top = _empty(), _GAP, _GAP
        page.paste(small, (left, top))
        caption = _shortened(entry.caption, small.width, font)
        at = (left + small.width / 2, top + TALL + _CAPTION / 2)
        ImageDraw.Draw(page).text(at, caption, INK, font, anchor="mm")
        left += small.width + _GAP
    if left > _GAP:
        yield page.crop((0, 0, WIDTH, top + _row()))


def _empty() -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), PAPER)


def _row() -> int:
    return TALL + _CAPTION + _GAP


def _fitted(picture: Image.Image) -> Image.Image:
    """`TALL` high; a very wide one as wide as the page."""
    width = max(1, round(picture.width * TALL / picture.height))
    if width > WIDTH - 2 * _GAP:
        canvas = Image.new("RGB", (WIDTH - 2 * _GAP, TALL), PAPER)
        picture = picture.copy()
        picture.thumbnail(canvas.size)
        canvas.paste(picture)
        return canvas
    return picture.resize((width, TALL), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text; without its beginning where it is too long, which names have in common."""
    if font.getlength(text) <= width:
        return text
    while len(text) > 1 and font.getlength("…" + text) > width:
        text = text[1:]
    return "…" + text
