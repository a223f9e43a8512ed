"""What people wear: colours and thickness of cloth, hair and skin, at places of the rest body.

A garment's border is a line on the body in its T-pose, so that it is drawn sharply at whatever
size, moves with the body, and fits every shape.
"""

import colorsys
from typing import NamedTuple

import numpy as np

from data.synthetic import noise
from ief_jax.body import smpl

SKIN, HAIR, TOP, BOTTOM, SHOES, SOCKS, EYES, LIPS = range(8)
"""What covers a place."""

_SKINS = np.array([[0.95, 0.79, 0.69], [0.84, 0.63, 0.49], [0.62, 0.42, 0.29], [0.33, 0.21, 0.15]])
_HAIRS = np.array(
    [[0.07, 0.06, 0.06], [0.20, 0.13, 0.09], [0.42, 0.28, 0.16], [0.75, 0.60, 0.38],
     [0.55, 0.25, 0.12], [0.68, 0.67, 0.66]]
)  # fmt: skip
_CLOTHS = np.array(
    [[0.06, 0.06, 0.07], [0.93, 0.93, 0.92], [0.50, 0.50, 0.52], [0.12, 0.16, 0.30],
     [0.27, 0.36, 0.50], [0.70, 0.63, 0.50], [0.75, 0.10, 0.12], [0.28, 0.26, 0.22]]
)  # fmt: skip

_WRINKLED = np.array([0.02, 0.35, 0.3, 0.3, 0.1, 0.1, 0.0, 0.0])


class Marks(NamedTuple):
    """Where things are on the body at rest, in metres: [3] each, those of its left side.

    The middle line is x = 0, the left side at +x.
    """

    pelvis: np.ndarray
    waist: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray
    foot: np.ndarray
    neck: np.ndarray
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    nose: np.ndarray
    eye: np.ndarray
    ear: np.ndarray


def marks(body: smpl.BodyModel) -> Marks:
    """The marks of a body that has landmarks."""
    rest = np.asarray(body.template)
    places = dict(zip(smpl.JOINT_NAMES, np.asarray(body.joint_regressor) @ rest, strict=True))
    places |= dict(zip(body.landmark_names, rest[np.asarray(body.landmarks)], strict=True))
    names = {"pelvis": "pelvis", "waist": "spine1", "neck": "neck", "nose": "nose"}
    return Marks(**{name: places[names.get(name, f"left_{name}")] for name in Marks._fields})


class Outfit(NamedTuple):
    """How one person is dressed.

    Attributes:
      colours: [8, 3] sRGB in [0, 1] of each cover.
      thickness: [8] of each cover, metres.
      sleeve: |x| at which the top ends.
      top_hem, bottom_hem, sock_hem: y at which they end.
      waist: y at which the bottom ends.
      collar: radius of the round collar.
      hair: y of the lower end of the hair on the back of the head.
      hairline: y of the front end of the hair.
      fringe: z in front of which hair ends above the ears.
      stripes: (period in m, share, which covers' colour) or period 0.
      texture: where in the random volume this cloth was cut from.
    """

    colours: np.ndarray
    thickness: np.ndarray
    sleeve: float
    top_hem: float
    bottom_hem: float
    sock_hem: float
    waist: float
    collar: float
    hair: float
    hairline: float
    beard: bool
    stripes: float
    stripe: np.ndarray
    stripe_axis: int
    texture: np.ndarray


def draw(rng: np.random.Generator, at: Marks) -> Outfit:
    """A random outfit for a body with the given marks."""
    cloth = [_cloth(rng) for _ in range(5)]
    if rng.random() < 0.15:
        cloth[1] = cloth[0]  # a suit
    skin = _between(rng, _SKINS)
    hair = _HAIRS[rng.integers(len(_HAIRS))] * rng.uniform(0.8, 1.2)
    if bald := rng.random() < 0.08:
        hair = skin
    elif rng.random() < 0.15:
        hair = cloth[4]  # a cap
    upper = rng.choice(3, p=[0.15, 0.45, 0.4])
    lower = rng.choice(3, p=[0.3, 0.6, 0.1])
    sleeve = (
        at.shoulder[0] + rng.uniform(-0.03, 0.0),
        at.shoulder[0] + rng.uniform(0.3, 0.9) * (at.elbow[0] - at.shoulder[0]),
        at.wrist[0] + rng.uniform(-0.05, 0.02),
    )[upper]
    hem = (
        at.knee[1] + rng.uniform(-0.03, 0.22),
        at.ankle[1] + rng.uniform(-0.02, 0.08),
        at.pelvis[1] + rng.uniform(-0.12, -0.08),
    )[lower]
    colours = np.stack([skin, hair, cloth[0], cloth[1], cloth[2], cloth[3], skin, skin])
    colours[6:] *= [[0.25], [1.0]]
    colours[7] *= [0.85, 0.62, 0.62]
    thickness = np.array([0.0, 0.0 if bald else rng.uniform(0.004, 0.03), rng.uniform(0.002, 0.022),
                          rng.uniform(0.002, 0.018), 0.006, 0.002, 0.0, 0.0])  # fmt: skip
    return Outfit(
        colours=np.clip(colours, 0.02, 0.97),
        thickness=thickness,
        sleeve=sleeve,
        top_hem=rng.uniform(at.pelvis[1] - 0.12, at.waist[1] - 0.02),
        bottom_hem=hem,
        sock_hem=at.ankle[1] + rng.choice([0.0, 0.05, 0.25], p=[0.4, 0.4, 0.2]),
        waist=rng.uniform(at.pelvis[1] + 0.04, at.waist[1]),
        collar=rng.uniform(0.07, 0.13),
        hair=rng.choice(
            [at.ear[1] - 0.03, at.neck[1] + 0.03, at.neck[1] - 0.1], p=[0.4, 0.35, 0.25]
        ),
        hairline=at.eye[1] + rng.uniform(0.035, 0.06),
        beard=bool(rng.random() < 0.12),
        stripes=rng.uniform(0.03, 0.12) if rng.random() < 0.3 else 0.0,
        stripe=_cloth(rng),
        stripe_axis=int(rng.choice([0, 1], p=[0.3, 0.7])),
        texture=rng.uniform(0, 100, 3),
    )


