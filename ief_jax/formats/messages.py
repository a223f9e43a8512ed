"""What messages about a file's contents say."""

from typing import Any

from ief_jax.geometry import skeletons

READ = (
    "OpenPose JSON ('people'), COCO keypoint annotations or results, MMPose 1.x predictions, "
    "AlphaPose results, Ultralytics to_json(), YOLO label text with the image's size, EasyMocap "
    "annots, MediaPipe landmarks as JSON, DeepLabCut and SLEAP tables (csv, h5), npz or npy of "
    "[N, K, 2 or 3], [T, P, K, 3]"
)
"""The formats that are read."""

CONVERT = (
    "any other can be converted: numpy.savez('k.npz', keypoints=array [N, K, 3] of x, y in pixels "
    "and confidence, skeleton='COCO_17')"
)


def refusal() -> str:
    """What is read, and how to convert what is not."""
    return f"read are {READ}; {CONVERT}"


def known() -> str:
    """The known skeletons, with their numbers of keypoints."""
    return ", ".join(f"{name} ({len(layout)})" for name, layout in skeletons.LAYOUTS.items())


def kind(value: Any) -> str:
    """What a value of JSON is."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    names = {"dict": "an object", "str": "text", "NoneType": "null", "bool": "true or false"}
    return names.get(type(value).__name__, "a number")


def has(content: Any) -> str:
    """What there is in its place: the end of a message that something was not found in it."""
    if not isinstance(content, dict):
        return f"; it is {kind(content)}"
    shown = ", ".join(str(key)[:40] for key in list(content)[:6]) or "nothing"
    return f"; it has {shown}"
