"""AMASS for TFDS; one split for each of its data sets."""

from pathlib import Path
from typing import Any, ClassVar

from data.amass import reader
from data.motion.builder import PoseBuilder
from data.motion.preparation import Clip


class Amass(PoseBuilder):
    """AMASS as SMPL poses."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    BETAS = 16

    def find(self, folder: Path) -> list[Clip]:
        """The sequences in a folder."""
        return reader.find(folder)

    def _info(self) -> Any:
        return self.describe(
            "Motion capture of many laboratories as SMPL poses, y up.",
            "https://amass.is.tue.mpg.de",
            "Mahmood et al., AMASS: Archive of Motion Capture as Surface Shapes, ICCV 2019",
        )
