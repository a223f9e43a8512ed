"""How long the inspector's page takes to write, and to open in Chromium.

    python -m benchmarks.inspector_page [--repeats 5]

The page of the example's fit, and for comparison a page by plotly (`pip install plotly`) that has
nothing but the same body, as `Mesh3d` over the same states with a slider. From the start of the
navigation until the body is on the screen: the page says that it has drawn it, its WebGL has
finished, and two frames have passed. CPU seconds are of all of Chromium's processes. The fastest of
the repeats counts: whatever else the machine does only ever adds to a time.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import tyro
from playwright.sync_api import Browser, sync_playwright

from ief_jax import lgd
from ief_jax.body import joints, model_files
from ief_jax.formats import detection_files, detections, photographs
from ief_jax.inspector import Page, Subject, fits
from ief_jax.inspector.content import Body

EXAMPLE = Path(__file__).parents[1] / "docs" / "example"
OURS = "document.body?.dataset.drawn === 'yes'"
PEER = "window.drawn === true"
_FINISHED = """async () => {
    const canvas = document.querySelector('#space canvas, .gl-container canvas');
    const gl = canvas.getContext('webgl2') || canvas.getContext('webgl');
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    const frame = () => new Promise(requestAnimationFrame);
    await frame(); await frame();
    return performance.now();
}"""


class Opening(NamedTuple):
    """Seconds from the start of a navigation.

    Attributes:
      paint: until something is seen.
      body: until the body is.
      cpu: of all processes until then.
      step: one step of the slider until it is seen.
    """

    paint: float
    body: float
    cpu: float
    step: float


def main(repeats: int = 5) -> None:
    """Writes both pages and opens them.

    Args:
      repeats: of each; the fastest counts.
    """
    subject, seconds = _subject(repeats)
    assert subject.body is not None
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        ours, peer = Path(folder, "ours.html"), Path(folder, "peer.html")
        Page([subject]).write(ours)
        _plain(subject.body).write_html(
            peer,
            auto_play=False,
            post_script="window.drawn = true;",  # it comes once all is drawn
        )
        print(f"keypoints to the page in {seconds:.2f} s, warm")
        print(f"{'':24}{'MB':>6}{'first paint':>13}{'body':>9}{'CPU':>9}{'step':>9}")
        for name, path, drawn, key in (
            ("the inspector's page", ours, OURS, "ArrowRight"),
            ("plotly, the body alone", peer, PEER, ""),
        ):
            runs = [_open(playwright.chromium, path, drawn, key) for _ in range(repeats)]
            paint, body, cpu, step = map(min, zip(*runs, strict=True))
            size = path.stat().st_size / 1e6
            print(f"{name:24}{size:6.1f}{paint:11.2f} s{body:7.2f} s{cpu:7.2f} s{step:7.2f} s")


def _subject(repeats: int) -> tuple[Subject, float]:
    """The example's fit, and the seconds from keypoints to the page, warm."""
    source = EXAMPLE / "photo_keypoints.json"
    body = model_files.embedded()
    model, checkpoint = joints.fold(body), lgd.load_checkpoint("released")
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        people = detections.to_union(detection_files.read(source))
        given = people.points, people.confidence
        trace = lgd.trace(checkpoint, model, *given)
        jacobian = lgd.jacobian(checkpoint, model, *given)
        photograph = photographs.read(EXAMPLE / "photo.jpg")
        subject = fits.subject(trace, body, *given, "one", 0, photograph, jacobian)
        with tempfile.TemporaryDirectory() as folder:
            Page([subject]).write(Path(folder, "page.html"))
        times.append(time.perf_counter() - began)
    return subject, min(times[1:])


def _plain(body: Body) -> Any:
    """A page of plotly's that has the body in its states."""
    import plotly.graph_objects as go

    assert body.vertices is not None and body.faces is not None
    faces = dict(zip("ijk", body.faces.T, strict=True))
    meshes = [
        go.Mesh3d(**dict(zip("xyz", vertices.T, strict=True)), **faces)
        for vertices in body.vertices
    ]
    frames = [go.Frame(data=[mesh], name=str(n)) for n, mesh in enumerate(meshes)]
    steps = [{"method": "animate", "args": [[frame.name]], "label": frame.name} for frame in frames]
    layout = {"sliders": [{"steps": steps}], "scene": {"aspectmode": "data"}}
    return go.Figure(data=[meshes[0]], frames=frames, layout=layout)


def _open(chromium: Any, path: Path, drawn: str, key: str) -> Opening:
    # The system's browser, or else Playwright's own.
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    browser: Browser = chromium.launch(executable_path=found, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto("about:blank")
    before = _cpu_seconds(browser)
    page.goto(path.as_uri(), wait_until="commit")
    deadline = time.monotonic() + 60
    while not page.evaluate(drawn):
        assert time.monotonic() < deadline, f"{path.name} is not drawn after a minute"
        time.sleep(0.01)
    shown = page.evaluate(_FINISHED) / 1e3
    cpu = _cpu_seconds(browser) - before
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    began = page.evaluate("performance.now()")
    if key:
        page.keyboard.press(key)
    else:
        page.evaluate("Plotly.animate(document.querySelector('.js-plotly-plot'), ['1'])")
    step = (page.evaluate(_FINISHED) - began) / 1e3
    browser.close()
    return Opening(paint / 1e3, shown, cpu, step)


def _cpu_seconds(browser: Browser) -> float:
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return float(sum(process["cpuTime"] for process in processes))


if __name__ == "__main__":
    tyro.cli(main)
