"""The stick figures for TFDS."""

from typing import ClassVar

from data.figures import reader
from data.keypoint_builder import KeypointBuilder


class Figures(KeypointBuilder):
    """Stick figures in poses of the embedded prior, a colour a limb, on blurred backgrounds."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    HOMEPAGE = ""
    CITATION = ""
