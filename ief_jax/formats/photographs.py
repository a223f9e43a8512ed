"""Photographs: finding them in folders, and reading whatever kind they are as upright RGB."""

import contextlib
import functools
import importlib
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ief_jax.formats.content import numbers_in
from ief_jax.io.files import InputError, read_bytes

HEIC = (".heic", ".heif")
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
NOT_READ = frozenset((".pdf", ".eps", ".ps", ".mpg", ".mpeg", ".h5", ".hdf", ".hdf5"))
"""Types that Pillow knows and that are no photographs, or that it needs other programs for."""


@functools.cache
def suffixes() -> frozenset[str]:
    """The endings of every type that Pillow reads here, HEIC with pillow-heif too."""
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    known = Image.registered_extensions()
    return frozenset(end for end, kind in known.items() if kind in Image.OPEN) - NOT_READ


MOST_PIXELS = 2**28
"""An image may have so many pixels: telephones have 200 million, and Pillow refuses 179."""
FEW_PIXELS, MOST_GROWTH = 2**26, 200
"""If it has more than the first, then at most the second for each byte of its file: JPEG packs no
more of a photograph into one."""


class Album(NamedTuple):
    """Photographs by what frames may call them.

    Attributes:
      names: by path within the folder, by file name and by stem.
      numbers: by the number in the name (`content.numbers_in`), where only one has it.
      only: the photograph of every frame, if it is a single one.
    """

    names: Mapping[str, Path]
    numbers: Mapping[int, Path]
    only: Path | None = None


EMPTY = Album({}, {})


