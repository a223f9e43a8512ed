"""Reads Acclaim's ASF (a subject's skeleton) and AMC (a clip of that subject).

A bone of the ASF has axes C (`axis`, degrees about x, then y, then z, all fixed), a direction in
the world (`direction`, in the pose where all angles are zero) and degrees of freedom (`dof`). With
the angles (rx, ry, rz) of an AMC frame its rotation relative to its parent's is
L = C Rz(rz) Ry(ry) Rx(rx) C^-1, and in the world the product of those from the root down.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from data.cmu.motion import Motion
from data.motion.kinematics import compose
from data.motion.preparation import stride
from ief_jax.io.files import InputError, read_bytes

RATE = 120.0
"""Frames a second of the database; AMC files do not say."""
AXES = ("rx", "ry", "rz")


class Bone(NamedTuple):
    """A bone: its direction [3], its axes C [3, 3], and the names of its numbers in an AMC line."""

    direction: np.ndarray
    axes: np.ndarray
    dof: tuple[str, ...]


class Skeleton(NamedTuple):
    """The bones of a subject, parents first, and each one's parent (-1: the root itself)."""

    names: tuple[str, ...]
    bones: tuple[Bone, ...]
    parents: tuple[int, ...]


def read_skeleton(path: Path) -> Skeleton:
    """Reads an ASF file.

    Raises:
      InputError: the file is missing, cut off, or its angles are not in degrees.
    """
    sections = _sections(read_bytes(path).decode("ascii", errors="replace"))
    try:
        if ["angle", "deg"] not in sections["units"]:
            raise InputError(f"{path}: its :units do not say 'angle deg'")
        root = {words[0].lower(): words[1:] for words in sections["root"]}
        order = tuple(word.lower() for word in root["order"])
        if [float(word) for word in root["orientation"]] != [0, 0, 0]:
            raise InputError(f"{path}: its root is turned (orientation), which no CMU file is")
        bones = {"root": Bone(np.zeros(3), np.eye(3), order)}
        for block in _blocks(sections["bonedata"]):
            entries = {words[0]: words[1:] for words in block}
            x, y, z, convention = entries["axis"]
            if convention.lower() != "xyz":
                raise InputError(f"{path}: the axis order {convention} is not supported")
            axes = Rotation.from_euler("xyz", [float(x), float(y), float(z)], degrees=True)
            direction = np.array([float(word) for word in entries["direction"]])
            if direction.shape != (3,) or not np.isfinite([*direction, *axes.as_rotvec()]).all():
                raise ValueError(f"bone {entries['name'][0]} has no direction or axes")
            bones[entries["name"][0]] = Bone(
                direction, axes.as_matrix(), tuple(entries.get("dof", ()))
            )
        (hierarchy,) = _blocks(sections["hierarchy"])
        names, parents = ["root"], [-1]
        for parent, *children in hierarchy:
            names += children
            parents += [names.index(parent)] * len(children)
        return Skeleton(tuple(names), tuple(bones[name] for name in names), tuple(parents))
    except InputError:
        raise
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{path}: not a whole ASF file ({type(error).__name__}: {error})"
        ) from error


def read(path: Path, skeleton: Skeleton, rate: float) -> Motion:
    """Reads every n-th frame of an AMC file of a subject. Positions are left out.

    Args:
      path: the file.
      skeleton: the subject's.
      rate: frames a second that should be left at least.

    Raises:
      InputError: the file is missing or cut off, or is of another skeleton.
    """
    frames = _frames(path)
    if frames[0].keys() - set(skeleton.names):
        unknown = ", ".join(sorted(frames[0].keys() - set(skeleton.names)))
        raise InputError(f"{path}: has bones that its skeleton lacks: {unknown}")
    if {name: len(values) for name, values in frames[-1].items()} != {
        name: len(values) for name, values in frames[0].items()
    }:
        raise InputError(f"{path}: its last frame, {len(frames)}, is not whole; is it all there?")
    frames = frames[:: stride(RATE, rate)]
    local = np.empty((len(frames), len(skeleton.names), 3, 3))
    for i, (name, bone) in enumerate(zip(skeleton.names, skeleton.bones, strict=True)):
        angles = np.zeros((len(frames), 3))
        for freedom, values in zip(bone.dof, _numbers(path, frames, name, bone), strict=True):
            if freedom in AXES:
                angles[:, AXES.index(freedom)] = values
        # L = C Rz Ry Rx C^-1; lower case: about fixed axes, x first
        turned = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        local[:, i] = bone.axes @ turned @ bone.axes.T
    directions = np.stack([bone.direction for bone in skeleton.bones])
    return Motion(skeleton.names, compose(local, skeleton.parents), directions)


def _frames(path: Path) -> list[dict[str, list[str]]]:
    """The numbers of each bone in each frame, as text. A frame begins with its number."""
    frames: list[dict[str, list[str]]] = []
    for line in read_bytes(path).decode("ascii", errors="replace").splitlines():
        name, *numbers = line.split() or [""]
        if name.isdigit():
            frames.append({})
        elif frames and name:
            frames[-1][name] = numbers
    if not frames or not frames[0]:
        raise InputError(f"{path}: has no frames; is it an AMC file?")
    return frames


def _numbers(path: Path, frames: list[dict[str, list[str]]], name: str, bone: Bone) -> np.ndarray:
    """What the frames say of a bone: [degrees of freedom, N]."""
    if not bone.dof:
        return np.empty((0, len(frames)))
    try:
        numbers = np.array([frame[name] for frame in frames], float)
    except (KeyError, ValueError):
        numbers = np.empty((0, 0))
    if numbers.shape != (len(frames), len(bone.dof)) or not np.isfinite(numbers).all():
        raise InputError(f"{path}: not every frame has {len(bone.dof)} numbers for '{name}'")
    return numbers.T


def _sections(text: str) -> dict[str, list[list[str]]]:
    """The words of each line, by section (`:name`)."""
    sections: dict[str, list[list[str]]] = {}
    lines: list[list[str]] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            lines = sections.setdefault(words[0][1:], [])
        else:
            lines.append(words)
    return sections


def _blocks(lines: Iterable[list[str]]) -> list[list[list[str]]]:
    """The lines between each `begin` and `end`."""
    blocks: list[list[list[str]]] = []
    closed = True
    for words in lines:
        if words == ["begin"]:
            blocks.append([])
            closed = False
        elif words == ["end"]:
            closed = True
        else:
            blocks[-1].append(words)
    if not closed:
        raise ValueError("the last 'begin' has no 'end'")
    return blocks
