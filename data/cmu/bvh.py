"""Reads BVH: a text file with a tree of joints, HIERARCHY, and one line of numbers a frame, MOTION.

A joint's line `CHANNELS 3 Zrotation Yrotation Xrotation` says that its local rotation is
Rz(a) Ry(b) Rx(c) of its three numbers, degrees. The bone of a joint points to its first child.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from data.cmu.motion import Motion
from data.motion.kinematics import compose
from data.motion.preparation import stride
from ief_jax.io.files import InputError, read_bytes


def read(path: Path, rate: float) -> Motion:
    """Reads one file: its first frame, and of the others every n-th. Positions are left out.

    Args:
      path: the file.
      rate: frames a second that should be left at least, if there are as many.

    Raises:
      InputError: the file is missing, is no BVH, or ends early; the message says what was found.
    """
    text = read_bytes(path).decode("ascii", errors="replace")
    head, marker, motion = text.partition("MOTION")
    if not head.lstrip().startswith("HIERARCHY") or not marker:
        raise InputError(f"{path}: not a BVH file: expected HIERARCHY and MOTION")
    try:
        names, parents, offsets, channels = _hierarchy(head)
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: the HIERARCHY cannot be read: {error}") from error
    frames, recorded = _frames(path, motion, sum(len(of_joint) for of_joint in channels))
    every = stride(recorded, rate)
    frames = np.concatenate([frames[:1], frames[1::every]])
    local = np.empty((len(frames), len(names), 3, 3))
    first = 0
    for joint, of_joint in enumerate(channels):
        turns = [i for i, name in enumerate(of_joint) if name.endswith("rotation")]
        order = "".join(of_joint[i][0] for i in turns)
        angles = frames[:, [first + i for i in turns]]
        try:
            turned = Rotation.from_euler(order, angles, degrees=True) if turns else None
        except ValueError as error:
            raise InputError(f"{path}: channels of {names[joint]}: {error}") from error
        local[:, joint] = np.eye(3) if turned is None else turned.as_matrix()
        first += len(of_joint)
    directions = np.zeros((len(names), 3))
    for joint in range(len(names) - 1, 0, -1):  # backwards: the first child is the last to write
        directions[parents[joint]] = offsets[joint]
    return Motion(tuple(names), compose(local, parents), directions)


def _hierarchy(
    text: str,
) -> tuple[list[str], list[int], list[list[float]], list[list[str]]]:
    """Names, parents, offsets and channels of the joints; the ends of the tree are among them."""
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    above: list[int] = []
    for line in text.splitlines():
        words = line.split()
        match words[:1]:
            case ["ROOT" | "JOINT" | "End"]:
                names.append(f"{names[-1]} end" if words[0] == "End" else words[1])
                parents.append(above[-1] if above else -1)
                offsets.append([])
                channels.append([])
            case ["{"]:
                above.append(len(names) - 1)
            case ["}"]:
                above.pop()
            case ["OFFSET"]:
                x, y, z = (float(word) for word in words[1:4])
                offsets[-1] = [x, y, z]
            case ["CHANNELS"]:
                channels[-1] = words[2 : 2 + int(words[1])]
    if above or not names or not all(offsets):
        raise ValueError("a brace is not closed, or a joint has no OFFSET")
    if not np.isfinite(offsets).all():
        raise ValueError("an OFFSET is not finite")
    return names, parents, offsets, channels


def _frames(path: Path, text: str, columns: int) -> tuple[np.ndarray, float]:
    """The numbers [N, columns] behind MOTION, and the frames a second."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        count = int(lines[0].split("Frames:")[1])
        seconds = float(lines[1].split("Frame Time:")[1])
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: MOTION has no 'Frames:' and 'Frame Time:'") from error
    rows = lines[2:]
    if len(rows) != count:
        raise InputError(f"{path}: declares {count} frames and has {len(rows)}; is it all there?")
    if not (count > 0 and seconds > 0):
        raise InputError(f"{path}: has {count} frames of {seconds} s")
    if len(rows[-1].split()) != columns:
        raise InputError(
            f"{path}: its last frame has {len(rows[-1].split())} of {columns} numbers; "
            "is it all there?"
        )
    try:
        numbers = np.loadtxt(rows, ndmin=2)
    except ValueError as error:
        raise InputError(f"{path}: its frames cannot be read: {error}") from error
    if numbers.shape[1] != columns or not np.isfinite(numbers).all():
        raise InputError(f"{path}: has frames of {numbers.shape[1]} numbers, expected {columns}")
    return numbers, 1 / seconds
