"""3DPW for TFDS."""

from pathlib import Path
from typing import ClassVar

from data.bodies.builder import BodyBuilder
from data.threedpw import reader


class ThreeDpw(BodyBuilder):
    """3D Poses in the Wild: keypoints, SMPL bodies and joints as the frames' cameras see them."""

    name = "threedpw"
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    ARRAYS: ClassVar[dict[str, tuple[int, ...]]] = {
        "points": (18, 2),
        "confidence": (18,),
        "poses": (24, 3),
        "betas": (reader.BETAS,),
        "trans": (3,),
        "joints": (24, 3),
    }
    TEXTS = ("name", "gender")
    HOMEPAGE = "https://virtualhumans.mpi-inf.mpg.de/3DPW"
    CITATION = (
        "von Marcard et al., Recovering Accurate 3D Human Pose in The Wild Using IMUs and a Moving "
        "Camera, ECCV 2018"
    )

    def people(self, folder: Path) -> dict[str, reader.People]:
        """The splits that are there; at least one must be."""
        there = [s for s in reader.SPLITS if (folder / "sequenceFiles" / s).is_dir()]
        return {split: reader.read(folder, split) for split in there or reader.SPLITS}
