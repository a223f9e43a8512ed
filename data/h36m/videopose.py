"""VideoPose3D's files of Human3.6M.

`data_3d_h36m.npz` has `positions_3d`, subject -> action -> [F, 32, 3] metres, and
`data_2d_h36m_<detector>.npz` has `positions_2d`, subject -> action -> one [F', 17, 2] (pixels) for
each of four cameras; 16 keypoints, MPII's, if a stacked hourglass found them. The layout is that of
the scripts which write them, data/prepare_data_h36m.py and data/prepare_data_2d_h36m_sh.py, and of
its DATASETS.md. The mappings are pickled; nothing in them is run.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.h36m.sequences import (
    CAMERAS,
    FRONTAL,
    HOW,
    SUBJECTS,
    Joints,
    Keypoints,
    SequenceName,
    array,
    every_fifth,
)
from data.releases import some
from ief_jax.io import npz, safe_pickle
from ief_jax.io.files import InputError

POSES_FILE = "data_3d_h36m.npz"
KEYPOINTS_FILE = "data_2d_h36m_{}.npz"


def joints(path: Path) -> dict[SequenceName, Joints]:
    """The joints in a file of poses.

    Raises:
      InputError: the file cannot be read or is not what was expected.
    """
    return {
        (subject, action): every_fifth(
            array(f"{path}: 'positions_3d' of {subject}, {action}", value, (None, 32, 3))
        )
        for subject, action, value in _sequences(path, "positions_3d")
    }


def keypoints(path: Path) -> dict[SequenceName, Keypoints]:
    """The frontal camera's keypoints, K = 17 or 16.

    Raises:
      InputError: the file cannot be read or is not what was expected.
    """
    found = {}
    for subject, action, cameras in _sequences(path, "positions_2d"):
        place = f"{path}: 'positions_2d' of {subject}, {action}"
        if not isinstance(cameras, Sequence) or len(cameras) != len(CAMERAS):
            raise InputError(f"{place} is not a list of {len(CAMERAS)} cameras")
        place += f", camera {FRONTAL}"
        found[subject, action] = Keypoints(place, array(place, cameras[FRONTAL], (None, None, 2)))
    return found


def _sequences(path: Path, field: str) -> Iterator[tuple[str, str, Any]]:
    """What a field has of each subject and action."""
    by_subject = _mapping(path, field)
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
        with open(path, "rb") as file:
            value = safe_pickle.item(safe_pickle.load(npz.pickled(file, field)))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; {HOW}") from error
    except npz.NpzError as error:
        raise InputError(f"{path}: {error}") from error
    except safe_pickle.SafePickleError as error:
        raise InputError(f"{path}: '{field}' cannot be read: {error}") from error
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: '{field}' is {type(value).__name__}, expected a mapping")
    return value
