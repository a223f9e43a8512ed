"""Makes `docs/iteration.jpg`, the README's picture: both systems step by step on the example.

python -m docs.make_figures
"""

from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ief_jax.body import joints, model_files, smpl
from ief_jax.formats import detection_files, detections, photographs
from ief_jax.geometry import camera, rotations
from ief_jax.ief import estimation
from ief_jax.lgd import checkpoints, fitting
from ief_jax.viz import keypoint_picture, raster
from ief_jax.viz.colours import side_colour
from ief_jax.viz.keypoint_picture import DrawnPerson

FOLDER = Path(__file__).parent
CORRECTIONS = (0, 1, 2, 3, 5, 8)
"""Columns of the upper row."""
STEPS = (0, 1, 2, 4, 7)
"""Columns of the lower row: learned steps, and the last second-order one."""
WIDTH, GAP, HEADER = 320, 6, 30
INK, PAPER, CANVAS = (34, 34, 34), (255, 255, 255), (244, 244, 242)
BODY = (0.62, 0.74, 0.90)


def main() -> None:
    """Draws both rows, one above the other."""
    photograph = photographs.read(FOLDER / "example" / "photo.jpg")
    rows = [keypoints(photograph), bodies(photograph)]
    width = max(row.width for row in rows)
    page = Image.new("RGB", (width, sum(row.height for row in rows) + GAP), PAPER)
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height + GAP
    page.save(FOLDER / "iteration.jpg", quality=88)


def keypoints(photograph: Image.Image) -> Image.Image:
    """IEF: the pose after some of its corrections."""
    estimator = estimation.load("lsp")
    marked = (np.array(photograph.size) - 1) / 2
    found = estimation.estimate(estimator, photograph, marked)
    names = estimator.checkpoint.configuration.joints
    panels = []
    for t in CORRECTIONS:
        # All drawn alike: confidences are those of the last pose.
        person = DrawnPerson(found.path[t], np.ones(len(names)), marked)
        picture = keypoint_picture.picture(photograph, [person], names)
        label = f"after {t} correction{'s'[: t > 1]}" if t else "IEF: start pose"
        panels.append(panel(picture, label))
    return beside(panels)


def bodies(photograph: Image.Image) -> Image.Image:
    """LGD: the body after some of its steps, and the last one from the side."""
    body = model_files.embedded()
    people = detections.to_union(
        detection_files.read(FOLDER / "example" / "photo_keypoints.json", None)
    )
    trained = checkpoints.load("released")
    trace = fitting.trace(trained, joints.fold(body), people.points, people.confidence)
    learned = len(trace.cosine["pose"][0])
    panels = []
    for n in STEPS:
        fitted = jax.tree.map(lambda array: np.asarray(array)[0, n], trace.bodies)  # noqa: B023
        place = in_image(body, fitted)
        picture = shaded(photograph, place, np.asarray(body.faces), 0.9)
        dots(picture, people.points[0], people.names)
        name = f"after {n} step{'s'[: n > 1]}" if n else "LGD: start body"
        if n > learned:
            name = f"{n - learned} second-order steps"
        panels.append(panel(picture, f"{name}, {float(fitted.error):.0f} px"))
    canvas = Image.new("RGB", photograph.size, CANVAS)
    # A quarter turn about the vertical, seen from the image's right
    x, y, z = place.T
    turned = np.stack([-z, y, x], 1)
    turned[:, 0] += photograph.width / 2 - (turned[:, 0].min() + turned[:, 0].max()) / 2
    panels.append(
        panel(shaded(canvas, turned, np.asarray(body.faces), 1.0), "the same, from the side")
    )
    return beside(panels)


def in_image(body: smpl.BodyModel, fitted: fitting.Bodies) -> np.ndarray:
    """Vertices [V, 3]: pixels, and depth in pixels towards the viewer."""
    local = rotations.axis_angle_to_matrix(fitted.poses.reshape(-1, 3))
    vertices = np.asarray(_vertices(body, local, fitted.betas))
    plane = camera.FLIP * vertices[:, :2] * fitted.scale + fitted.translation
    return np.concatenate([plane, vertices[:, 2:] * fitted.scale], 1)


_vertices = jax.jit(smpl.vertices)


def shaded(
    backdrop: Image.Image, place: np.ndarray, faces: np.ndarray, opacity: float
) -> Image.Image:
    """The body over a backdrop."""
    layer = raster.shade(place, faces, backdrop.size, BODY)
    alpha = layer[..., 3:] * opacity
    mixed = np.asarray(backdrop, np.float32) / 255 * (1 - alpha) + layer[..., :3] * alpha
    return Image.fromarray((mixed * 255 + 0.5).astype(np.uint8))


def dots(picture: Image.Image, points: np.ndarray, names: tuple[str, ...]) -> None:
    """The keypoints that the body is fitted to."""
    pen = ImageDraw.Draw(picture)
    for name, (x, y) in zip(names, points.tolist(), strict=True):
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=PAPER)
        pen.ellipse((x - 4.5, y - 4.5, x + 4.5, y + 4.5), fill=side_colour(name))


def panel(picture: Image.Image, label: str) -> Image.Image:
    """A picture under its label."""
    height = round(picture.height * WIDTH / picture.width)
    page = Image.new("RGB", (WIDTH, height + HEADER), PAPER)
    page.paste(picture.resize((WIDTH, height), Image.Resampling.LANCZOS), (0, HEADER))
    font = ImageFont.load_default(19)
    ImageDraw.Draw(page).text((2, HEADER // 2), label, INK, font, anchor="lm")
    return page


def beside(panels: list[Image.Image]) -> Image.Image:
    """Panels from left to right."""
    page = Image.new("RGB", ((WIDTH + GAP) * len(panels) - GAP, panels[0].height), PAPER)
    for column, one in enumerate(panels):
        page.paste(one, (column * (WIDTH + GAP), 0))
    return page


if __name__ == "__main__":
    main()
