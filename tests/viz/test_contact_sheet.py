"""Every picture is on one page, in order, whole."""

import numpy as np
from PIL import Image

from ief_jax.viz import contact_sheet
from ief_jax.viz.contact_sheet import TALL, Entry


def red_runs(page: Image.Image) -> list[int]:
    """How bright each picture is, in the order in which one reads."""
    pixels = np.asarray(page).astype(int)
    found = []
    for row in range(8 + TALL // 2, page.height, TALL + 26):
        line = pixels[row]
        inside = line[:, 1] < 5  # pictures have no green, the page has
        starts = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1
        found += [int(line[start + 20, 0]) for start in starts]
    return found


def test_pictures_of_all_sizes_row_by_row() -> None:
    generator = np.random.default_rng(0)
    shades = [50 + 2 * number for number in range(60)]
    entries = []
    for shade in shades:
        size = (int(generator.integers(60, 500)), int(generator.integers(100, 400)))
        entries.append(Entry(Image.new("RGB", size, (shade, 0, 0)), f"{'long ' * 20}{shade}"))
    pages = list(contact_sheet.pages(iter(entries)))
    assert len(pages) > 1
    assert all(page.width == 1600 and page.height <= 2000 for page in pages)
    assert pages[-1].height < 2000
    read = [shade for page in pages for shade in red_runs(page)]
    np.testing.assert_allclose(read, shades, atol=1)


def test_one_that_is_wider_than_a_page_and_none() -> None:
    (page,) = contact_sheet.pages([Entry(Image.new("RGB", (4000, 100), (90, 0, 0)), "wide")])
    pixels = np.asarray(page).astype(int)
    there = np.nonzero(pixels[..., 1] < 5)
    assert np.ptp(there[1]) == 1600 - 2 * 8 - 1
    assert np.ptp(there[0]) + 1 == round(100 * 1584 / 4000)
    assert list(contact_sheet.pages([])) == []
