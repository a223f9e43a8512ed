"""Finding and reading the photographs of the frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from ief_jax.formats import photographs
from ief_jax.io.files import InputError


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


def test_a_photograph_comes_before_the_picture_drawn_of_it(tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    make(tmp_path / "found" / "pictures" / "photo.jpg")
    photograph = make(tmp_path / "photo.jpg")
    found = photographs.catalogue(tmp_path)
    assert photographs.find(found, "photo", "photo.jpg") == photograph
    assert photographs.find(found, "photo", None) == photograph


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


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.array([[[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = np.asarray(photographs.read(tmp_path / "a.png"))
    assert found.tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 255, 9, 9, 9])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "b.png", transparency=1)
    found = np.asarray(photographs.read(tmp_path / "b.png"))
    assert found.tolist() == [[[0, 0, 255], [255, 255, 255]]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_more_than_eight_bits_are_scaled(tmp_path: Path, suffix: str, bits: int) -> None:
    full = 2**bits - 1
    grey = np.array([[0, full // 4, full // 2, full]], np.uint16)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(grey).save(path)
    found = np.asarray(photographs.read(path))
    assert found.shape == (1, 4, 3)
    np.testing.assert_allclose(found[0, :, 1], [0, 63.75, 127.5, 255], atol=1)


def test_fractions_and_an_entirely_black_photograph(tmp_path: Path) -> None:
    for name, values in (("a", [[0.0, 0.5, 1.0, np.nan]]), ("b", [[0.0, 0.0, 0.0, 0.0]])):
        Image.fromarray(np.array(values, np.float32)).save(tmp_path / f"{name}.tif")
    half = np.asarray(photographs.read(tmp_path / "a.tif"))[0, :, 0]
    assert half.tolist() == [0, 128, 255, 0]
    assert np.asarray(photographs.read(tmp_path / "b.tif")).max() == 0


def test_listing_takes_a_file_or_the_photographs_of_a_folder(tmp_path: Path) -> None:
    two, one = make(tmp_path / "b.JPG"), make(tmp_path / "a.png")
    below = make(tmp_path / "below" / "c.png")
    other = tmp_path / "a.json"
    other.write_text("{}")
    assert photographs.listed(tmp_path) == ([one, two, below], [other])
    assert photographs.listed(one) == ([one], [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no photographs \(\.jpg"):
        photographs.listed(tmp_path / "empty")
    with pytest.raises(InputError, match=r"none\.png: no such photograph or folder"):
        photographs.listed(tmp_path / "none.png")


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


def test_photographs_pair_by_number(tmp_path: Path) -> None:
    one = make(tmp_path / "img-5.png")
    make(tmp_path / "img-7.png")
    make(tmp_path / "other-7.png")
    album = photographs.catalogue(tmp_path)
    assert photographs.find(album, "v_000005", None, 5) == one
    assert photographs.find(album, "v_000007", None, 7) is None, "either could be meant"
    assert photographs.find(album, "v_000005", None) is None


def test_photographs_pair_by_the_number_that_differs(tmp_path: Path) -> None:
    one = make(tmp_path / "frame_5_cam2.png")
    make(tmp_path / "frame_7_cam2.png")
    make(tmp_path / "cover.png")
    album = photographs.catalogue(tmp_path)
    assert photographs.find(album, "v_000005", None, 5) == one
    assert photographs.find(album, "v_000002", None, 2) is None


def test_one_photograph_of_all_frames(tmp_path: Path) -> None:
    one = make(tmp_path / "a.png")
    assert photographs.find(photographs.catalogue(one), "b", "c.jpg", 3) == one


@pytest.mark.parametrize("suffix", [".jfif", ".gif", ".tga", ".webp", ".JPG", ".ppm"])
def test_every_type_of_photograph_is_listed(tmp_path: Path, suffix: str) -> None:
    one = make(tmp_path / f"a{suffix}")
    make(tmp_path / "b.png").rename(tmp_path / "._a.png")
    found, others = photographs.listed(tmp_path)
    assert found == [one]
    assert others == [tmp_path / "._a.png"]
    assert photographs.read(one).size == (4, 3)


@pytest.mark.parametrize("name", ["a.HEIC", "a.jpg"])
def test_heic_says_what_it_needs(name: str, tmp_path: Path) -> None:
    if ".heic" in photographs.suffixes():
        pytest.skip("pillow-heif is installed")
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(InputError, match=f"{name}: HEIC needs the package pillow-heif"):
        photographs.read(path)


def test_the_limit_is_ours_and_not_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)  # it refuses twice as many
    assert photographs.read(path).size == (4, 3)
    assert Image.MAX_IMAGE_PIXELS == 5
    monkeypatch.setattr(photographs, "MOST_PIXELS", 11)
    with pytest.raises(InputError, match="4 x 3 pixels in .* bytes, expected at most 11 pixels"):
        photographs.read(path)


def test_the_size_of_a_photograph_is_that_held_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg", exif=exif)
    assert photographs.size(tmp_path / "a.jpg") == (3, 4)
    (tmp_path / "b.jpg").write_bytes(b"no image")
    assert photographs.size(tmp_path / "b.jpg") is None


MADE = ("jpg", "png", "tif", "webp", "gif", "bmp")


def _decoded_size(path: Path) -> tuple[int, int] | None:
    try:
        return photographs.read(path).size
    except InputError:
        return None


@pytest.mark.parametrize("suffix", MADE)
@pytest.mark.parametrize("orientation", [None, 3, 5, 6, 7, 8])
def test_the_size_is_that_of_the_photograph_as_it_is_read(
    tmp_path: Path, suffix: str, orientation: int | None
) -> None:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    whole = path.read_bytes()
    for content in (whole, whole[:-3], whole + b"and more", whole[: len(whole) // 2], whole[:30]):
        path.write_bytes(content)
        assert photographs.size(path) == _decoded_size(path), len(content)


def test_the_size_of_a_png_whose_orientation_is_behind_its_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 3)).save(path, exif=exif)
    content = path.read_bytes()
    chunk = content[content.index(b"eXIf") - 4 : content.index(b"IDAT") - 4]
    end = content.index(b"IEND") - 4
    path.write_bytes(content[:end].replace(chunk, b"") + chunk + content[end:])
    assert photographs.size(path) == (3, 4)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_size_and_focal_length_need_the_head_alone(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (4, 3)).save(path)

    def load(image: ImageFile.ImageFile) -> None:
        raise AssertionError(f"{image.filename!r} is decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert photographs.size(path) == (4, 3)
    assert photographs.focal_length(path) is None
