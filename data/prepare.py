"""Prepares data sets: downloads as they were released, to TFDS shards that are quick to read.

    python -m data.prepare NAME SOURCE OUT

OUT/NAME/1.0.0 is written whole or not at all. data/NAME/README.md says what to download.
"""

import dataclasses
import importlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from ief_jax.cli import command_line
from ief_jax.cli.command_line import Arguments
from ief_jax.io.files import InputError


@dataclass(frozen=True)
class Release:
    """What is prepared.

    Attributes:
      source: folder of the release; of photographs, the one that holds lsp/, lspet/, ...
      out: folder for what is prepared.
      overwrite: prepare anew what is prepared already.
    """

    source: Positional[Path]
    out: Positional[Path]
    overwrite: bool = False


@dataclass(frozen=True)
class MotionOptions:
    """How motion capture is read.

    Attributes:
      rate: frames a second that are kept.
      strict: stop at a file that cannot be read, instead of leaving it out.
    """

    rate: float = 30.0
    strict: bool = False


@dataclass(frozen=True)
class PoseFile:
    """What is split.

    Attributes:
      poses: npz file with `poses` [N, >= 66] (SMPL axis-angle, root first, y up) and `subject` [N].
      out: folder for train.npz, validation.npz and test.npz.
      as_captured: leave out the calibration (`data/motion/calibration.py`), which takes bent knees,
        rigid collars and tilted heads from each subject's poses by its standing ones.
    """

    poses: Positional[Path]
    out: Positional[Path]
    as_captured: bool = False


@dataclass(frozen=True)
class Animations:
    """What is retargeted.

    Attributes:
      source: folder with Mesh2Motion's human-base-animations.glb and human-addon-animations.glb.
      out: folder for mesh2motion.npz.
      rate: frames a second that are kept.
    """

    source: Positional[Path]
    out: Positional[Path]
    rate: float = 10.0


def _people(builder: str, summary: str) -> Callable[..., None]:
    """The command for a data set of people, by its builder, "module:class"."""

    def prepare(release: Arguments[Release]) -> None:
        _prepare(builder, release, "people")

    prepare.__doc__ = summary
    return prepare


def _motion(builder: str, summary: str) -> Callable[..., None]:
    """The command for a data set of motion capture, by its builder, "module:class"."""

    def prepare(release: Arguments[Release], motion: Arguments[MotionOptions]) -> None:
        if not motion.rate > 0:
            raise InputError(f"--rate is {motion.rate}, expected more than 0 frames a second")
        _prepare(builder, release, "poses", **dataclasses.asdict(motion))

    prepare.__doc__ = summary
    return prepare


def _prepare(builder: str, release: Release, unit: str, **options: Any) -> None:
    """Writes the shards, and prints how much there is in each split."""
    began = time.perf_counter()
    import tensorflow_datasets as tfds

    from data import shards

    tfds.disable_progress_bar()
    module, name = builder.split(":")
    folder = shards.prepare(
        getattr(importlib.import_module(module), name),
        release.source,
        release.out,
        overwrite=release.overwrite,
        **options,
    )
    counts, skipped = shards.summary(folder)
    print(f"{folder}: {sum(counts.values())} {unit} in {time.perf_counter() - began:.0f} s")
    for split, count in counts.items():
        print(f"  {split:24}{count:12}")
    if skipped:
        print(f"{len(skipped)} files could not be read and were skipped:")
        for problem in skipped:
            print(f"  {problem}")


def cmu_split(file: Arguments[PoseFile]) -> None:
    """Split one file of retargeted CMU poses by subject, into train, validation and test."""
    from data.cmu import split
    from data.motion import calibration

    poses, subject = split.read(file.poses)
    if file.as_captured:
        print("as captured, not calibrated")
    else:
        poses, zeros = calibration.calibrated_by_subject(poses, subject)
        print(f"calibrated, {len(zeros)} subjects each by its own standing frames")
        for name in [name for name, zero in zeros.items() if zero is None]:
            print(f"  {calibration.without_zero(name)}")
    for path, count, subjects in split.write(poses, subject, file.out):
        print(f"{path}: {count} poses of {subjects} subjects")


def mesh2motion(animations: Arguments[Animations]) -> None:
    """Retarget Mesh2Motion's animations, into one file of poses."""
    if not animations.rate > 0:
        raise InputError(f"--rate is {animations.rate}, expected more than 0 frames a second")
    from data.mesh2motion import clips

    found = clips.read_all(animations.source, animations.rate)
    path = clips.write(found, animations.out)
    print(f"{path}: {len(found.poses)} poses of {len(found.names)} animations")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "lsp": _people("data.lsp.builder:Lsp", "Prepare Leeds Sports Pose: 14 joints in photographs."),
    "lspet": _people("data.lspet.builder:Lspet", "Prepare Leeds Sports Pose Extended."),
    "mpii": _people("data.mpii.builder:Mpii", "Prepare MPII Human Pose: 16 joints in frames."),
    "coco": _people("data.coco.builder:Coco", "Prepare COCO's people: 17 keypoints."),
    "synthetic": _people(
        "data.synthetic.builder:Synthetic", "Prepare what `python -m data.synthetic` made."
    ),
    "amass": _motion("data.amass.builder:Amass", "Prepare AMASS, its SMPL+H or SMPL-X release."),
    "cmu": _motion("data.cmu.builder:Cmu", "Prepare CMU motion capture, ASF/AMC or cgspeed's BVH."),
    "3dpw": _people("data.threedpw.builder:ThreeDpw", "Prepare 3DPW: keypoints and SMPL bodies."),
    "h36m": _people("data.h36m.builder:H36m", "Prepare Human3.6M, Protocol 2: keypoints, joints."),
    "ehf": _people("data.ehf.builder:Ehf", "Prepare EHF: keypoints and SMPL-X meshes."),
    "cmu-split": cmu_split,
    "mesh2motion": mesh2motion,
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run("data.prepare", COMMANDS, words, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
