"""Splits a file of CMU motion capture poses into training, validation and test subjects.

    python -m data.cmu_split POSES.npz OUTPUT_DIR

POSES.npz holds `poses` [N, >= 66] (SMPL axis-angle, root first) and `subject` [N] (strings). OUTPUT_DIR
gets train.npz, validation.npz and test.npz, AMASS-style: `poses` [N, 72] float32 and `subject` [N].
No subject is in two of them. The data is from mocap.cs.cmu.edu.
"""

import argparse
import os
from pathlib import Path

import numpy as np

TEST = ("06", "08", "13", "16", "exp:soccer", "exp:jumping")
VALIDATION = ("07", "12", "39")


def split(poses: np.ndarray, subject: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The (poses, subject) of each part, by its name."""
    test, validation = np.isin(subject, TEST), np.isin(subject, VALIDATION)
    parts = {"train": ~test & ~validation, "validation": validation, "test": test}
    return {name: (poses[chosen], subject[chosen]) for name, chosen in parts.items()}


def main() -> None:
    """Reads the command line, writes the three files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("poses", type=Path, help="npz with `poses` and `subject`")
    parser.add_argument("output", type=Path, help="folder for train, validation and test.npz")
    arguments = parser.parse_args()
    with np.load(arguments.poses, allow_pickle=False) as file:
        for key in ("poses", "subject"):
            if key not in file:
                parser.error(f"{arguments.poses} has no array '{key}'")
        poses, subject = file["poses"].astype(np.float32), file["subject"]
    if poses.ndim != 2 or poses.shape[1] < 66 or len(poses) != len(subject):
        parser.error(
            f"{arguments.poses}: poses {poses.shape} and subject {subject.shape} should be "
            "[N, >= 66] and [N]"
        )
    # SMPL's two hand joints hold no motion capture: zeros up to 72.
    poses = np.pad(poses[:, :72], ((0, 0), (0, max(0, 72 - poses.shape[1]))))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, (part, of) in split(poses, subject).items():
        target = arguments.output / f"{name}.npz"
        partial = target.with_suffix(".partial.npz")
        np.savez_compressed(partial, poses=part, subject=of)
        os.replace(partial, target)
        print(f"{target}: {len(part)} poses of {len(np.unique(of))} subjects")


if __name__ == "__main__":
    main()
