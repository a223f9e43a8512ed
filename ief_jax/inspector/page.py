"""One HTML file that holds everything it shows: it needs no server and no network.

Bodies are drawn by three.js, as it comes in the wheel of trimesh; `template/` is ours. Arrays are
embedded as they are, and `read` gives them back.
"""

import base64
import html
import importlib.util
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ief_jax.inspector.content import Subject
from ief_jax.io import files
from ief_jax.io.files import InputError

LARGEST_PHOTOGRAPH = 1024
"""Longer side of the photographs in the page, pixels."""
_QUALITY = 85
_PROGRAM = ("arrays.js", "space.js", "picture.js", "charts.js", "page.js")
_DATA = '<script type="application/json" id="data">'


class Page:
    """Subjects to look at, in the order of the page's menu.

    In Jupyter it shows itself; `write` makes a file of it.
    """

    def __init__(self, subjects: Sequence[Subject], title: str = "ief_jax") -> None:
        if not subjects:
            raise ValueError("subjects: expected one at least, got none")
        self.subjects = tuple(subjects)
        self.title = title

    def html(self) -> str:
        """The whole page."""
        content = {"title": self.title, "subjects": self.subjects}
        parts = {
            "title": html.escape(self.title),
            "style": _template("page.css"),
            "library": _library(),
            "embedded": f"{_DATA}{embedded(content)}</script>",
            "program": "\n".join(map(_template, _PROGRAM)),
        }
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _template("page.html"))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the page to a file.

        Raises:
          OutputError: the file cannot be written.
        """
        whole = self.html().encode()
        with files.replacing(path) as file:
            file.write(whole)

    def _repr_html_(self) -> str:
        # A frame, so that neither the notebook's style nor ours reaches into the other.
        return (
            f'<iframe srcdoc="{html.escape(self.html())}" title="{html.escape(self.title)}" '
            'style="width: 100%; height: 820px; border: 0"></iframe>'
        )


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a page holds: `title` and `subjects`, their fields by name, arrays as arrays.

    Raises:
      InputError: it cannot be read, or is no page of ours.
    """
    text = files.read_bytes(path).decode("utf-8", "replace")
    start = text.find(_DATA)
    if start < 0:
        raise InputError(f"{path}: expected a page that ief_jax wrote; it holds no data")
    start += len(_DATA)
    content = json.loads(text[start : text.index("</script>", start)])
    return _decoded(content["content"], content["arrays"])


def embedded(content: Any) -> str:
    """Content as JSON that can stand in a page: arrays and photographs in a list, each once."""
    arrays: list[Any] = []
    places: dict[Any, int] = {}
    tree = _encoded(content, arrays, places)
    text = json.dumps({"content": tree, "arrays": arrays}, separators=(",", ":"))
    # Nothing in it can end the element that it stands in.
    return text.replace("<", "\\u003c")


def _encoded(value: Any, arrays: list[Any], places: dict[Any, int]) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, Image.Image):
        key: Any = id(value)
        if key not in places:
            places[key] = len(arrays)
            arrays.append(_photograph(value))
        return {"array": places[key]}
    if hasattr(value, "_asdict"):
        return _encoded(value._asdict(), arrays, places)
    if isinstance(value, Mapping):
        return {name: _encoded(one, arrays, places) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_encoded(one, arrays, places) for one in value]
    array = _plain(np.asarray(value))
    key = (array.dtype.str, array.shape, array.tobytes())
    if key not in places:
        places[key] = len(arrays)
        data = base64.b64encode(key[2]).decode()
        arrays.append({"dtype": array.dtype.name, "shape": list(array.shape), "data": data})
    return {"array": places[key]}


def _plain(array: np.ndarray) -> np.ndarray:
    """In a type that browsers have: uint8, int32 or float32, little-endian."""
    if array.dtype == np.uint8:
        return array
    return array.astype("<i4" if array.dtype.kind in "iub" else "<f4")


def _photograph(image: Image.Image) -> dict[str, Any]:
    width, height = image.size
    small = image.convert("RGB")
    small.thumbnail((LARGEST_PHOTOGRAPH, LARGEST_PHOTOGRAPH), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "jpeg", quality=_QUALITY)
    data = base64.b64encode(file.getvalue()).decode()
    return {"width": width, "height": height, "jpeg": f"data:image/jpeg;base64,{data}"}


def _decoded(value: Any, arrays: Sequence[Any]) -> Any:
    if isinstance(value, list):
        return [_decoded(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {"array"}:
        return {name: _decoded(one, arrays) for name, one in value.items()}
    found = arrays[value["array"]]
    if "jpeg" in found:
        return found
    data = base64.b64decode(found["data"])
    return np.frombuffer(data, found["dtype"]).reshape(found["shape"])


def _template(name: str) -> str:
    return resources.files("ief_jax.inspector").joinpath("template", name).read_text("utf-8")


def _library() -> str:
    """three.js with its TrackballControls, from the viewer that trimesh has for notebooks."""
    # Without importing trimesh, which is slow.
    package = importlib.util.find_spec("trimesh")
    assert package is not None and package.origin is not None, "trimesh is a dependency"
    path = Path(package.origin).parent / "resources" / "templates" / "viewer.zip"
    with zipfile.ZipFile(path) as archive:
        viewer = archive.read("viewer.html.template").decode("utf-8")
    found = re.search(r"<script>(.*?)var camera,controls", viewer, re.DOTALL)
    assert found is not None, f"{path}: expected three.js before the viewer's own script"
    return found[1]
