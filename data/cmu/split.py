"""Splits a file of CMU motion capture poses into training, validation and test subjects.

    python -m data.cmu.split POSES.npz OUTPUT_DIR [--as-captured]

POSES.npz holds `poses` [N, >= 66] (SMPL axis-angle, root first, y up) and `subject` [N] (strings).
OUTPUT_DIR gets train.npz, validation.npz and test.npz, AMASS-style: `poses` [N, 72] float32 and
`subject` [N]. No subject is in two of them.

The poses are calibrated (`data/motion/calibration.py`), each subject's by its own: bent knees,
rigid collars and tilted heads are faults of the capture, in training and test subjects alike.
`--as-captured` writes them as they are. The data is from mocap.cs.cmu.edu.
"""

import argparse
from pathlib import Path

import numpy as np

from data.motion import calibration
from ief_jax.formats import poses as formats_poses
from ief_jax.io.files import InputError, output_folder, replacing

SPLITS = ("train", "validation", "test")
TEST = ("06", "08", "13", "16", "exp:soccer", "exp:jumping")
VALIDATION = ("07", "12", "39")


def split_of(subject: str) -> str:
    """The part that a subject belongs to: "train", "validation" or "test"."""
    if subject in TEST:
        return "test"
    return "validation" if subject in VALIDATION else "train"


def split(poses: np.ndarray, subject: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The (poses, subject) of each part, by its name."""
    part = np.array([split_of(name) for name in subject])
    return {name: (poses[part == name], subject[part == name]) for name in SPLITS}


def main() -> None:
    """Reads the command line, writes the three files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("poses", type=Path, help="npz with `poses` and `subject`")
    parser.add_argument("output", type=Path, help="folder for train, validation and test.npz")
    parser.add_argument("--as-captured", action="store_true", help="leave out the calibration")
    arguments = parser.parse_args()
    found = formats_poses.read(arguments.poses)
    if found.subject is None:
        raise InputError(f"{arguments.poses}: has no array 'subject' [N]")
    poses = found.poses
    if arguments.as_captured:
        print("as captured, not calibrated")
    else:
        calibrated, zeros = calibration.calibrated_by_subject(poses, found.subject)
        poses = calibrated.astype(np.float32)
        print(f"calibrated, {len(zeros)} subjects each by its own standing frames")
        for name in [name for name, zero in zeros.items() if zero is None]:
            print(f"  {calibration.without_zero(name)}")
    poses = poses.reshape(len(poses), -1)
    output_folder(arguments.output)
    for name, (part, of) in split(poses, found.subject).items():
        target = arguments.output / f"{name}.npz"
        with replacing(target) as file:
            np.savez_compressed(file, poses=part, subject=of)
        print(f"{target}: {len(part)} poses of {len(np.unique(of))} subjects")


if __name__ == "__main__":
    main()
