"""Reads the animations of a binary glTF file (.glb), as Blender exports a rig with its actions.

glTF 2.0: a node has a rotation (quaternion x, y, z, w) relative to its parent's; an animation's
channel replaces it by the samples of a sampler, at times in seconds, interpolated LINEAR
(spherically) or STEP (the last key holds). y is up. A bone of Blender's points along its own y.
Positions and scales are left out.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from pygltflib import FLOAT, GLTF2, Animation
from scipy.spatial.transform import Rotation, Slerp

from data.cmu.motion import Motion
from data.motion.kinematics import compose
from ief_jax.io.files import InputError, read_bytes

WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
"""Numbers of an element of an accessor."""


class File(NamedTuple):
    """A file's tree of J nodes, parents first, and its animations.

    Attributes:
      path: where it was read from.
      document: what its JSON says.
      data: its binary chunk.
      order: [J] the document's node that each is.
      parents: [J] each one's parent, -1 where it has none.
    """

    path: Path
    document: GLTF2
    data: bytes
    order: tuple[int, ...]
    parents: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names; empty where a node has none."""
        return tuple(self.document.nodes[node].name or "" for node in self.order)

    @property
    def animations(self) -> tuple[str, ...]:
        """The animations' names."""
        return tuple(animation.name or "" for animation in self.document.animations)


def read(path: Path) -> File:
    """Reads a file.

    Raises:
      InputError: it is missing or no whole .glb, or needs extensions, which may pack its numbers.
    """
    content = read_bytes(path)
    if content[:4] != b"glTF" or int.from_bytes(content[8:12], "little") != len(content):
        raise InputError(f"{path}: not a whole binary glTF file (.glb)")
    try:
        document = GLTF2.load_from_bytes(content)
        data = document.binary_blob() or b""
        order, parents = _tree(document)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its nodes cannot be read ({type(error).__name__}: {error})"
        ) from error
    if document.extensionsRequired:
        raise InputError(f"{path}: needs extensions: {', '.join(document.extensionsRequired)}")
    if any(document.nodes[node].matrix is not None for node in order):
        raise InputError(f"{path}: has nodes with a matrix, expected rotations")
    return File(path, document, data, order, parents)


def rest(file: File) -> np.ndarray:
    """Rotations of the nodes in the world where nothing is animated: [J, 3, 3]."""
    return compose(_own(file)[None], file.parents)[0]


def motion(file: File, animation: str, rate: float) -> Motion:
    """An animation, at a rate in frames a second from its first key on.

    Raises:
      InputError: there is no such animation, or it cannot be read; says why.
    """
    found = file.document.animations[_index(file, animation)]
    try:
        return Motion(
            file.names,
            compose(_sampled(file, found, rate), file.parents),
            np.tile([0.0, 1.0, 0.0], (len(file.order), 1)),
        )
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file.path}: animation '{animation}' cannot be read ({type(error).__name__}: {error})"
        ) from error


def _index(file: File, animation: str) -> int:
    if animation not in file.animations:
        raise InputError(f"{file.path}: has no animation '{animation}'")
    return file.animations.index(animation)


def _tree(document: GLTF2) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The nodes with parents first, and the place of each one's parent."""
    above = {child: i for i, node in enumerate(document.nodes) for child in node.children or ()}
    order = [node for node in range(len(document.nodes)) if node not in above]
    for node in order:  # grows as it goes
        order += document.nodes[node].children or ()
    if sorted(order) != list(range(len(document.nodes))):
        raise ValueError("they are not a tree")
    return tuple(order), tuple(order.index(above[node]) if node in above else -1 for node in order)


def _own(file: File) -> np.ndarray:
    """Each node's rotation relative to its parent's where nothing is animated: [J, 3, 3]."""
    turns = [file.document.nodes[node].rotation or [0.0, 0.0, 0.0, 1.0] for node in file.order]
    return Rotation.from_quat(turns).as_matrix()


def _sampled(file: File, animation: Animation, rate: float) -> np.ndarray:
    """Each node's rotation relative to its parent's in each frame: [N, J, 3, 3]."""
    channels = [c for c in animation.channels if c.target.path == "rotation"]
    keys = {}
    for channel in channels:
        sampler = animation.samplers[channel.sampler]
        times = _numbers(file, sampler.input)[:, 0]
        turns = Rotation.from_quat(_numbers(file, sampler.output))
        if sampler.interpolation not in ("LINEAR", "STEP"):
            raise InputError(
                f"{file.path}: animation '{animation.name}' is interpolated "
                f"{sampler.interpolation}, expected LINEAR or STEP"
            )
        if len(times) != len(turns) or not (np.diff(times) > 0).all():
            raise ValueError("its times do not rise, or are not as many as its rotations")
        keys[file.order.index(channel.target.node)] = times, turns, sampler.interpolation
    if not keys:
        raise InputError(f"{file.path}: animation '{animation.name}' turns nothing")
    first = min(times[0] for times, _, _ in keys.values())
    last = max(times[-1] for times, _, _ in keys.values())
    at = first + np.arange(int((last - first) * rate + 1e-3) + 1) / rate
    local = np.tile(_own(file), (len(at), 1, 1, 1))
    for node, (times, turns, interpolation) in keys.items():
        # Before its first key and behind its last one a channel holds.
        inside = np.clip(at, times[0], times[-1])
        if interpolation == "STEP" or len(times) == 1:
            turned = turns[np.searchsorted(times, inside, side="right") - 1]
        else:
            turned = Slerp(times, turns)(inside)
        local[:, node] = turned.as_matrix()
    return local


def _numbers(file: File, accessor: int) -> np.ndarray:
    """The numbers of an accessor: [count, width], float64."""
    found = file.document.accessors[accessor]
    view = file.document.bufferViews[found.bufferView]
    if found.componentType != FLOAT or found.sparse or view.byteStride or view.buffer != 0:
        raise ValueError("its numbers are not plain floats in the file itself")
    width = WIDTHS[found.type]
    start = (view.byteOffset or 0) + (found.byteOffset or 0)
    numbers = np.frombuffer(file.data, "<f4", found.count * width, start)
    if not np.isfinite(numbers).all():
        raise ValueError("it has numbers that are not finite")
    return numbers.reshape(-1, width).astype(np.float64)