def cover(outfit: Outfit, at: Marks, rest: np.ndarray) -> np.ndarray:
    """What covers places [n, 3] of the rest body: [n]."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    head = (x < at.shoulder[0] * 0.7) & (y > at.neck[1] - 0.12)
    back = z < at.ear[2] + 0.01
    kind = np.full(len(rest), SKIN)
    kind[(y < outfit.sock_hem)] = SOCKS
    kind[(y < outfit.waist) & (y > outfit.bottom_hem)] = BOTTOM
    collar = np.hypot(x, np.maximum(y - at.neck[1], -(y - at.neck[1]) * 0.9)) < outfit.collar
    trunk = (y > outfit.top_hem) & (x < outfit.sleeve) & (y < at.neck[1] + 0.03)
    kind[trunk & ~(collar & (z > at.neck[2] - 0.08))] = TOP
    kind[y < at.ankle[1] + 0.015] = SHOES
    face = (y > at.neck[1] + 0.03) & head
    kind[face] = SKIN
    # Hair comes down to the hairline in front, and further behind the ears.
    front = outfit.hairline - 0.5 * np.maximum(at.eye[2] - 0.03 - z, 0)
    kind[head & ((y > front) & (y > at.ear[1]) | back & (y > outfit.hair))] = HAIR
    if outfit.beard:
        kind[face & ~back & (y < at.nose[1] - 0.015) & (kind == SKIN)] = HAIR
    for middle, radii, what in (
        (at.eye + [0.002, 0, 0.0], (0.016, 0.008, 0.03), EYES),
        (at.eye + [0.002, 0.021, 0.0], (0.02, 0.004, 0.03), HAIR),
        (at.nose * [0, 1, 1] + [0, -0.04, -0.02], (0.022, 0.009, 0.03), LIPS),
    ):
        # ((p - c) / r)^2 < 1
        kind[((((np.stack([x, y, z], -1)) - middle) / radii) ** 2).sum(-1) < 1] = what
    return kind


def thickness(outfit: Outfit, at: Marks, rest: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """How far cloth and hair stand off the skin at places [n, 3] of the rest body: [n] m.

    `volume` is from `noise.volume`.
    """
    uneven = noise.at(volume, rest * 20 + outfit.texture)[:, 0]
    return outfit.thickness[cover(outfit, at, rest)] * (1 + 0.6 * uneven)


def surface(
    outfit: Outfit, at: Marks, rest: np.ndarray, volume: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What places [n, 3] of the rest body look like.

    Returns:
      sRGB [n, 3], and wrinkles [n, 3]: vectors to be added to unit normals.
    """
    kind = cover(outfit, at, rest)
    colours = outfit.colours[kind]
    if outfit.stripes:
        along = rest[:, outfit.stripe_axis] / outfit.stripes
        colours[(kind == TOP) & (along % 1 < 0.4)] = outfit.stripe
    uneven = noise.at(volume, rest * 22 + outfit.texture)
    colours *= 1 + 0.1 * uneven[:, :1]
    return np.clip(colours, 0, 1), _WRINKLED[kind][:, None] * uneven


def _cloth(rng: np.random.Generator) -> np.ndarray:
    """A colour as clothes have them: often plain, sometimes loud."""
    if rng.random() < 0.5:
        return np.clip(_CLOTHS[rng.integers(len(_CLOTHS))] + rng.normal(0, 0.04, 3), 0.03, 0.95)
    value = rng.uniform(0.15, 0.95)
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.beta(1.5, 1.5), value))


def _between(rng: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    """A colour on the polygon through the given ones."""
    place = rng.uniform(0, len(colours) - 1)
    lower = int(place)
    share = place - lower
    return (1 - share) * colours[lower] + share * colours[lower + 1]
