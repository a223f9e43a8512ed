"""LSPET for TFDS."""

from typing import ClassVar

from data.keypoints.builder import KeypointBuilder
from data.lspet import reader


class Lspet(KeypointBuilder):
    """Leeds Sports Pose Extended: 10000 photographs of a sportsman each, with up to 14 joints."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    HOMEPAGE = "http://sam.johnson.io/research/lspet.html"
    CITATION = (
        "Johnson and Everingham, Learning Effective Human Pose Estimation from "
        "Inaccurate Annotation, CVPR 2011"
    )
