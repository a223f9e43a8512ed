"""LSP for TFDS."""

from typing import ClassVar

from data.keypoints.builder import KeypointBuilder
from data.lsp import reader


class Lsp(KeypointBuilder):
    """Leeds Sports Pose: 2000 photographs of a sportsman each, with 14 joints."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    HOMEPAGE = "http://sam.johnson.io/research/lsp.html"
    CITATION = (
        "Johnson and Everingham, Clustered Pose and Nonlinear Appearance Models "
        "for Human Pose Estimation, BMVC 2010"
    )
