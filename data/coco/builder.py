"""COCO's keypoints for TFDS."""

from typing import ClassVar

from data.coco import reader
from data.keypoints.builder import KeypointBuilder


class Coco(KeypointBuilder):
    """COCO's people with keypoints, of train2017 and val2017."""

    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = reader.HOW
    READER = reader
    HOMEPAGE = "https://cocodataset.org"
    CITATION = "Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014"
