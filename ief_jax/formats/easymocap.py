"""EasyMocap's `annots`: a file a frame, people with `personID` and `keypoints` [[x, y, c], ...]."""

from typing import Any

from ief_jax.formats.content import Collector, Content, Frame, number_in, plain_path, size_in
from ief_jax.formats.messages import has, kind
from ief_jax.io.files import InputError


def matches(content: Any) -> bool:
    """Does it have `annots`?"""
    return isinstance(content, dict) and "annots" in content


def read(content: Any) -> Content:
    """The people of a frame; raises `InputError` if `annots` is no list."""
    annots = content["annots"]
    if isinstance(annots, dict):
        annots = annots.get("annots", annots)
    if not isinstance(annots, list):
        raise InputError(f"'annots' is {kind(annots)}, expected a list")
    found = Collector()
    image = content.get("filename")
    image = plain_path(image) if isinstance(image, str) and image.strip() else None
    stem = image.rpartition("/")[2].rpartition(".")[0] or image if image else None
    index = found.frame(
        0,
        Frame(
            None,
            image,
            number_in(stem) if stem else None,
            size_in(content),
        ),
    )
    for number, person in enumerate(annots):
        place = f"annots[{number}].keypoints"
        if not isinstance(person, dict) or "keypoints" not in person:
            found.passed_over.append(f"{place} is missing{has(person)}")
            continue
        identity = person.get("personID", person.get("id"))
        found.person(place, index, person["keypoints"], identity)
    return Content(
        "EasyMocap",
        found.frames,
        found.people,
        found.passed_over,
        "'annots' is empty",
        usual=("BODY_25",),
    )