def catalogue(path: str | os.PathLike[str]) -> Album:
    """The photographs of a folder and the folders in it; or one for all frames.

    Of several with one name, the one that is nearest to the folder itself counts.

    Raises:
      InputError: there is no such folder or file, or no photograph in it.
    """
    folder = Path(path)
    if folder.is_file():
        return Album({}, {}, folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs, nor a photograph")
    paths = _within(folder)
    if not paths:
        raise InputError(f"{folder}: no photographs ({_shown()}) in this folder")
    found: dict[str, Path] = {}
    numbers: dict[int, list[Path]] = {}
    paths = sorted(paths, key=lambda path: (len(path.parts), path))
    for path, number in zip(paths, numbers_in([path.stem for path in paths]), strict=True):
        for key in (path.relative_to(folder).as_posix(), path.name, path.stem):
            found.setdefault(key, path)
        if number is not None:
            numbers.setdefault(number, []).append(path)
    return Album(found, {number: each[0] for number, each in numbers.items() if len(each) == 1})


def find(album: Album, frame: str, image: str | None, number: int | None = None) -> Path | None:
    """The photograph of a frame, or None.

    Args:
      album: from `catalogue`.
      frame: name of the frame; in a list of COCO results this is the image's number.
      image: its file name where the detections say.
      number: of the frame; counts where no name fits.
    """
    if album.only is not None:
        return album.only
    names = [image, Path(image).name, Path(image).stem] if image else []
    names += [frame, Path(frame).name, frame.zfill(12)]
    for name in names:
        if name in album.names:
            return album.names[name]
    return None if number is None else album.numbers.get(number)


def size(path: Path) -> tuple[float, float] | None:
    """Width and height of a photograph held upright; None if it cannot be read.

    The pixels of JPEG and PNG are not decoded: their heads say it, and their ends that they are
    all there.
    """
    try:
        with _opened(path) as image:
            if _head_suffices(path, image):
                width, height = image.size
                if _exif_of_head(image).get(_ORIENTATION) in _LYING:
                    width, height = height, width
            else:
                width, height = ImageOps.exif_transpose(image).size
    except Exception:
        return None
    return float(width), float(height)


_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and its values that make rows columns."""
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND"


def _head_suffices(path: Path, image: Image.Image) -> bool:
    """Whether a file is all there, and what it says of itself is before its pixels."""
    if image.format not in ("JPEG", "MPO", "PNG"):
        return False
    with path.open("rb") as file:
        if image.format == "PNG":
            return _pixels_are_last(file)
        file.seek(-len(_JPEG_END), os.SEEK_END)
        return file.read() == _JPEG_END


def _exif_of_head(image: Image.Image) -> Image.Exif:
    """EXIF's fields before the pixels; for more, a PNG's own method decodes these."""
    return Image.Image.getexif(image)


def _pixels_are_last(file: BinaryIO) -> bool:
    """Whether nothing is behind the pixels of a PNG but its end."""
    pixels, kind = False, b""
    file.seek(8)  # behind the signature
    while kind != _PNG_END:
        length, kind = struct.unpack(">I4s", file.read(8))
        if pixels and kind not in (b"IDAT", _PNG_END):
            return False
        pixels = pixels or kind == b"IDAT"
        file.seek(length + 4, os.SEEK_CUR)  # and the check sum
    return file.tell() <= file.seek(0, os.SEEK_END)


_EXIF, _FOCAL_35, _WIDTH, _HEIGHT = 0x8769, 0xA405, 0xA002, 0xA003
"""EXIF's tags: its own fields, and of these FocalLengthIn35mmFilm and the size as it was taken."""
_DIAGONAL_35 = float(np.hypot(36, 24))
"""Of a frame of 35 mm film, mm."""
_SAME_SHAPE = 0.02
"""Aspect ratios that differ by more, relatively: a part was cut out."""


def focal_length(path: Path) -> float | None:
    """The focal length in pixels that the camera wrote into a photograph.

    EXIF's FocalLengthIn35mmFilm is that of a lens which would show as much along the diagonal on
    35 mm film. None where it is not there, or where the photograph has been cut to another shape.
    """
    try:
        with _opened(path) as image:
            width, height = image.size
            whole = not _head_suffices(path, image)
            written = (image.getexif() if whole else _exif_of_head(image)).get_ifd(_EXIF)
            millimetres = float(written.get(_FOCAL_35, 0))
            taken = [float(written.get(tag, 0)) for tag in (_WIDTH, _HEIGHT)]
    except Exception:
        return None
    if not 0 < millimetres < math.inf:
        return None
    if min(taken) > 0:
        ratio = (width * taken[1]) / (height * taken[0])
        if abs(ratio - 1) > _SAME_SHAPE:
            return None
    # f = f_35 * diagonal / 43.27 mm
    return millimetres * math.hypot(width, height) / _DIAGONAL_35


def listed(path: str | os.PathLike[str]) -> tuple[list[Path], list[Path]]:
    """The photograph `path`, or those in the folder `path` and its sub-folders, by name.

    Returns:
      The photographs, and the files that are passed over.

    Raises:
      InputError: there is no such file, or no photograph in the folder.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"{path}: no such photograph or folder")
        return [path], []
    suffixes()
    files = sorted(p for p in path.rglob("*") if p.is_file())
    found = [p for p in files if _is_photograph(p)]
    if not found:
        raise InputError(f"{path}: no photographs ({_shown()}) in this folder")
    return found, [p for p in files if not _is_photograph(p)]


def why_not(path: Path) -> str:
    """What to say of a file that is not read as a photograph."""
    return "its name begins with a dot" if path.name.startswith(".") else _why_unreadable(path)


def _why_unreadable(path: Path) -> str:
    if _is_heic(path) and not suffixes().issuperset(HEIC):
        return "HEIC needs the package pillow-heif (pip install pillow-heif)"
    return "not an image that can be read"


def _is_heic(path: Path) -> bool:
    """Whether it is called so, or is so: telephones' photographs are also called .jpg."""
    if path.suffix.lower() in HEIC:
        return True
    try:
        head = read_bytes(path, 12)
    except InputError:
        return False
    # The length of the first box, "ftyp", the major brand
    return head[4:8] == b"ftyp" and head[8:] in HEIC_BRANDS


def _within(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if _is_photograph(p) and p.is_file()]


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in suffixes() and not path.name.startswith(".")


def _shown() -> str:
    return ".jpg, .png, ... of every type that Pillow reads"


def read(path: str | os.PathLike[str]) -> Image.Image:
    """A photograph as RGB, turned upright as its EXIF data say.

    Grey becomes RGB, palettes their colours, what is transparent white, and more than 8 bits a
    channel 8: the fewest bits that hold the largest value are taken for the full range.

    Raises:
      InputError: the file is no image, or is broken.
    """
    path = Path(path)
    suffixes()
    try:
        with _opened(path) as image:
            return _rgb(ImageOps.exif_transpose(image))
    except Exception as error:
        # OSError, ValueError, SyntaxError, struct.error, ...: Pillow raises many kinds on what is
        # broken.
        raise InputError(f"{path}: {_why_unreadable(path)} ({error})") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image whose pixels are not decoded yet; one that claims far too many is refused."""
    with _header(path) as image:
        pixels, length = image.width * image.height, path.stat().st_size
        if pixels > min(MOST_PIXELS, max(FEW_PIXELS, MOST_GROWTH * length)):
            raise ValueError(
                f"{image.width} x {image.height} pixels in {length} bytes, expected at most "
                f"{MOST_PIXELS} pixels, and of more than {FEW_PIXELS} at most {MOST_GROWTH} a byte"
            )
        yield image


def _header(path: Path) -> Image.Image:
    """An image of any size, not decoded: Pillow's own limit, which is less, is lifted meanwhile."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        return Image.open(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of more than 8 bits as uint8.

    Cameras put 10, 12 or 14 bits into 16: the range is the fewest bits, 8 at least, that hold the
    largest value. Fractions are taken to be between 0 and 1.
    """
    values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    largest = values.max(initial=0)
    full = 1.0 if largest <= 1 else 2.0 ** max(8, np.ceil(np.log2(largest + 1))) - 1
    return (np.clip(values / full, 0, 1) * 255 + 0.5).astype(np.uint8)
