"""EHF for TFDS."""

from typing import ClassVar

from data.bodies.builder import BodyBuilder
from data.ehf import reader


class Ehf(BodyBuilder):
    """EHF: keypoints of a hundred photographs and SMPL-X meshes; the photographs by name."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    ARRAYS: ClassVar[dict[str, tuple[int, ...]]] = {
        "points": (18, 2),
        "confidence": (18,),
        "vertices": (reader.SMPLX_VERTICES, 3),
    }
    HOMEPAGE = "https://smpl-x.is.tue.mpg.de"
    CITATION = (
        "Pavlakos et al., Expressive Body Capture: 3D Hands, Face, and Body from a Single Image, "
        "CVPR 2019"
    )
