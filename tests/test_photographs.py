"""Finding and reading the photographs of the frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ief_jax.files import InputError
from ief_jax.formats import photographs


def make(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 3)).save(path)
    return path


def test_photographs_are_found_by_name(tmp_path: Path) -> None:
    one, two = make(tmp_path / "cam01.0001.png"), make(tmp_path / "sub" / "000000000042.JPG")
    (tmp_path / "notes.txt").write_text("")
    found = photographs.catalogue(tmp_path)
    assert photographs.find(found, "cam01.0001", None) == one
    assert photographs.find(found, "x", "sub/000000000042.JPG") == two
    assert photographs.find(found, "x", "train2017/000000000042.JPG") == two
    assert photographs.find(found, "42", None) == two, "the number of a COCO image"
    assert photographs.find(found, "cam01", None) is None
    assert photographs.find(found, "notes", "../notes.txt") is None


def test_folders_without_photographs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder"):
        photographs.catalogue(tmp_path / "none")
    with pytest.raises(InputError, match="no photographs"):
        photographs.catalogue(tmp_path)


def test_photographs_are_read_upright(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: the first row is the right column
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = photographs.read(tmp_path / "a.png")
    assert image.size == (2, 3)
    assert np.asarray(image)[0, 1].tolist() == [255, 255, 255]


def test_grey_and_transparent_photographs_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P"):
        Image.new(mode, (4, 3)).save(tmp_path / "a.png")
        assert photographs.read(tmp_path / "a.png").mode == "RGB"


@pytest.mark.parametrize("content", [b"", b"text", "half"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "a.png"
    if isinstance(content, str):
        noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        content = path.read_bytes()[:3000]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png: not an image"):
        photographs.read(path)
