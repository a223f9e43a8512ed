"""What a file of keypoints holds: its format is told from what is in it, not from its name.

Each format is a module with `matches` and `read`, from what was parsed to a `Content`.
"""

import contextlib
import csv
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax.formats import (
    alphapose,
    arrays,
    coco_keypoints,
    deeplabcut,
    easymocap,
    hdf5,
    mediapipe,
    mmpose,
    openpose,
    sleap,
    ultralytics,
    yolo,
)
from ief_jax.formats.content import Content, Frame
from ief_jax.formats.messages import has, refusal
from ief_jax.io import npz
from ief_jax.io.files import InputError, read_bytes


class _Format(NamedTuple):
    matches: Callable[[Any], bool]
    read: Callable[[Any], Content]


_JSON = (
    _Format(openpose.matches, openpose.read),
    _Format(mmpose.matches, mmpose.read),
    _Format(coco_keypoints.matches, coco_keypoints.read),
    _Format(ultralytics.matches, ultralytics.read),
    _Format(easymocap.matches, easymocap.read),
    _Format(alphapose.matches, alphapose.read),
    _Format(mediapipe.matches, mediapipe.read),
)
_TABLES = (
    _Format(deeplabcut.matches, deeplabcut.read),
    _Format(sleap.matches, sleap.read),
)
_WRAPPERS = ("frames", "results", "data", "detections", "poses")
_HDF5 = b"\x89HDF\r\n\x1a\n"
NPY = b"\x93NUMPY"
ZIP = b"PK"
_GZIP = b"\x1f\x8b"
_MOST_BYTES, _MOST_GROWTH = 2**26, 50
"""What is gzipped may be as large as the larger of these: bytes, and bytes for each of its file."""
_DECIMAL_COMMA = re.compile(r"^(\s*[-+]?\d+),(\d+(?:[eE][-+]?\d+)?\s*)$")


def read(path: Path) -> Content:
    """What a file holds.

    Raises:
      InputError: it cannot be read, or is of no known form; the message begins with its name.
    """
    try:
        return _told(path)
    except InputError as error:
        text = str(error)
        if text.startswith((str(path), "cannot read")):
            raise
        raise InputError(f"{path}: {text}") from error


def _told(path: Path) -> Content:
    data = read_bytes(path)
    suffix = path.suffix.lower()
    if data.startswith(_GZIP):
        data, suffix = _ungzipped(data), Path(path.stem).suffix.lower()
        if data.startswith((ZIP, NPY, _HDF5, _GZIP)):
            raise InputError("gzip of another format: unpack it first")
    if data.startswith(ZIP) or suffix == ".npz":
        return _npz(path)
    if data.startswith(NPY) or suffix == ".npy":
        return arrays.read({"keypoints": npz.read_npy(path)}, ("keypoints",))
    if data.startswith(_HDF5):
        return hdf5.read(path)
    text = _text(data)
    if suffix == ".json" or text.lstrip()[:1] in ("{", "["):
        return _json(text)
    if yolo.matches(text):
        return yolo.read(text)
    table = _table(text)
    for form in _TABLES:
        if form.matches(table):
            return form.read(table)
    raise InputError(f"not of keypoints in a form that is known; {refusal()}")


def _ungzipped(data: bytes) -> bytes:
    most = max(_MOST_BYTES, _MOST_GROWTH * len(data))
    unpacking = zlib.decompressobj(wbits=31)
    try:
        content = unpacking.decompress(data, most)
    except zlib.error as error:
        raise InputError(f"gzip that cannot be unpacked ({error})") from error
    if not unpacking.eof:
        raise InputError(f"gzip that is cut off, or of more than {most} bytes")
    return content


def _text(data: bytes) -> str:
    try:
        # JSON's own rule for UTF-16 and UTF-32, with a mark at the start or without
        return data.decode(json.detect_encoding(data) if b"\0" in data[:4] else "utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise InputError(f"not JSON, and no other text ({error}); {refusal()}") from error
        return data.decode("latin-1")  # older tools on Windows: a name with an umlaut


def _npz(path: Path) -> Content:
    names = tuple(npz.names(path))
    if names and all(Path(name).suffix for name in names):
        raise InputError(f"a zip, but not of NumPy's arrays (it has {names[0]}): unpack it first")
    return arrays.read(npz.read(path, arrays.wanted(names)), names)


def _json(text: str) -> Content:
    content = _parsed(text)
    for inner in _layers(content):
        for form in _JSON:
            if form.matches(inner):
                return form.read(inner)
    if isinstance(content, list) and content and isinstance(content[0], list):
        with contextlib.suppress(ValueError, TypeError):
            return arrays.read({"keypoints": np.array(content, np.float64)}, ("keypoints",))
    if content == [] or content == {}:
        return Content("", [Frame()], [], [], "it is empty: nobody was detected")
    raise InputError(
        "JSON, but not of keypoints: expected 'people' (OpenPose), 'annotations' (COCO), a list of "
        f"results or another that is known{has(content)}; {refusal()}"
    )


def _parsed(text: str) -> Any:
    """The content of a JSON file, or a list of its lines if it is JSON Lines."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1:
            with contextlib.suppress(ValueError, RecursionError):
                return [json.loads(line) for line in lines]
        raise InputError(f"not JSON ({error})") from error


def _layers(content: Any) -> Iterator[Any]:
    """What may be of a known form: the content, what it wraps, or JSON within JSON's text."""
    yield content
    if isinstance(content, dict):
        if isinstance(content.get("keypoints"), list):
            yield [content]
        yield from (content[key] for key in _WRAPPERS if isinstance(content.get(key), list | dict))
    texts = content if isinstance(content, list) else [content]
    if texts and all(isinstance(text, str) for text in texts):
        with contextlib.suppress(ValueError, RecursionError):
            inner = [json.loads(text) for text in texts]
            yield inner if isinstance(content, list) else inner[0]


def _table(text: str) -> list[list[str]]:
    lines = text.splitlines()
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"a table that cannot be read ({error}); {refusal()}") from error
    if delimiter == ",":
        return rows
    return [[_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]
