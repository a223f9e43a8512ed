"""Reads Human3.6M for Protocol 2, from VideoPose3D's files or SPIN's.

VideoPose3D's: `data_3d_h36m.npz` with `positions_3d`, subject -> action -> [F, 32, 3] metres, and
`data_2d_h36m_<detector>.npz` with `positions_2d`, subject -> action -> one [F', 17, 2] (pixels) for
each of four cameras; 16 keypoints, MPII's, if a stacked hourglass found them. SPIN's:
`h36m_valid_protocol2.npz` with `imgname` [N] and `S` [N, 24, 4] metres, root-relative; it has no
keypoints, which come from the former's files.

We have no such file ourselves. The layouts are those of the scripts that write them: VideoPose3D's
data/prepare_data_h36m.py and data/prepare_data_2d_h36m_sh.py, with its DATASETS.md, and SPIN's
datasets/preprocess/h36m.py. Mappings are pickled in the npz files; nothing in them is run.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.releases import some
from ief_jax import inert_pickle, skeletons
from ief_jax.files import InputError
from ief_jax.joint_regressors import H36M_17

SUBJECTS = ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""In the order of VideoPose3D's lists."""
FRONTAL = 3
"""The paper's "frontal camera (camera 3)": 60457274, as SPIN's Protocol 2 has it."""
EVERY = 5
"""Frames from one that is evaluated to the next."""

POSES_FILE = "data_3d_h36m.npz"
KEYPOINTS_FILE = "data_2d_h36m_{}.npz"
SPIN_FILE = "h36m_valid_protocol2.npz"
DETECTORS = ("sh_ft_h36m", "cpn_ft_h36m_dbb", "detectron_ft_h36m", "sh_pt_mpii", "gt")
"""The kinds of keypoints, the paper's own (a stacked hourglass fine-tuned on Human3.6M) first."""
HOW = (
    "make it with VideoPose3D's data/prepare_data_h36m.py from the data of "
    "http://vision.imar.ro/human3.6m (see VideoPose3D's DATASETS.md)"
)

OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 joints among the 32 of the release, which has some twice."""
OF_24 = (14, 2, 1, 0, 3, 4, 5, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6)
"""The 17 joints among the 24 of SPIN's `S`."""
KEYPOINTS_17 = tuple(
    name.removeprefix("h36m_") if "left" in name or "right" in name else name for name in H36M_17
)
"""Keypoint names. Human3.6M's neck, head and pelvis are other places than COCO's or OpenPose's."""
KEYPOINTS = {17: KEYPOINTS_17, 16: skeletons.MPII_16}
"""Layouts by their number of keypoints; the stacked hourglass gives MPII's."""


class People(NamedTuple):
    """N people, each in one frame.

    Attributes:
      name: "subject/action/camera/frame" of each.
      points: [N, 18, 2] keypoints in `skeletons.COCO_18`'s order, pixels.
      confidence: [N, 18]; 1, or 0 for those that Human3.6M's skeleton has not (the face's).
      joints: [N, 17, 3] metres, in `joint_regressors.H36M_17`'s order; of any origin and axes.
    """

    name: list[str]
    points: np.ndarray
    confidence: np.ndarray
    joints: np.ndarray


def detectors(data_dir: Path) -> list[str]:
    """The kinds of keypoints there are in a folder, the best first.

    Raises:
      InputError: there is none.
    """
    if not data_dir.is_dir():
        raise InputError(f"{data_dir}: no such folder; {HOW}")
    found = [name for name in DETECTORS if (data_dir / KEYPOINTS_FILE.format(name)).exists()]
    if not found:
        there = some(sorted(path.name for path in data_dir.iterdir())) or "no files"
        wanted = KEYPOINTS_FILE.format("<detector>")
        raise InputError(
            f"{data_dir}: has no {wanted} ({', '.join(DETECTORS)}); it has {there}; {HOW}"
        )
    return found


def read(data_dir: Path, detector: str | None = None) -> People:
    """The people of Protocol 2: subjects 9 and 11, the frontal camera, every fifth frame.

    Joints come from VideoPose3D's file, or else from SPIN's.

    Args:
      data_dir: the folder of the files.
      detector: of the keypoints, one of `DETECTORS`; by default the first of them there is.

    Raises:
      InputError: something is missing or is not what was expected; names file and field.
    """
    detector = detector or detectors(data_dir)[0]
    path = data_dir / KEYPOINTS_FILE.format(detector)
    keypoints = _Keypoints(path)
    if (data_dir / POSES_FILE).exists():
        joints = _videopose(data_dir / POSES_FILE)
    elif (data_dir / SPIN_FILE).exists():
        joints = _spin(data_dir / SPIN_FILE)
    else:
        raise InputError(f"{data_dir}: has neither {POSES_FILE} nor {SPIN_FILE}; {HOW}")
    names, points, confidence, bodies = [], [], [], []
    for (subject, action), (frames, positions) in joints.items():
        seen = keypoints.of(subject, action, len(positions), frames)
        if seen is None:
            continue
        two, certain = skeletons.convert(
            seen, np.ones(seen.shape[:2]), KEYPOINTS[seen.shape[1]], skeletons.COCO_18
        )
        place = f"{subject}/{action}/{CAMERAS[FRONTAL]}"
        names += [f"{place}/{frame:05d}" for frame in frames]
        points.append(two)
        confidence.append(certain)
        bodies.append(positions)
    if not names:
        raise InputError(f"{path}: has keypoints of none of the sequences in {data_dir}")
    return People(
        names,
        *(np.concatenate(part).astype(np.float32) for part in (points, confidence, bodies)),
    )


