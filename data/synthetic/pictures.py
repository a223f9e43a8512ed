"""Pictures of things by ray casting: sun with shadows, light of the sky, a ground, a backdrop."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from data.synthetic.backdrops import Ground
from data.synthetic.rays import Mesh, View, directions, grid, project
from ief_jax.geometry.triangles import unit, vertex_normals

_SAMPLES = 2
"""Samples along each side of a pixel."""
_LIFT = 2e-3
"""How far off a surface its shadow rays start, metres."""
_REACH = 0.5
"""Within which the light of the sky is held off, metres."""
_SHADOW = 4.0
"""How far from the things their shadows on the ground are looked for, metres."""


class Thing(NamedTuple):
    """A solid with a surface that varies from place to place.

    Attributes:
      vertices: [V, 3] in front of the camera, metres.
      faces: [F, 3] counter-clockwise from outside.
      places: [V, 3] where each vertex is on the thing at rest; the surface is a function of it.
      surface: from places [n, 3] to sRGB [n, 3], and to vectors [n, 3] that are added to the
        unit normals.
    """

    vertices: np.ndarray
    faces: np.ndarray
    places: np.ndarray
    surface: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Light(NamedTuple):
    """Where light comes from, in linear colours.

    Attributes:
      towards: [3] unit vector to the sun.
      sun: [3] its colour and strength.
      sky: [3] light from above.
      bounce: [3] light from below.
      up: [3] unit vector.
    """

    towards: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    bounce: np.ndarray
    up: np.ndarray


class Solids(NamedTuple):
    """Things as one mesh.

    Attributes:
      mesh: of all.
      vertices: [V, 3]; faces: [F, 3]; places, normals: [V, 3].
      owner: [F] the index of each face's thing.
    """

    mesh: Mesh
    vertices: np.ndarray
    faces: np.ndarray
    places: np.ndarray
    normals: np.ndarray
    owner: np.ndarray


def solids(things: Sequence[Thing]) -> Solids:
    """Puts things together."""
    starts = np.cumsum([0] + [len(thing.vertices) for thing in things])
    vertices = np.concatenate([thing.vertices for thing in things])
    faces = np.concatenate([t.faces + start for t, start in zip(things, starts, strict=False)])
    owner = np.repeat(np.arange(len(things)), [len(thing.faces) for thing in things])
    places = np.concatenate([thing.places for thing in things])
    normals = vertex_normals(vertices, faces)
    return Solids(Mesh(vertices, faces), vertices, faces, places, normals, owner)


def draw(
    rng: np.random.Generator,
    things: Sequence[Thing],
    scene: Solids,
    light: Light,
    view: View,
    backdrop: np.ndarray,
) -> np.ndarray:
    """The things over a backdrop.

    Args:
      rng: for the rays towards the lights.
      things: what `scene` was made of.
      scene: from `solids`.
      light: what lights it.
      view: the camera.
      backdrop: [height, width, 3] sRGB in [0, 1].

    Returns:
      [height, width, 3] sRGB in [0, 1].
    """
    left, top, right, bottom = _extent(scene.vertices, view)
    if right <= left or bottom <= top:
        return backdrop
    shape = (bottom - top) * _SAMPLES, (right - left) * _SAMPLES
    samples = (grid(shape[::-1]) + 0.5) / _SAMPLES - 0.5 + [left, top]
    rays = directions(view, samples).reshape(-1, 3)
    hits = scene.mesh.first(np.zeros_like(rays), rays)
    seen = np.flatnonzero(hits.face >= 0)
    face, weights = hits.face[seen], hits.weights[seen]
    corners, owner = scene.faces[face], scene.owner[face]
    point = rays[seen] * hits.distance[seen, None]
    normal = unit(_weighted(scene.normals[corners], weights))
    place = _weighted(scene.places[corners], weights)
    albedo, bent = np.zeros_like(point), normal.copy()
    for index, thing in enumerate(things):
        own = np.flatnonzero(owner == index)
        colour, wrinkles = thing.surface(place[own])
        albedo[own] = linear(colour)
        bent[own] += wrinkles
    start = point + _LIFT * normal
    openness = np.zeros(shape, np.float32)
    openness.flat[seen] = _open(rng, scene.mesh, start, normal)
    coverage = np.zeros(shape, np.float32)
    coverage.flat[seen] = 1
    # One ray a sample is noisy; the open share of the sky varies slowly.
    smooth = ndimage.gaussian_filter(openness, 2.5) / ndimage.gaussian_filter(coverage, 2.5).clip(
        1e-3
    )
    lit = _light(rng, scene.mesh, light, start, normal, unit(bent), smooth.flat[seen])
    layer = np.zeros((*shape, 4), np.float32)
    layer.reshape(-1, 4)[seen, :3] = encoded(albedo * lit)
    layer[..., 3] = coverage
    shifts = range(_SAMPLES)
    parts = [layer[i::_SAMPLES, j::_SAMPLES] for i in shifts for j in shifts]
    mean = np.sum(parts, axis=0) / _SAMPLES**2
    picture = backdrop.copy()
    picture[top:bottom, left:right] *= 1 - mean[..., 3:]
    picture[top:bottom, left:right] += mean[..., :3]
    return picture


def with_ground(
    rng: np.random.Generator,
    picture: np.ndarray,
    ground: Ground,
    level: float,
    far: float,
    scene: Solids,
    light: Light,
    view: View,
) -> np.ndarray:
    """A ground drawn over the lower part of a backdrop, with the shadows of things on it.

    Args:
      rng: for the rays towards the lights.
      picture: [height, width, 3] sRGB in [0, 1].
      ground: what it looks like.
      level: its height along `light.up` from the camera, metres; negative under the camera.
      far: where it ends, metres behind the things.
      scene: what throws shadows.
      light: what lights it.
      view: the camera.
    """
    middle = scene.vertices.mean(0)
    rays = directions(view, grid(view.size))
    # t d . up = level
    distance = level / np.minimum(rays @ light.up, -1e-4)
    below = (rays @ light.up < -1e-4) & (distance < far - middle[2])
    if level >= 0 or not below.any():
        return picture
    places = rays[below] * distance[below][:, None]
    east = unit(np.cross(light.up, [0.3, 0.2, -1.0]))
    axes = np.stack([east, np.cross(light.up, east)], -1)
    side = len(ground.tile)
    rows, columns = (places @ axes * (side / ground.side)).astype(np.int64).T % side
    shade = _shade(rng, rays * distance[..., None], below, scene, light)[below]
    drawn = encoded(linear(ground.tile)[rows, columns] * shade)
    # Haze towards the horizon hides how coarsely the pattern is sampled there.
    clear = np.exp(-distance[below] / 25)[:, None]
    drawn = clear * drawn + (1 - clear) * drawn.mean(0)
    result = picture.copy()
    result[below] = drawn
    return result


def _shade(
    rng: np.random.Generator,
    places: np.ndarray,
    below: np.ndarray,
    scene: Solids,
    light: Light,
) -> np.ndarray:
    """Light on the ground at places [height, width, 3], where `below`: [height, width, 3].

    It varies slowly: every third pixel near the things is looked at.
    """
    step = 3
    few, near = places[::step, ::step], below[::step, ::step].copy()
    near &= np.linalg.norm(few - scene.vertices.mean(0), axis=-1) < _SHADOW
    open_light = light.sky + light.sun * max(float(light.up @ light.towards), 0)
    coarse = np.tile(open_light.astype(np.float32), (*near.shape, 1))
    start = few[near] + _LIFT * light.up
    normal = np.tile(light.up, (len(start), 1))
    openness = np.mean([_open(rng, scene.mesh, start, normal) for _ in range(2)], 0)
    coarse[near] = _light(rng, scene.mesh, light, start, normal, normal, openness)
    coarse = ndimage.gaussian_filter(coarse, (0.7, 0.7, 0), mode="nearest")
    finer = np.repeat(np.repeat(coarse, step, 0), step, 1)[: len(places), : places.shape[1]]
    return ndimage.uniform_filter(finer, (step, step, 0), mode="nearest")


def linear(colour: np.ndarray) -> np.ndarray:
    """sRGB to light, approximately."""
    return np.asarray(colour) ** 2.2


def encoded(light: np.ndarray) -> np.ndarray:
    """Light to sRGB, approximately; what is too bright is cut off."""
    return np.clip(light, 0, 1) ** (1 / 2.2)


def _open(
    rng: np.random.Generator, mesh: Mesh, start: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """Whether nothing is near points [n, 3] in a random direction each: [n].

    Directions have the density of the cosine to the unit normals [n, 3], so that a mean of the
    results is the share of the sky's light that arrives.
    """
    around = rng.standard_normal(start.shape, np.float32)
    return ~mesh.blocked(start, unit(normal + unit(around)), _REACH)


def _light(
    rng: np.random.Generator,
    mesh: Mesh,
    light: Light,
    start: np.ndarray,
    normal: np.ndarray,
    bent: np.ndarray,
    openness: np.ndarray,
) -> np.ndarray:
    """Light that falls on points [n, 3] with true and wrinkled unit normals [n, 3]: [n, 3]."""
    facing = np.maximum(bent @ light.towards, 0) * (normal @ light.towards > 0)
    sunny = np.flatnonzero(facing > 0)
    # The sun is a small disc: shadows have soft edges.
    disc = light.towards + 0.02 * rng.standard_normal((len(sunny), 3), np.float32)
    facing[sunny] *= ~mesh.blocked(start[sunny], disc)
    # E = L_sun max(n . l, 0) V + A (L_sky (1 + n . up) + L_bounce (1 - n . up)) / 2
    upward = (1 + bent @ light.up)[:, None] / 2
    ambient = upward * light.sky + (1 - upward) * light.bounce
    return facing[:, None] * light.sun + (0.25 + 0.75 * openness)[:, None] * ambient


def _extent(vertices: np.ndarray, view: View) -> tuple[int, int, int, int]:
    """The part of the picture that vertices fall into: left, top, right, bottom."""
    front = vertices[vertices[:, 2] < -0.05]
    if not len(front):
        return 0, 0, 0, 0
    plane = project(view, front)
    low = np.clip(np.floor(plane.min(0)), 0, view.size).astype(int)
    high = np.clip(np.ceil(plane.max(0)) + 1, 0, view.size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _weighted(corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of corners [n, 3, 3] with weights [n, 3]: [n, 3]."""
    return np.einsum("nc,ncd->nd", weights, corners)
