"""MPII Human Pose for TFDS."""

from typing import ClassVar

from data.keypoints.builder import KeypointBuilder
from data.mpii import reader


class Mpii(KeypointBuilder):
    """MPII Human Pose: people in frames of YouTube videos, with up to 16 joints."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    HOMEPAGE = "http://human-pose.mpi-inf.mpg.de"
    CITATION = (
        "Andriluka et al., 2D Human Pose Estimation: New Benchmark and State of "
        "the Art Analysis, CVPR 2014"
    )
