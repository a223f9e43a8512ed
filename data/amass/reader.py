"""Reads AMASS: trees of `<data set>/<subject>/<sequence>_poses.npz` or `..._stageii.npz`.

The SMPL+H release (`_poses.npz`) holds `poses` [N, 156], `trans` [N, 3], `betas` [16], `dmpls`
[N, 8], `gender` and `mocap_framerate`; the SMPL-X release (`_stageii.npz`) holds `poses` [N, 165],
`trans`, `betas` [16], `gender`, `surface_model_type`, `mocap_frame_rate`, `mocap_time_length`,
`root_orient` [N, 3], `pose_body` [N, 63] and more, some of it pickled and not read here. In both
the first 66 numbers of a pose are SMPL's root and 21 body joints, and z is up. `shape.npz` and
`<gender>_stagei.npz` hold a subject's shape and no motion. We have no file of AMASS ourselves; the
layouts are from its public readers: the project's own (github.com/nghorbani/amass, its notebooks)
and, for SMPL-X, the key lists in several that read it.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from data.motion.preparation import Clip, Recording, stride
from data.releases import files_below, nothing_found, some
from ief_jax.formats import poses
from ief_jax.io import npz
from ief_jax.io.files import InputError

HOW = (
    "download data sets of AMASS from https://amass.is.tue.mpg.de ('SMPL+H G' or 'SMPL-X G' or "
    "'SMPL-X N' bodies), and unpack them there"
)
SEQUENCES = ("_poses.npz", "_stageii.npz")
SHAPES = ("shape.npz", "_stagei.npz")

VALIDATION = ("HumanEva", "MPI_HDM05", "SFU", "MPI_mosh")
TEST = ("Transitions_mocap", "SSM_synced")
"""The customary splits by data set (AMASS's README); everything else is for training."""
PAPER = ("CMU", "MPI_Limits")
"""What the LGD paper trains on: "the same subset as reported in [29, 16]".

Those two, SMPLify-X (of its pose prior) and HMR, name CMU, PosePrior (`MPI_Limits` here), and the
training subjects of Human3.6M, whose fitted bodies are not in AMASS.
"""
OTHERS = (
    "ACCAD",
    "BMLhandball",
    "BMLmovi",
    "BioMotionLab_NTroje",
    "CNRS",
    "DFaust_67",
    "DanceDB",
    "EKUT",
    "Eyes_Japan_Dataset",
    "GRAB",
    "HUMAN4D",
    "KIT",
    "SOMA",
    "TCD_handMocap",
    "TotalCapture",
    "WEIZMANN",
)
SAME = {
    "BMLrub": "BioMotionLab_NTroje",
    "DFaust": "DFaust_67",
    "HDM05": "MPI_HDM05",
    "MoSh": "MPI_mosh",
    "PosePrior": "MPI_Limits",
    "SSM": "SSM_synced",
    "TCDHands": "TCD_handMocap",
    "Transitions": "Transitions_mocap",
}
"""Data sets that have another name in the SMPL-X release."""
KNOWN = {name: name for name in VALIDATION + TEST + PAPER + OTHERS} | SAME

UPRIGHT = Rotation.from_euler("x", -90, degrees=True)
"""Takes AMASS's axes, z up, to ours, y up: (x, y, z) to (x, z, -y)."""


def find(folder: Path) -> list[Clip]:
    """All sequences below a folder; the split of each is its data set, by its SMPL+H name.

    A sequence belongs to the nearest folder above it that has the name of a data set of AMASS,
    or else to the folder two above it.

    Raises:
      InputError: there are none, or one data set is there in both releases; says what was found.
    """
    files = files_below(folder, HOW)
    paths = [path for path in files if path.name.endswith(SEQUENCES)]
    if not paths:
        shapes = [path for path in files if path.name.endswith(SHAPES)]
        if shapes:
            raise InputError(
                f"{folder}: has only shapes ({some(p.name for p in shapes)}), no sequences "
                f"(_poses.npz, _stageii.npz); {HOW}"
            )
        wanted = "sequences (<data set>/<subject>/<sequence>_poses.npz or _stageii.npz)"
        raise nothing_found(folder, files, wanted, HOW)
    releases: dict[str, dict[str, Path]] = {}
    clips = []
    for path in paths:
        name = data_set(path)
        releases.setdefault(name, {})[path.name.rpartition("_")[2]] = path
        clips.append(Clip(path, name, partial(read, path)))
    for name, by_release in releases.items():
        if len(by_release) > 1:
            raise InputError(
                f"{folder}: has {name} in both releases "
                f"({', '.join(str(p.relative_to(folder)) for p in by_release.values())}); keep one"
            )
    return clips


def chosen(split: str, present: Sequence[str]) -> list[str]:
    """The data sets that make up a split.

    Args:
      split: train (all that is for neither validation nor test), validation, test, paper, or names
        of data sets joined by "+".
      present: the data sets that were prepared.

    Raises:
      InputError: one of them was not prepared; says which, and what there is.
    """
    if split == "train":
        wanted = [name for name in present if name not in VALIDATION + TEST] or ["CMU"]
    else:
        named = {"validation": VALIDATION, "test": TEST, "paper": PAPER}
        wanted = list(named.get(split, ())) or [KNOWN.get(n, n) for n in split.split("+")]
    missing = [name for name in wanted if name not in present]
    if missing:
        raise InputError(
            f"amass, {split}: prepared without {', '.join(missing)}; there is {', '.join(present)}"
        )
    return wanted


def data_set(path: Path) -> str:
    """The data set of AMASS that a sequence belongs to, as a word."""
    for above in path.parents:
        if above.name in KNOWN:
            return KNOWN[above.name]
    return re.sub(r"\W", "_", path.absolute().parent.parent.name)


def read(path: Path, rate: float) -> Recording:
    """Reads every n-th frame of a sequence, with y up.

    Args:
      path: the file.
      rate: frames a second that should be left at least, if there are as many.

    Raises:
      InputError: the file is broken, or lacks `poses` or its frame rate.
    """
    found = poses.read(path)
    if found.betas is None:
        raise InputError(f"{path}: has no array 'betas'")
    kept = found.poses[:: stride(_frame_rate(path), rate)].astype(np.float64)
    # R <- Rx(-90 degrees) R
    kept[:, 0] = (UPRIGHT * Rotation.from_rotvec(kept[:, 0])).as_rotvec()
    return Recording(kept, found.betas[0])


def _frame_rate(path: Path) -> float:
    found = npz.read(path, ("mocap_framerate", "mocap_frame_rate"))
    rate = next(iter(found.values()), np.array(np.nan))
    if rate.size != 1 or rate.dtype.kind not in "iuf" or not rate.item() > 0:
        raise InputError(
            f"{path}: has no frame rate: expected one number 'mocap_framerate' or "
            "'mocap_frame_rate'"
        )
    return float(rate.item())