Joints = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
"""By subject and action: the frames' numbers [n] and their joints [n, 17, 3]."""


def _videopose(path: Path) -> Joints:
    by_subject = _mapping(path, "positions_3d")
    found: Joints = {}
    for subject, action, value in _sequences(path, "positions_3d", by_subject):
        place = f"{path}: 'positions_3d' of {subject}, {action}"
        positions = _array(place, value, (None, 32, 3))[::EVERY, OF_32]
        found[subject, action] = np.arange(len(positions)) * EVERY, positions
    return found


def _spin(path: Path) -> Joints:
    arrays = _plain(path, ("imgname", "S"))
    names, positions = arrays["imgname"], arrays["S"]
    if positions.shape != (len(names), 24, 4) or positions.dtype.kind != "f":
        raise InputError(
            f"{path}: 'S' is {positions.dtype} {positions.shape}, expected floats "
            f"({len(names)}, 24, 4)"
        )
    rows: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row, name in enumerate(names):
        subject, action, camera, frame = _image(path, str(name))
        if subject in SUBJECTS and camera == CAMERAS[FRONTAL] and frame % EVERY == 0:
            rows.setdefault((subject, action), []).append((frame, row))
    if not rows:
        raise InputError(f"{path}: 'imgname' has no image of {' or '.join(SUBJECTS)}")
    found: Joints = {}
    for key, pairs in rows.items():
        frames, chosen = np.array(sorted(pairs)).T
        bodies = positions[chosen][:, OF_24]
        if not np.isfinite(bodies).all() or not (bodies[..., 3] > 0).all():
            raise InputError(f"{path}: 'S' of {key[0]}, {key[1]} lacks some of the 17 joints")
        found[key] = frames, bodies[..., :3]
    return found


_IMAGE = re.compile(r"(S\d+)_(.+)\.(\d{8})_(\d{6})\.\w+")
_CANONICAL = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


def _image(path: Path, name: str) -> tuple[str, str, str, int]:
    """Subject, action, camera and frame (from 0) of `S9_Directions_1.60457274_000001.jpg`."""
    match = _IMAGE.fullmatch(Path(name).name)
    if not match:
        raise InputError(
            f"{path}: 'imgname' has '{name}', expected S9_Directions_1.60457274_000001.jpg or so"
        )
    subject, action, camera, number = match.groups()
    for long, short in _CANONICAL.items():
        action = action.replace(long, short)
    return subject, action.replace("_", " "), camera, int(number) - 1


class _Keypoints:
    """The keypoints in one of VideoPose3D's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        by_subject = _mapping(path, "positions_2d")
        self.found = {
            (subject, action): value
            for subject, action, value in _sequences(path, "positions_2d", by_subject)
        }

    def of(self, subject: str, action: str, count: int, frames: np.ndarray) -> np.ndarray | None:
        """The frontal camera's keypoints [n, K, 2] in these frames, or None: no such sequence.

        Raises:
          InputError: they are not what was expected, or there are fewer frames than needed.
        """
        if (subject, action) not in self.found:
            return None
        place = f"{self.path}: 'positions_2d' of {subject}, {action}"
        cameras = self.found[subject, action]
        if not isinstance(cameras, Sequence) or len(cameras) != len(CAMERAS):
            raise InputError(f"{place} is not a list of {len(CAMERAS)} cameras")
        place += f", camera {FRONTAL}"
        points = _array(place, cameras[FRONTAL], (None, None, 2))
        if points.shape[1] not in KEYPOINTS:
            raise InputError(
                f"{place} has {points.shape[1]} keypoints, expected {sorted(KEYPOINTS)}"
            )
        # Some videos have a few frames more than were captured.
        if len(points) <= frames[-1]:
            raise InputError(
                f"{place} has {len(points)} frames, expected {frames[-1] + 1} or more: those of "
                "the joints"
            )
        return points[frames]


def _sequences(
    path: Path, field: str, by_subject: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """What a field has of each subject and action."""
    for subject in SUBJECTS:
        actions = by_subject.get(subject)
        if not isinstance(actions, Mapping) or not actions:
            raise InputError(
                f"{path}: '{field}' has nothing of {subject}; it has {some(map(str, by_subject))}"
            )
        for action, value in actions.items():
            yield subject, str(action), value


def _mapping(path: Path, field: str) -> Mapping[str, Any]:
    """A mapping that is pickled in an npz."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{field}.npy") as member:
            version = np.lib.format.read_magic(member)
            if version == (1, 0):
                np.lib.format.read_array_header_1_0(member)
            else:
                np.lib.format.read_array_header_2_0(member)
            value = inert_pickle.item(inert_pickle.load(member.read()))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {HOW}") from error
    except KeyError as error:
        raise InputError(f"{path}: has no field '{field}'") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: '{field}' cannot be read: {error}") from error
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: '{field}' is {type(value).__name__}, expected a mapping")
    return value


def _plain(path: Path, fields: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in fields if name not in archive]
            if missing:
                there = ", ".join(archive.files)
                raise InputError(f"{path}: has no field '{missing[0]}'; it has {there}")
            return {name: archive[name] for name in fields}
    except InputError:
        raise
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not an npz of plain arrays: {error}") from error


def _array(place: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        array = inert_pickle.array(value)
    except inert_pickle.InertPickleError as error:
        raise InputError(f"{place}: {error}") from error
    fits = array.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits or not len(array) or array.dtype.kind != "f":
        expected = str(shape).replace("None", "any")
        raise InputError(f"{place} is {array.dtype} {array.shape}, expected floats {expected}")
    if not np.isfinite(array).all():
        raise InputError(f"{place} has values that are not finite")
    return array
