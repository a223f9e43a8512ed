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
MOVING = RANDOM.random((2, 3, 2))
SPREAD = np.array([[0.02, 0.01, 0], [0.01, 0.03, -0.01], [0, -0.01, 0.04]])
NAMES = ("nose", "left_hip", "right_hip")


def subject(title: str, width: int) -> Subject:
    """Something of everything that a page can show."""
    unknown = np.where(np.arange(3)[:, None, None] < 2, MOVES, np.nan)
    arrows = (Arrows("update", "#c2185b", MOVES), Arrows("descent", "#555", unknown, "update"))
    spread = np.broadcast_to(SPREAD, (3, 3, 3, 3))
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
        (
            Chart("Error", {"error": np.array([3.0, 2.0, 1.0])}, {}),
            Chart("Norm", {"a": np.array([100, 1, 10.0]), "b": np.array([1, np.nan, 0])}, {}, True),
        ),
        (
            Matrix("Fixed", NAMES, NAMES[:2], RANDOM.random((3, 2))),
            Matrix("Moving", NAMES, NAMES[:2], MOVING),
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

    def __init__(self, browser: Any, path: Path, first: str = "", **options: Any) -> None:
        self.page = browser.new_context(offline=True, **options).new_page()
        self.page.add_init_script(first)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.locator("body[data-drawn]").wait_for(timeout=60_000)

    def heard(self, message: Any) -> None:
        # What a driver says of its own speed is not the page's.
        if "GL Driver" not in message.text:
            self.said.append(f"{message.type}: {message.text}")

    def mesh(self) -> np.ndarray:
        """The vertices that are drawn, [V, 3]."""
        values = "[...space.mesh.geometry.attributes.position.array]"
        return np.array(self.page.evaluate(values)).reshape(-1, 3)

    def spheres(self) -> np.ndarray:
        """What takes unit spheres to the ellipsoids that are drawn, [J, 4, 4]."""
        values = self.page.evaluate("[...space.spread.instanceMatrix.array]")
        return np.array(values).reshape(-1, 4, 4).swapaxes(1, 2)

    def estimate(self, where: str = "#image") -> np.ndarray:
        """The estimated keypoints that are drawn, [K, 2]."""
        circles = (
            f"[...document.querySelectorAll('{where} circle')]"
            ".filter((c) => c.dataset.says.endsWith(': estimate'))"
            ".map((c) => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
        )
        return np.array(self.page.evaluate(circles))

    def curve(self, chart: int, name: str) -> np.ndarray:
        """Where the points of a curve are drawn, [P, 3]: state, x and y."""
        values = (
            f"[...document.querySelectorAll('.chart')[{chart}].querySelectorAll('circle')]"
            f".filter((c) => c.dataset.curve === '{name}')"
            ".map((c) => [+c.dataset.state, +c.getAttribute('cx'), +c.getAttribute('cy')])"
        )
        return np.array(self.page.evaluate(values))

    def tip(self, over: str, x: float, y: float) -> str:
        """What is said where the pointer is at these shares of an element's width and height."""
        box = self.page.locator(over).bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        return self.said_beside()

    def said_beside(self) -> str:
        """What the page says beside the pointer."""
        shown = self.page.locator("#tip")
        return str(shown.inner_text()) if shown.is_visible() else ""

    def state(self) -> tuple[str, float]:
        """What is said of the state, and where the first chart's marker is."""
        marker = self.page.evaluate("+document.querySelector('.chart .state').getAttribute('x1')")
        return self.page.inner_text("#label"), marker

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
    (_, *places), label = opened.curve(0, "error")[2], "second-order 1 (2 of 2)"
    assert opened.state() == (label, places[0])
    box = opened.page.locator("#space").bounding_box()
    part = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    after = opened.shot(tmp_path / "after.png")
    different = np.asarray(ImageChops.difference(before.crop(part), after.crop(part)))
    assert (different.max(-1) > 30).mean() > 0.02, "another body is seen"
    opened.page.keyboard.press("ArrowLeft")
    np.testing.assert_array_equal(opened.mesh(), VERTICES[1])
    assert opened.state()[0] == "learned 1 (1 of 2)"
    opened.page.keyboard.press("PageDown")
    assert opened.page.input_value("#subject") == "1"
    opened.page.keyboard.press("End")
    assert opened.state()[0] == label
    none = opened.page.get_by_text("none after the last step")
    for layer in ("0", "1"):
        opened.page.locator("#picture-tools select").first.select_option(layer)
        assert opened.page.locator("#image image").count() == 1
        assert none.is_visible()
        opened.page.locator("#back").click()
        assert opened.page.locator("#image image").count() == 2
        assert not none.is_visible()
        opened.page.locator("#on").click()
    opened.page.get_by_label("skeleton").uncheck()
    assert opened.page.evaluate("space.bones.visible || space.balls.visible") is False
    assert not opened.said
    assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.asked)
    assert len([url for url in opened.asked if url.startswith("file:")]) == 1


