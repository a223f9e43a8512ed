"""Human3.6M, Protocol 2, for TFDS."""

from typing import ClassVar

from data.bodies.builder import BodyBuilder
from data.h36m import reader, sequences


class H36m(BodyBuilder):
    """Human3.6M, Protocol 2: keypoints and joints of subjects 9 and 11 before one camera."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = sequences.HOW
    READER = reader
    ARRAYS: ClassVar[dict[str, tuple[int, ...]]] = {
        "points": (18, 2),
        "confidence": (18,),
        "joints": (17, 3),
    }
    HOMEPAGE = "http://vision.imar.ro/human3.6m"
    CITATION = (
        "Ionescu et al., Human3.6M: Large Scale Datasets and Predictive Methods for 3D Human "
        "Sensing in Natural Environments, TPAMI 2014"
    )
