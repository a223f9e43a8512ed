"""Damaged copies of files, drawn from a seed: bytes, members of archives, values of JSON."""

import copy
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

_BYTES = (b"\x00", b"\xff", b"\x80", b"\n", b"-", b"9" * 30, b"NaN", b"1e999", b"\xff\xff\xff\x7f")
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e308, -1e308, float("nan"), float("inf"), 10**400, 2**63, 0.5),
    *("", "a", "1", "nan", "\ud800", [], [[]], {}, {"a": 1}, [None], [1, 2, 3], [[1, 2]] * 3),
)
_DEEP = "[" * 3000 + "]" * 3000


def mutants(content: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Damaged copies of a file; each differs from it in one to four places."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _mutant(content, rng)


def _mutant(content: bytes, rng: np.random.Generator) -> bytes:
    choice = rng.random()
    if content.startswith(b"PK") and choice < 0.6:
        return _archive(content, rng)
    if content.lstrip()[:1] in (b"{", b"[") and choice < 0.7:
        return _json(content, rng)
    return _bytes(content, rng)


def _bytes(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(data) + 1))
        length = int(rng.integers(1, 40))
        kind = rng.integers(0, 6)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length] * int(rng.integers(1, 4))
        elif kind == 3:
            piece = _BYTES[int(rng.integers(0, len(_BYTES)))]
            data[at : at + len(piece)] = piece
        elif kind == 4:
            data[at : at + length] = rng.bytes(length)
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def _archive(content: bytes, rng: np.random.Generator) -> bytes:
    """With valid checksums, so that what is in the members is seen."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        names = source.namelist()
        chosen = names[int(rng.integers(0, len(names)))]
        for name in names:
            data = source.read(name)
            if name == chosen:
                kind = rng.random()
                if kind < 0.2:
                    continue
                if kind < 0.5 and len(data) > 128:
                    data = _bytes(data[:128], rng) + data[128:]
                elif kind < 0.7:
                    data = _array(rng)
                else:
                    data = _bytes(data, rng)
            target.writestr(name, data)
    return result.getvalue()


def _array(rng: np.random.Generator) -> bytes:
    """Another array than the one that is expected."""
    arrays = (
        *(np.zeros(()), np.zeros(0), np.zeros((2, 0, 3)), np.full((3, 3), np.nan), np.ones((1, 9))),
        *(
            np.array("text"),
            np.array(["a", "b"]),
            np.array(10**18),
            np.array([-1]),
            np.ones(3, bool),
        ),
        *(np.full((2, 25, 3), 1e300), np.full((2, 17, 3), np.inf), np.ones((1, 1, 1, 1, 1))),
        *(np.ones((3, 3), np.complex128), np.array([9_999_999]), np.zeros((1, 17, 3), np.uint8)),
        *(np.array('{"a": [1]}'), np.array("1" * 9000), np.zeros((30, 3), np.int64)),
    )
    file = io.BytesIO()
    np.save(file, arrays[int(rng.integers(0, len(arrays)))])
    return file.getvalue()


def _json(content: bytes, rng: np.random.Generator) -> bytes:
    value = json.loads(content)
    for _ in range(rng.integers(1, 4)):
        places = list(_places(value))
        if not places:
            break
        # Places near the root are few: half of the time one of them is taken.
        shallow = [p for p in places if p[2] <= 3]
        some = shallow if shallow and rng.random() < 0.5 else places
        holder, key, _ = some[int(rng.integers(0, len(some)))]
        kind = rng.random()
        if kind < 0.15:
            del holder[key]
        elif kind < 0.25 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind < 0.3:
            holder[key] = [holder[key]]
        elif kind < 0.32:
            text = json.dumps(value).replace(json.dumps(holder[key]), _DEEP, 1)
            return text.encode()
        else:
            holder[key] = copy.deepcopy(_VALUES[int(rng.integers(0, len(_VALUES)))])
    return json.dumps(value).encode()


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any, int]]:
    """Every place in nested lists and objects: what holds it, its key, and how deep it is."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key, depth
        if isinstance(inner, dict | list):
            yield from _places(inner, depth + 1)
