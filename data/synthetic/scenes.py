"""People in scenes: who, where, before what, in which light; and where their joints are."""

from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from data.keypoints.people import Person, middle
from data.synthetic import backdrops, bodies, noise, outfits, pictures
from data.synthetic.rays import Mesh, View, directions, grid, project
from ief_jax.body import model_files, pose_prior, smpl
from ief_jax.geometry.skeletons import MPII_16
from ief_jax.geometry.triangles import vertex_normals
from ief_jax.ief.person_height import person_height

LAYOUT = MPII_16
"""Keypoints of the people."""
AT_ONCE = 32
"""Bodies that are posed together."""
_FLESH = 0.2
"""A keypoint is seen where the skin in front of it is within this of it, metres."""
_NEAREST = 2.2
"""Of a person to the camera, metres."""


class Cast(NamedTuple):
    """What people are made of.

    Attributes:
      draw: draws of bodies.
      marks: where things are on it.
      rest: [V, 3]; faces: [F, 3].
      bone: [F] the bone that carries each face.
      flesh: [K, 24] whether a bone's skin may cover each keypoint without hiding it.
      volume: what cloth is cut from.
    """

    draw: bodies.Draw
    marks: outfits.Marks
    rest: np.ndarray
    faces: np.ndarray
    bone: np.ndarray
    flesh: np.ndarray
    volume: np.ndarray


def cast() -> Cast:
    """The embedded body."""
    body = model_files.embedded()
    draw = bodies.drawing(body, pose_prior.embedded(), LAYOUT)
    faces = np.asarray(body.faces)
    bone = np.asarray(body.weights)[faces].sum(1).argmax(1)
    volume = noise.volume(np.random.default_rng(0))
    rest = np.asarray(body.template)
    return Cast(draw, outfits.marks(body), rest, faces, bone, _flesh(), volume)


def people(count: int, seed: int, first: int = 0, zoom: float = 1.0) -> Iterator[Person]:
    """Yields people `first` to `first + count - 1` of a seed; each a function of its number.

    Args:
      count: how many.
      seed: of all that is random.
      first: number of the first.
      zoom: sides of the photographs, in those of the data set's.
    """
    made = cast()
    for start in range(first, first + count, AT_ONCE):
        numbers = np.arange(start, start + AT_ONCE)
        # Two bodies a scene: the person and, in some, a bystander.
        drawn = made.draw(np.concatenate([seeds(seed, 2 * numbers), seeds(seed, 2 * numbers + 1)]))
        for row, number in enumerate(numbers[: first + count - start]):
            pair = bodies.Bodies(*(array[[row, row + AT_ONCE]] for array in drawn))
            rng = np.random.default_rng([seed, int(number)])
            yield person(rng, made, pair, f"synthetic/{seed}/{number}", zoom)


def camera(
    rng: np.random.Generator, made: Cast, points: np.ndarray, zoom: float = 1.0
) -> tuple[np.ndarray, View]:
    """A camera that looks at the pelvis, from no nearer than people stand.

    Args:
      rng: the size of the photograph, the person's in it, and where they are.
      made: from `cast`.
      points: [K, 3] the person's keypoints, the pelvis at the origin.
      zoom: sides of the photograph, in those of the data set's.

    Returns:
      Where the pelvis is before the camera [3], metres, and the camera.
    """
    # The image's smaller side, and the person's height in it
    share = np.exp(rng.uniform(np.log(0.28), np.log(1.15)))
    smaller = int(zoom * np.clip(rng.uniform(80, 190) / share, 120, 340))
    larger = int(smaller * (1 + 0.6 * max(0, rng.uniform(-0.25, 1))))
    size = (smaller, larger) if rng.random() < 0.5 else (larger, smaller)
    height = float(np.ptp(made.rest[:, 1]))
    focal = max(smaller * rng.uniform(0.9, 3.5), _NEAREST * share * smaller / height)
    offset = np.array([0, 0, -focal * height / (share * smaller)])
    view = View(focal, np.zeros(2), size)
    return offset, view._replace(centre=_placed(rng, project(view, points + offset), size))