def test_what_is_drawn_are_the_numbers(browser: Any, written: Path) -> None:
    opened = Opened(browser, written, viewport={"width": 1280, "height": 2000})
    spheres = opened.spheres()
    spread = np.einsum("jab,jcb->jac", spheres[:, :3, :3], spheres[:, :3, :3])
    np.testing.assert_allclose(spread, np.broadcast_to(SPREAD, (3, 3, 3)), atol=1e-6)
    np.testing.assert_allclose(spheres[:, :3, 3], JOINTS[0])
    _, x, y = opened.curve(0, "error").T
    np.testing.assert_allclose(np.diff(x), x[1] - x[0])
    np.testing.assert_allclose(np.diff(y), y[1] - y[0])  # 3, 2, 1
    assert y[2] > y[0]
    _, _, (hundred, one, ten) = opened.curve(1, "a").T
    np.testing.assert_allclose(ten - hundred, one - ten)
    # Neither NaN nor, on a logarithmic scale, 0.
    np.testing.assert_allclose(opened.curve(1, "b")[:, [0, 2]], [[0, one]])
    assert opened.page.locator(".chart .legend").last.inner_text().split() == ["a", "100", "b", "1"]
    opened.page.locator(".chart svg").first.click(position={"x": x[2] + 9, "y": 40})
    assert opened.state()[0] == "second-order 1 (2 of 2)"
    assert opened.tip(".chart svg >> nth=1", 0.97, 0.5) == "second-order 1\na 10\nb 0"
    image = ".matrix svg image >> nth=1"  # of the second heat map
    assert opened.tip(image, 0.75, 0.5).split("\n") == [
        "left_hip",
        "left_hip",
        f"{MOVING[1, 1, 1]:.3g}",
    ]
    late = opened.page.get_by_text("of the last step")
    assert [one.is_visible() for one in late.all()] == [False, True]
    opened.page.locator("#step").fill("0")
    assert opened.tip(image, 0.25, 0.9).split("\n")[2] == f"{MOVING[0, 2, 0]:.3g}"
    assert not any(one.is_visible() for one in late.all())


def test_arrows_are_within_sight(browser: Any, written: Path) -> None:
    opened = Opened(browser, written, viewport={"width": 1280, "height": 800})
    tips = (JOINTS[0] + MOVES[0]).tolist()
    seen = f"{tips}.map((tip) => new THREE.Vector3(...tip).project(space.camera).toArray())"
    assert np.abs(opened.page.evaluate(seen)).max() <= 1


