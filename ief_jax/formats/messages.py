"""What messages about a file's contents say."""

from typing import Any

from ief_jax.geometry import skeletons


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
    shown = ", ".join(list(content)[:6]) or "nothing"
    return f"; it has {shown}"
