"""AlphaPose's `--format cmu` and `open`: people by the name of their image, in COCO_18.

Also PoseFlow's tracks, with a list of people by the name of their image. AlphaPose's other form is
that of COCO's results (`coco_keypoints`).
"""

from typing import Any

from ief_jax.formats.content import Collector, Content, Frame, number_in, plain_path
from ief_jax.formats.messages import has

_LISTS = {"people": "pose_keypoints_2d", "bodies": "joints", "": "keypoints"}
"""Of an image its list of people, and of these the keypoints; PoseFlow's image is such a list."""


def matches(content: Any) -> bool:
    """Is it an object of images, each with people or bodies, or one such image?"""
    if not isinstance(content, dict) or not content:
        return False
    if "bodies" in content:
        return True
    return any(
        _are_people(image) or (isinstance(image, dict) and _LISTS.keys() & image.keys())
        for image in content.values()
    )


def _are_people(image: Any) -> bool:
    """Is it a list of people with `keypoints`, as PoseFlow writes it?"""
    return isinstance(image, list) and any(
        isinstance(person, dict) and isinstance(person.get("keypoints"), list) for person in image
    )


def read(content: Any) -> Content:
    """The people of all images."""
    found = Collector()
    single = "bodies" in content
    for name, image in ({"": content} if single else content).items():
        if isinstance(image, list):
            image = {"": image}
        lists = [key for key in _LISTS if isinstance(image, dict) and key in image]
        people = image[lists[0]] if lists else None
        if not isinstance(people, list):
            found.passed_over.append(f"'{name}' is no image: expected 'people'{has(image)}")
            continue
        path = plain_path(name)
        stem = path.rpartition(".")[0] or path
        index = found.frame(name, Frame() if single else Frame(stem, path, number_in(stem)))
        field = _LISTS[lists[0]]
        for number, person in enumerate(people):
            listed = f".{lists[0]}" if lists[0] else ""
            place = f"'{name}'{listed}[{number}].{field}"
            if not isinstance(person, dict) or field not in person:
                found.passed_over.append(f"{place} is missing{has(person)}")
                continue
            identity = person.get("idx", person.get("person_id"))
            found.person(place, index, person[field], identity)
    return Content(
        "AlphaPose",
        found.frames,
        found.people,
        found.passed_over,
        "it holds nobody",
        usual=("COCO_18",),
    )
