"""The page in a browser: nothing is fetched, nothing fails, and the slider moves what is shown."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from ief_jax.inspector.content import Arrows, Body, Chart, Layer, Matrix, Picture, Subject
from ief_jax.inspector.page import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

LABELS = ("start", "learned 1", "second-order 1")
RANDOM = np.random.default_rng(0)
# A pyramid that grows, and tilts
CORNERS = np.array([[0, 1, 0], [1, 0, 1], [-1, 0, 1], [-1, 0, -1], [1, 0, -1]], np.float32)
VERTICES = np.stack([CORNERS * size for size in (0.5, 0.8, 1.0)])
JOINTS = VERTICES[:, :3]
MOVES = RANDOM.normal(size=(3, 3, 3)).astype(np.float32)
POINTS = RANDOM.uniform(20, 180, (3, 3, 2)).astype(np.float32)
NAMES = ("nose", "left_hip", "right_hip")


def subject(title: str, width: int) -> Subject:
    """Something of everything that a page can show."""
    unknown = np.where(np.arange(3)[:, None, None] < 2, MOVES, np.nan)
    arrows = (Arrows("update", "#c2185b", MOVES / 4), Arrows("descent", "#555", unknown, "update"))
    spread = np.broadcast_to(0.02 * np.eye(3, dtype=np.float32), (3, 3, 3, 3))
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [1, 2, 3], [1, 3, 4]])
    layer = Layer(
        "maps", NAMES, (0, 0, width, 200), RANDOM.integers(0, 255, (2, 3, 8, 8)).astype(np.uint8)
    )
    factors = Layer("factors", NAMES, (0, 0, width, 200), None, *RANDOM.random((2, 2, 3, 8)))
    return Subject(
        title,
        LABELS,
        Body(JOINTS, NAMES, np.array([[0, 1], [0, 2]]), VERTICES, faces, arrows, spread),
        Picture(
            POINTS,
            NAMES,
            ("#888", "#00f", "#f80"),
            np.array([[0, 1], [0, 2]]),
            POINTS[2],
            np.array([1, 0.5, 0]),
            Image.new("RGB", (width, 200), (120, 160, 120)),
            (Arrows("update", "#c2185b", 10 * MOVES[..., :2]),),
            (layer, factors),
        ),
        (Chart("Error", {"error": np.array([3.0, 2.0, 1.0])}, {}, True),),
        (
            Matrix("Fixed", NAMES, NAMES[:2], RANDOM.random((3, 2))),
            Matrix("Moving", NAMES, NAMES[:2], RANDOM.random((3, 3, 2))),
        ),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Playwright's own browser, or else the system's.
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    with warnings.catch_warnings(), sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "steps.html"
    Page([subject("first", 200), subject("second", 300)], "a page").write(path)
    return path


class Opened:
    """The page, drawn, and what it has said and asked for meanwhile."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_context(offline=True, **options).new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_function("document.body.dataset.drawn", timeout=120_000)

    def mesh(self) -> np.ndarray:
        """The vertices that are drawn, [V, 3]."""
        coordinates = "'xyz'.split('').map((a) => [...document.querySelector('#space').data[0][a]])"
        return np.array(self.page.evaluate(coordinates)).T

    def estimate(self) -> np.ndarray:
        """The estimated keypoints that are drawn, [K, 2]."""
        circles = (
            "[...document.querySelectorAll('#image circle')]"
            ".filter((c) => c.textContent.endsWith(': estimate'))"
            ".map((c) => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
        )
        return np.array(self.page.evaluate(circles))

    def state(self) -> tuple[str, float, list[list[float]]]:
        """What is said of the state, where the chart's marker is, and the moving heat map."""
        label = self.page.inner_text("#label")
        marker = "document.querySelector('.chart').layout.shapes.at(-1).x0"
        values = "[...document.querySelectorAll('.matrix')].at(-1).data[0].z.map((r) => [...r])"
        return label, self.page.evaluate(marker), self.page.evaluate(values)

    def shot(self, path: Path) -> Image.Image:
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=path)
        with Image.open(path) as image:
            return image.convert("RGB")


def test_the_slider_moves_everything(browser: Any, written: Path, tmp_path: Path) -> None:
    opened = Opened(browser, written, viewport={"width": 1280, "height": 800})
    np.testing.assert_array_equal(opened.mesh(), VERTICES[0])
    before = opened.shot(tmp_path / "before.png")
    opened.page.locator("#step").fill("2")
    np.testing.assert_array_equal(opened.mesh(), VERTICES[2])
    np.testing.assert_array_equal(opened.estimate(), POINTS[2].astype(float))
    label, marker, values = opened.state()
    assert (label, marker) == ("second-order 1 (2 of 2)", 2)
    box = opened.page.locator("#space").bounding_box()
    part = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    after = opened.shot(tmp_path / "after.png")
    different = np.asarray(ImageChops.difference(before.crop(part), after.crop(part)))
    assert (different.max(-1) > 30).mean() > 0.02, "another body is seen"
    opened.page.keyboard.press("ArrowLeft")
    np.testing.assert_array_equal(opened.mesh(), VERTICES[1])
    assert opened.state()[0] == "learned 1 (1 of 2)"
    assert opened.state()[2] != values
    opened.page.keyboard.press("PageDown")
    assert opened.page.input_value("#subject") == "1"
    opened.page.keyboard.press("ArrowRight")  # before everything is drawn
    opened.page.wait_for_function("document.body.dataset.drawn")
    assert opened.state()[:2] == ("learned 1 (1 of 2)", 1)
    assert opened.page.locator(".js-plotly-plot").count() == 4
    for layer in ("0", "1"):
        opened.page.locator("#picture-tools select").first.select_option(layer)
        assert opened.page.locator("#image image").count() == 2
    opened.page.get_by_label("skeleton").uncheck()
    assert len(opened.page.evaluate("document.querySelector('#space').data[1].x")) < 3 * 8
    assert not [line for line in opened.said if line.startswith("error")]
    assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.asked)
    assert len([url for url in opened.asked if url.startswith("file:")]) == 1


def test_on_a_phone(browser: Any, written: Path, tmp_path: Path) -> None:
    opened = Opened(browser, written, viewport={"width": 390, "height": 844}, has_touch=True)
    opened.page.locator("#on").tap()
    np.testing.assert_array_equal(opened.mesh(), VERTICES[1])
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [opened.page.locator(f"#{part}").bounding_box() for part in ("body", "picture")]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"], "one above the other"
    slider = opened.page.locator("nav").bounding_box()
    assert slider["y"] + slider["height"] <= 844, "in reach at once"
    assert not [line for line in opened.said if line.startswith("error")]
