"""Photographs: finding them in folders, and reading whatever kind they are as upright RGB."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ief_jax.io.files import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def catalogue(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """The photographs of a folder and the folders in it, by file name and by stem.

    Of several with one name, the one that is nearest to the folder itself counts.

    Raises:
      InputError: there is no such folder, or no photograph in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    paths = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    if not paths:
        raise InputError(f"{folder}: no photographs ({', '.join(SUFFIXES)}) in this folder")
    found: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        for key in (path.relative_to(folder).as_posix(), path.name, path.stem):
            found.setdefault(key, path)
    return found


def find(found: Mapping[str, Path], frame: str, image: str | None) -> Path | None:
    """The photograph of a frame, or None.

    Args:
      found: from `catalogue`.
      frame: name of the frame; in a list of COCO results this is the image's number.
      image: its file name where the detections say.
    """
    names = [image, Path(image).name] if image else []
    names += [frame, Path(frame).name, frame.zfill(12)]
    return next((found[name] for name in names if name in found), None)


def listed(path: str | os.PathLike[str]) -> list[Path]:
    """The photograph `path`, or those directly in the folder `path`, by name.

    Raises:
      InputError: there is no such file, or no photograph in the folder.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"{path}: no such photograph or folder")
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"{path}: no photographs ({', '.join(SUFFIXES)}) in this folder")
    return found


def read(path: Path) -> Image.Image:
    """A photograph as RGB, turned upright as its EXIF data say.

    Grey becomes RGB, palettes their colours, what is transparent white, and more than 8 bits a
    channel 8: the fewest bits that hold the largest value are taken for the full range.

    Raises:
      InputError: the file is no image, or is broken.
    """
    try:
        with Image.open(path) as image:
            return _rgb(ImageOps.exif_transpose(image))
    except Exception as error:
        # OSError, ValueError, SyntaxError, struct.error, ...: Pillow raises many kinds on what is
        # broken, and Image.DecompressionBombError on what claims to be enormous.
        raise InputError(f"{path}: not an image that can be read ({error})") from error


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
