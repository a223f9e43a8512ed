"""Keypoint names in any usual spelling, as this project spells them.

`Left Shoulder`, `l_shoulder`, `LShoulder`, `shoulder-left` and `leftShoulder` are `left_shoulder`.
"""

import re
from collections.abc import Mapping, Sequence

from ief_jax.geometry import skeletons

_PARTS: Mapping[str, str] = {
    **{part: part for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")},
    **{part: part for part in ("heel", "foot", "hand", "collar")},
    **{"bigtoe": "big_toe", "toe": "big_toe", "footindex": "big_toe", "toebase": "big_toe"},
    **{"halluxtoe": "big_toe", "foottip": "big_toe", "greattoe": "big_toe"},
    **{"smalltoe": "small_toe", "littletoe": "small_toe", "pinkytoe": "small_toe"},
    **{"hips": "hip", "knees": "knee", "sho": "shoulder", "elb": "elbow", "wri": "wrist"},
    **{"ank": "ankle", "kne": "knee", "shoulders": "shoulder", "eyes": "eye", "ears": "ear"},
    **{"eyeinner": "eye_inner", "eyeouter": "eye_outer"},
}
_MIDDLE: Mapping[str, str] = {
    "nose": "nose",
    "neck": "neck",
    "upperneck": "upper_neck",
    "throat": "upper_neck",
    "headbottom": "upper_neck",
    "headtop": "head_top",
    "tophead": "head_top",
    "topofhead": "head_top",
    "headpeak": "head_top",
    "vertex": "head_top",
    "crown": "head_top",
    "forehead": "forehead",
    "head": "head",
    "pelvis": "pelvis",
    "root": "pelvis",
    "midhip": "mid_hip",
    "hip": "mid_hip",
    "hipcenter": "mid_hip",
    "hipcentre": "mid_hip",
    "midhips": "mid_hip",
    "thorax": "thorax",
    "midshoulder": "neck",
    "shouldercenter": "neck",
}
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_FACE = {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}


def known_name(name: str) -> str:
    """One name in this project's spelling; one that is not known only in lower case."""
    plain = _words(name)
    if plain in _KNOWN:
        return plain
    words = plain.split("_")
    joined = "".join(words)
    if joined in _MIDDLE:
        return _MIDDLE[joined]
    for side, rest in _sided(words, joined):
        if rest in _PARTS:
            return f"{_SIDES[side]}_{_PARTS[rest]}"
    return plain


def known_names(names: Sequence[str]) -> tuple[str, ...]:
    """All names of a file.

    What some names mean depends on those beside them: `neck` beside the top of the head without a
    face is the upper end of the neck (LSP, AI Challenger); `head` is its top in the layouts of
    this project that have 26, 136 or 14 keypoints and SMPL's joint nowhere else.

    A name that comes twice keeps its own spelling the second time.
    """
    found = [known_name(name) for name in names]
    there = set(found)
    if "head" in there and "head_top" not in there and "spine1" not in there:
        found = ["head_top" if name == "head" else name for name in found]
        there = set(found)
    if "head_top" in there and "neck" in there and not there & _FACE:
        found = ["upper_neck" if name == "neck" else name for name in found]
    if "spine1" in there and "left_collar" in there:
        found = [{"neck": "smpl_neck", "head": "smpl_head"}.get(name, name) for name in found]
    if "spine" in there and not there & {"left_ankle", "right_ankle"}:
        # Human3.6M's feet are its ankles.
        feet = {"left_foot": "left_ankle", "right_foot": "right_ankle"}
        found = [feet.get(name, name) for name in found]
    if found == [*skeletons.CROWDPOSE_14[:-1], "upper_neck"]:
        return skeletons.CROWDPOSE_14
    result: list[str] = []
    for number, name in enumerate(found):
        result.append(name if name not in result else f"{name}_{number}")
    return tuple(result)


def only_count(names: Sequence[str]) -> bool:
    """Do names say nothing but a number, as 1, 2, ... or point_0, point_1, ...?"""
    return len(names) > 1 and len({re.sub(r"[0-9]+", "", name) for name in names}) == 1


def _words(name: str) -> str:
    """Lower case with underscores between words: `LeftBigToe` and `left-big toe` are the same."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")


def _sided(words: Sequence[str], joined: str) -> list[tuple[str, str]]:
    """Every way to take a side off a name: (side, the rest)."""
    ways = []
    if len(words) > 1:
        ways += [(words[0], "".join(words[1:])), (words[-1], "".join(words[:-1]))]
    for side in _SIDES:
        if joined.startswith(side):
            ways.append((side, joined[len(side) :]))
        if joined.endswith(side):
            ways.append((side, joined[: -len(side)]))
    return [(side, rest) for side, rest in ways if side in _SIDES]


_KNOWN = {name for layout in skeletons.LAYOUTS.values() for name in layout}
