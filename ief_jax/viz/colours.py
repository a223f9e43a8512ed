"""Colours of keypoints and limbs: left is blue, right orange, what has no side green."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

LEFT: Colour = (33, 150, 243)
RIGHT: Colour = (245, 124, 0)
MIDDLE: Colour = (67, 160, 71)

INK: Colour = (34, 34, 34)
PAPER: Colour = (255, 255, 255)

# Okabe and Ito's colours, which colour-blind people can tell apart.
GROUPS = {
    "pose": "#0072B2",
    "shape": "#E69F00",
    "rotation": "#009E73",
    "camera": "#CC79A7",
    "translation": "#CC79A7",
    "scale": "#D55E00",
}
"""Of groups of Theta, in hexadecimal."""


def side_colour(name: str) -> Colour:
    """That of the side of a keypoint, by its name."""
    return {"left": LEFT, "right": RIGHT}.get(name.split("_")[0], MIDDLE)


def limb_colour(first: str, second: str) -> Colour:
    """That of the side it is on; green for what runs from one side to the other."""
    sides = {side_colour(name) for name in (first, second)} - {MIDDLE}
    return sides.pop() if len(sides) == 1 else MIDDLE


def fractions(colour: Colour) -> tuple[float, float, float]:
    """A colour as Matplotlib has it, 0 to 1."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


SKINS = (
    (0.62, 0.74, 0.90),
    (0.93, 0.84, 0.58),
    (0.66, 0.84, 0.66),
    (0.86, 0.70, 0.88),
    (0.60, 0.85, 0.86),
    (0.95, 0.66, 0.60),
)
"""Bodies, by the numbers of their people, in turn; red, green, blue from 0 to 1."""