def person(
    rng: np.random.Generator, made: Cast, pair: bodies.Bodies, name: str, zoom: float = 1.0
) -> Person:
    """One person in a scene.

    Args:
      rng: all that is random but the bodies.
      made: from `cast`.
      pair: two bodies: the person, and who may stand beside.
      name: of the result.
      zoom: sides of the photograph, in those of the data set's.
    """
    offset, view = camera(rng, made, pair.points[0], zoom)
    size, joints = view.size, pair.points[0] + offset
    up = pair.up[0]
    light = _light(rng, up)

    # Who and what is there
    things = [_clothed(rng, made, pair.vertices[0] + offset)]
    level = float((things[0].vertices @ up).min())
    if rng.random() < 0.3:
        things.append(_bystander(rng, made, pair, offset, level))
    if rng.random() < 0.15:
        things.append(_obstacle(rng, joints))
    scene = pictures.solids(things)
    picture = _backdrop(rng, scene, level, light, view)
    picture = pictures.draw(rng, things, scene, light, view, picture)

    points = project(view, joints).astype(np.float32)
    inside = np.all((points >= -0.5) & (points <= np.array(size) - 0.5), axis=-1)
    everywhere = np.ones(len(points), bool)
    tall = person_height(points, everywhere, LAYOUT)
    marked = middle(points, everywhere) + rng.normal(0, 0.04, 2) * tall
    neck, top = (points[LAYOUT.index(name)] for name in ("upper_neck", "head_top"))
    return Person(
        name=name,
        image=_photographed(rng, picture),
        points=points,
        annotated=inside,
        visible=inside & _seen(made, scene.mesh, joints),
        marked=np.clip(marked, 0, np.array(size) - 1).astype(np.float32),
        height=tall,
        head_size=float(np.linalg.norm(neck - top)),
    )


def seeds(seed: int, numbers: np.ndarray) -> np.ndarray:
    """Seeds for `bodies.Draw`: different for all pairs of a seed and a number."""
    return np.array(
        [np.random.SeedSequence([seed, int(n)]).generate_state(1)[0] for n in numbers], np.uint32
    )