def test_the_body_turns(browser: Any, written: Path) -> None:
    opened = Opened(browser, written, viewport={"width": 1280, "height": 800})

    def camera() -> Any:
        return opened.page.evaluate("space.camera.position.toArray()")

    front = camera()
    box = opened.page.locator("#space").bounding_box()
    opened.page.mouse.move(box["x"] + 200, box["y"] + 150)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 300, box["y"] + 150, steps=4)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(100)
    assert np.abs(np.subtract(camera(), front)).max() > 0.2
    for name in ("side", "front"):
        opened.page.get_by_role("button", name=name).click()
    np.testing.assert_allclose(camera(), front, atol=1e-6)
    # The joint under the pointer is named.
    seen = "new THREE.Vector3(...row(subject.body.joints, 0).subarray(3, 6)).project(space.camera)"
    x, y, _ = opened.page.evaluate(f"{seen}.toArray()")
    assert opened.tip("#space canvas", (1 + x) / 2, (1 - y) / 2) == "left_hip"


def test_examples_are_beside_one_another(browser: Any, tmp_path: Path) -> None:
    people = [subject("best", 200), subject("worst", 300)._replace(body=None)]
    whole = Subject("all", LABELS, examples=(1, 2))
    Page([whole, *people]).write(tmp_path / "page.html")
    opened = Opened(browser, tmp_path / "page.html", viewport={"width": 1280, "height": 800})
    assert opened.page.locator("figure").all_inner_texts() == ["best", "worst"]
    opened.page.keyboard.press("End")
    position = "[...smallSpaces[0].mesh.geometry.attributes.position.array]"
    np.testing.assert_array_equal(opened.page.evaluate(position), VERTICES[2].reshape(-1))
    np.testing.assert_array_equal(opened.estimate("figure"), POINTS[2].astype(float))
    opened.page.get_by_role("button", name="best").click()
    np.testing.assert_array_equal(opened.mesh(), VERTICES[2])
    assert not opened.said


def test_curves_alone_have_the_slider_too(browser: Any, tmp_path: Path) -> None:
    one = subject("a run", 200)._replace(body=None, picture=None)
    Page([one], "page").write(tmp_path / "page.html")
    opened = Opened(browser, tmp_path / "page.html")
    opened.page.locator("#on").click()
    assert opened.state()[0] == "learned 1 (1 of 2)"
    assert opened.page.inner_text("header").split("\n") == ["page", "a run"]
    assert opened.page.inner_text("footer").startswith(
        "Arrow keys or the slider go from step to step, space plays."
    )
    assert "turn" not in opened.page.inner_text("footer")


def test_without_3d_the_rest_is_there(browser: Any, written: Path) -> None:
    none = (
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind) {"
        "  return kind === '2d' ? get.call(this, kind) : null; }"
    )
    opened = Opened(browser, written, none, viewport={"width": 1280, "height": 800})
    assert "no 3D" in opened.page.inner_text("#space")
    opened.page.keyboard.press("ArrowRight")
    np.testing.assert_array_equal(opened.estimate(), POINTS[1].astype(float))


def test_on_a_phone(browser: Any, written: Path) -> None:
    opened = Opened(browser, written, viewport={"width": 390, "height": 844}, has_touch=True)
    opened.page.locator("#on").tap()
    np.testing.assert_array_equal(opened.mesh(), VERTICES[1])
    # A finger turns the body, and a tapped keypoint says what it is.
    before = opened.page.evaluate("space.camera.position.toArray()")
    touch = opened.page.context.new_cdp_session(opened.page)
    for kind, x in (("Start", 150), ("Move", 180), ("Move", 230), ("End", 0)):
        points = [{"x": x, "y": 250}] if x else []
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    opened.page.wait_for_timeout(100)
    after = opened.page.evaluate("space.camera.position.toArray()")
    assert np.abs(np.subtract(after, before)).max() > 0.2
    circle = opened.page.locator("#image circle").first.bounding_box()
    opened.page.touchscreen.tap(circle["x"] + 6, circle["y"] + 6)
    assert opened.said_beside() == "nose: given, confidence 1.00"
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [opened.page.locator(f"#{part}").bounding_box() for part in ("body", "picture")]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"], "one above the other"
    slider = opened.page.locator("nav").bounding_box()
    assert slider["y"] + slider["height"] <= 844, "in reach at once"
    assert not opened.said
