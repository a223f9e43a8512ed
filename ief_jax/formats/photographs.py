"""The photographs that keypoints were found in."""

import os
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageOps

from ief_jax.files import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def catalogue(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """The photographs of a folder and the folders in it, by file name and by stem.

    Raises:
      InputError: there is no such folder, or no photograph in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise InputError(f"{folder}: no photographs ({', '.join(SUFFIXES)}) in this folder")
    found: dict[str, Path] = {}
    for path in paths:
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


def read(path: Path) -> Image.Image:
    """A photograph as RGB, turned upright as its EXIF data say.

    Raises:
      InputError: the file is no image, or is broken.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not an image that can be read ({error})") from error