def _placed(rng: np.random.Generator, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How far to move points [K, 2] so that they lie somewhere in the image: [2] px.

    Where they do not fit, or one time in ten, some may end up outside.
    """
    low, high = points.min(0), points.max(0)
    margin = 0.06 * (high - low).max()
    if rng.random() < 0.1:
        margin = -0.2 * (high - low).max()
    # Shifts that keep all inside lie between these, or if there are none, halfway.
    ends = np.stack([margin - low, np.array(size) - 1 - margin - high])
    return np.where(ends[0] < ends[1], rng.uniform(ends.min(0), ends.max(0)), ends.mean(0))


def _clothed(rng: np.random.Generator, made: Cast, skin: np.ndarray) -> pictures.Thing:
    """A body with the skin [V, 3], in an outfit of its own."""
    outfit = outfits.draw(rng, made.marks)
    thick = outfits.thickness(outfit, made.marks, made.rest, made.volume)
    return pictures.Thing(
        skin + thick[:, None] * vertex_normals(skin, made.faces),
        made.faces,
        made.rest,
        lambda places: outfits.surface(outfit, made.marks, places, made.volume),
    )


def _bystander(
    rng: np.random.Generator, made: Cast, pair: bodies.Bodies, offset: np.ndarray, level: float
) -> pictures.Thing:
    """Someone else on the same ground, beside the person or behind."""
    aside, behind = rng.choice([-1, 1]) * rng.uniform(0.3, 1.5), rng.uniform(0.3, 2.5)
    up = pair.up[0]
    # Each is upright in a view of its own: the other is turned into the person's.
    skin = pair.vertices[1] @ _turn(pair.up[1], up).T + offset + [aside, 0, -behind]
    return _clothed(rng, made, skin + (level - (skin @ up).min()) * up)


def _obstacle(rng: np.random.Generator, points: np.ndarray) -> pictures.Thing:
    """A board between the camera and a part of the person."""
    target = points[rng.integers(len(points))]
    centre = target * rng.uniform(0.6, 0.85)
    half = np.array([*rng.uniform(0.05, 0.3, 2), rng.uniform(0.01, 0.2)])
    turn = _turn(np.array([0, 0, 1.0]), _unit(rng.normal(0, 0.5, 3) + [0, 0, 1]))
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half
    faces = np.array(
        [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6],
         [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    )  # fmt: skip
    # Each face has corners of its own, so that edges are sharp.
    vertices = corners[faces].reshape(-1, 3)
    colours = backdrops.palette(rng, 2)
    period = rng.uniform(0.03, 0.4)

    def surface(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return colours[(places.sum(-1) / period % 1 < 0.5).astype(int)], np.zeros_like(places)

    return pictures.Thing(
        vertices @ turn.T + centre,
        np.arange(36).reshape(12, 3),
        vertices,
        surface,
    )


def _light(rng: np.random.Generator, up: np.ndarray) -> pictures.Light:
    """Sun or lamp from above, mostly from the camera's side; between overcast and glaring."""
    while True:
        towards = _unit(rng.normal(size=3) + 0.9 * up + [0, 0, 0.5])
        if towards @ up > 0.15:
            break
    warmth = rng.uniform(-0.15, 0.15)
    tint = 1 + warmth * np.array([1.0, 0.1, -1.0])
    glare = rng.uniform(0.0, 1.0)
    exposure = np.exp(rng.normal(0, 0.2))
    return pictures.Light(
        towards,
        exposure * (0.15 + 1.35 * glare) * tint,
        exposure * (1.0 - 0.55 * glare) * (2 - tint),
        exposure * rng.uniform(0.2, 0.6) * np.ones(3),
        up,
    )


def _backdrop(
    rng: np.random.Generator,
    scene: pictures.Solids,
    level: float,
    light: pictures.Light,
    view: View,
) -> np.ndarray:
    """What is behind the person: outdoors, a room, or anything at all."""
    kind = rng.choice(["outdoors", "room", "anything"], p=[0.35, 0.4, 0.25])
    if kind == "outdoors":
        horizon = directions(view, grid(view.size)) @ light.up * view.focal / view.size[1]
        picture, far = backdrops.sky(rng, view.size, horizon), 60.0
    else:
        picture, far = backdrops.behind(rng, view.size), rng.uniform(0.5, 4.0)
    if kind == "anything":
        return picture
    ground = backdrops.ground(rng)
    return pictures.with_ground(rng, picture, ground, level, far, scene, light, view)


def _seen(made: Cast, mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Which keypoints [K, 3] the camera sees: those whose own skin is in front of them."""
    hits = mesh.first(np.zeros_like(points), points)
    own = (hits.face >= 0) & (hits.face < len(made.faces))
    bone = made.bone[np.where(own, hits.face, 0)]
    gap = (1 - hits.distance) * np.linalg.norm(points, axis=-1)
    return (gap < 0) | (own & made.flesh[np.arange(len(points)), bone] & (gap < _FLESH))


def _flesh() -> np.ndarray:
    """[K, 24]: the bones up to two joints away from a keypoint, but no farther down the limb."""
    joints = {"upper_neck": "head", "head_top": "head", "thorax": "spine3"}
    names = [joints.get(name, name) for name in LAYOUT]
    child = np.array(model_files.PARENTS) == np.arange(smpl.JOINTS)[:, None]
    linked = np.eye(smpl.JOINTS, dtype=bool) | child | child.T
    near = linked @ linked & ~(child @ child)
    return near[[smpl.JOINT_NAMES.index(name) for name in names]]


def _photographed(rng: np.random.Generator, picture: np.ndarray) -> bytes:
    """What a camera makes of a picture: a little blur, noise, a tint, JPEG."""
    gain = 1 + rng.normal(0, 0.03, 3)
    grain = rng.standard_normal((*picture.shape[:2], 1), np.float32)
    noisy = picture * gain.astype(np.float32) + np.float32(rng.uniform(0, 0.02)) * grain
    image = Image.fromarray((np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8))
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    encoded = BytesIO()
    image.save(encoded, "JPEG", quality=int(rng.integers(75, 96)))
    return encoded.getvalue()


def _turn(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least rotation [3, 3] that takes one unit vector to another (not the opposite)."""
    v, c = np.cross(source, target), float(source @ target)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    # R = 1 + [v]_x + [v]_x^2 / (1 + c)
    return np.eye(3) + cross + cross @ cross / (1 + c)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)
