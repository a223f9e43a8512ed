"""CMU motion capture for TFDS: train, validation and test, split by subject."""

from pathlib import Path
from typing import Any, ClassVar

from data.cmu import clips
from data.motion.builder import PoseBuilder
from data.motion.preparation import Clip


class Cmu(PoseBuilder):
    """CMU motion capture, retargeted to SMPL's joints."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = clips.HOW
    BETAS = 0

    def find(self, folder: Path) -> list[Clip]:
        """The clips in a folder, of either release."""
        return clips.find(folder)

    def _info(self) -> Any:
        return self.describe(
            "The CMU Graphics Lab Motion Capture Database as SMPL poses, y up.",
            "https://mocap.cs.cmu.edu",
            "mocap.cs.cmu.edu; the database was created with funding from NSF EIA-0196217",
        )
