"""OpenPose JSON: a file a frame with its `people`, or a list of such frames.

Also what writes the same: ControlNet and DWPose (`canvas_width`, null where nothing is found),
`keypoints.write`, AlphaPose's single files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ief_jax.formats.content import Collector, Content, Frame, number_in, plain_path, size_in
from ief_jax.formats.messages import has, kind
from ief_jax.io.files import InputError

# OpenPose before 1.2 had the shorter name.
_FIELDS = ("pose_keypoints_2d", "pose_keypoints")
# Of `keypoints.write`: the keypoints that `keypoint_names` names, of which BODY_25 lacks some.
_OWN = "keypoints_2d"


def matches(content: Any) -> bool:
    """Is it a frame, or a list of them?"""
    if isinstance(content, list):
        return any(isinstance(frame, dict) and "people" in frame for frame in content)
    return isinstance(content, dict) and "people" in content


def read(content: Any) -> Content:
    """The people of a frame or of a list of frames.

    Raises:
      InputError: `people` is no list; it names the field.
    """
    frames = content if isinstance(content, list) else [content]
    found = Collector()
    stated = set()
    names = _own_names(frames)
    for number, frame in enumerate(frames):
        place = f"[{number}]." if isinstance(content, list) else ""
        if not isinstance(frame, dict) or "people" not in frame:
            found.passed_over.append(f"{place or 'it'} is no frame: expected 'people'{has(frame)}")
            continue
        name = _name(frame) if isinstance(content, dict) else f"{number:0{len(str(len(frames)))}d}"
        image = frame.get("image")
        index = found.frame(
            number,
            Frame(
                name,
                plain_path(image) if isinstance(image, str) and image else None,
                number if isinstance(content, list) else number_in(name or ""),
                size_in(frame),
            ),
        )
        if isinstance(frame.get("skeleton"), str):
            stated.add(frame["skeleton"])
        _people(found, index, frame, place, (_OWN,) if names else _FIELDS)
    return Content(
        "OpenPose",
        found.frames,
        found.people,
        found.passed_over,
        "'people' is empty: nobody was detected",
        names=names,
        skeleton=None if names else ", ".join(sorted(stated)) or None,
        finds=True,
        usual=("COCO_18", "BODY_25"),
    )


def _name(frame: Mapping[str, Any]) -> str | None:
    name = frame.get("frame_name")
    return name if isinstance(name, str) and name else None


def _own_names(frames: Sequence[Any]) -> tuple[str, ...] | None:
    """What all people's `keypoints_2d` are, where the file has them; of `keypoints.write`."""
    entries = [frame for frame in frames if isinstance(frame, dict)]
    stated = [frame.get("keypoint_names") for frame in entries]
    first = stated[0] if stated else None
    if not isinstance(first, list) or not first or any(names != first for names in stated):
        return None
    if not all(isinstance(name, str) for name in first):
        return None
    for frame in entries:
        people = frame.get("people")
        for entry in people if isinstance(people, list) else ():
            if not isinstance(entry, dict) or _OWN not in entry:
                return None
    return tuple(first)


def _people(
    found: Collector, index: int, frame: Mapping[str, Any], place: str, fields: Sequence[str]
) -> None:
    people = frame["people"]
    if people is None:
        return
    if not isinstance(people, list):
        raise InputError(f"{place}'people' is {kind(people)}, expected a list")
    for number, entry in enumerate(people):
        field = f"{place}people[{number}]"
        keys = [key for key in fields if isinstance(entry, dict) and key in entry]
        if not keys:
            found.passed_over.append(
                f"{field}.pose_keypoints_2d is missing: expected [x, y, confidence, ...]"
                f"{has(entry)}"
            )
            continue
        found.person(f"{field}.{keys[0]}", index, entry[keys[0]], entry.get("person_id"))
