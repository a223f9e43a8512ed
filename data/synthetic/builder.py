"""The synthetic people for TFDS."""

from typing import ClassVar

from data.keypoints.builder import KeypointBuilder
from data.synthetic import reader


class Synthetic(KeypointBuilder):
    """Clothed bodies in poses of the embedded prior, ray-cast before random backdrops."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    HOMEPAGE = ""
    CITATION = ""
