"""Npz files of anyone: what is whole is read, and what is not costs no memory and gets a name."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ief_jax.io import npz, safe_pickle
from ief_jax.io.files import InputError

ARRAYS = {
    "half": np.linspace(-1, 1, 6, dtype=np.float16).reshape(2, 3),
    "single": np.arange(4, dtype=">f4"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "truth": np.array([True, False]),
    "number": np.array(7, np.uint8),
    "text": np.array(["left_hip", "k\u00e4fer"]),
    "bytes": np.array([b"a", b"bc"]),
    "nothing": np.zeros((0, 3)),
    "below/other": np.ones(2),
}


def npy(array: np.ndarray) -> bytes:
    """A .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(descr: str, shape: str) -> bytes:
    """A .npy file's header that declares what it likes."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip archive of such members."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_comes_back(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    found = npz.read(tmp_path / "a.npz")
    assert {*found} == {*ARRAYS} == {*npz.names(tmp_path / "a.npz")}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, wanted=np.ones(2), pickled=np.array([{}], object))
    assert [*npz.read(path, ("wanted", "absent"))] == ["wanted"]
    with pytest.raises(InputError, match="a.npz: not an npz of plain arrays: 'pickled' cannot be"):
        npz.read(path)


# A header's declaration, and what is said of it.
DECLARED = {
    "74 GB": (header("'<f8'", "(10000000000,)"), r"float64 \(10000000000,\), 80000000\d+ bytes"),
    "more than there is": (header("'<f4'", "(3,)") + b"1234" * 2, r"declares float32 \(3,\)"),
    "less than there is": (header("'<f4'", "(1,)") + b"1234" * 2, r"declares float32 \(1,\)"),
    "beyond 64 bits": (header("'<f8'", f"({10**30},)"), "declares"),
    "negative": (header("'<f4'", "(-1, -2)") + b"1234" * 2, r"shape \(-1, -2\)"),
    "much of nothing": (header("'<U0'", "(10000000000,)"), "<U0, expected"),
    "objects": (header("'|O'", "(1,)") + b"N.", "Object arrays"),
    "records": (header("[('a', '<f4')]", "(1,)") + b"1234", "expected numbers"),
    "dates": (header("'<M8[s]'", "(1,)") + b"12345678", "expected numbers"),
    "no type": (header("'spam'", "(1,)") + b"1234", "descr is not a valid dtype"),
    "half a header": (header("'<f4", "("), "."),
    "long header": (header("'<f4'", "(1,)" + " " * 30000), "EOF|max_header_size"),
    "header of 4 GB": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "EOF: reading array header"),
    "later version": (b"\x93NUMPY\x09\x00\x01\x00\x0a", "version"),
    "no array": (b"text", "magic"),
    "empty": (b"", "magic"),
    "text that is none": (header("'<U1'", "(1,)") + b"\xff" * 4, "not Unicode"),
    "big-endian text that is none": (header("'>U1'", "(1,)") + b"\x00\x11\0\0", "not Unicode"),
}


@pytest.mark.parametrize("case", DECLARED)
@pytest.mark.parametrize("zipped", [True, False])
def test_header_that_does_not_agree_with_its_data(tmp_path: Path, case: str, zipped: bool) -> None:
    content, message = DECLARED[case]
    path = tmp_path / "bad"
    if zipped:
        archive(path, {"a.npy": content})
        message = f"'a' cannot be read: .*{message}"
    else:
        path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=f"(?s){path}: not .*{message}"):
            npz.read(path) if zipped else npz.read_npy(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    block, blocks = b"\0" * 2**22, 40
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("one", "two", "three", "four"):
            with file.open(f"{name}.npy", "w") as member:
                member.write(header("'|u1'", f"({len(block) * blocks},)"))
                for _ in range(blocks):
                    member.write(block)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"bomb.npz: .* unpacks to 671\d+ bytes, expected at "):
            npz.read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_what_grows_with_the_file_is_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "MOST_BYTES", 1000)
    np.savez(tmp_path / "a.npz", a=np.zeros(1000))
    assert npz.read(tmp_path / "a.npz")["a"].shape == (1000,)
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000))
    with pytest.raises(InputError, match="unpacks to 8128 bytes"):
        npz.read(tmp_path / "a.npz")


def overwritten(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


SOME = {"a.npy": npy(np.arange(64.0))}


def encrypted(path: Path) -> None:
    archive(path, SOME)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def version(path: Path) -> None:
    archive(path, SOME)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 200
    path.write_bytes(content)


def longer(path: Path) -> None:
    archive(path, SOME, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 20 : at + 28] = struct.pack("<II", 10**6, 10**6)
    path.write_bytes(content)


def changed(path: Path) -> None:
    archive(path, SOME, zipfile.ZIP_STORED)
    overwritten(path, np.float64(9).tobytes(), np.float64(8).tobytes())


# Ways to spoil an archive, and what is said.
SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "encrypted": (encrypted, "'a' cannot be read: it is encrypted"),
    "another method": (
        lambda p: archive(p, SOME, zipfile.ZIP_LZMA),
        "'a' cannot be read: it is compressed by method 14, expected 0 or 8",
    ),
    "later zip": (version, "not a complete .npz archive .*version"),
    "member that is no array": (
        lambda p: archive(p, {"a": SOME["a.npy"]}),
        "'a' cannot be read: it is no .npy member",
    ),
    "the same twice": (lambda p: archive(p, {**SOME, "a": b""}), "it has 'a' twice"),
    "changed": (
        changed,
        "'a' cannot be read: Bad CRC-32",
    ),
    "longer than the file": (longer, "'a' cannot be read: it ends too early"),
    "an array": (lambda p: p.write_bytes(SOME["a.npy"]), "not a complete .npz archive"),
    "text": (lambda p: p.write_bytes(b"text"), "not a complete .npz archive"),
    "empty": (lambda p: p.write_bytes(b""), "not a complete .npz archive"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_spoiled_archive(tmp_path: Path, case: str) -> None:
    spoil, message = SPOILED[case]
    path = tmp_path / "bad.npz"
    spoil(path)
    with pytest.raises(InputError, match=f"bad.npz: not a chart: {message}"):
        npz.read(path, what="a chart")


@pytest.mark.filterwarnings("error")
def test_any_changed_byte_is_read_or_named(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole", {**SOME, "b.npy": npy(np.array(["text"]))}).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "bad.npz"
    named = 0
    for _ in range(600):
        content = bytearray(whole)
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            content[place] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(content))] if rng.random() < 0.1 else content)
        try:
            npz.read(path)
        except InputError as error:
            assert "bad.npz" in str(error)
            named += 1
    assert named > 300


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for read in (npz.read, npz.read_npy, npz.names):
        with pytest.raises(InputError, match="cannot read .*none: No such file"):
            read(tmp_path / "none")
        with pytest.raises(InputError, match="cannot read .*: Is a directory"):
            read(tmp_path)


def test_npy(tmp_path: Path) -> None:
    for array in ARRAYS.values():
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(npz.read_npy(tmp_path / "a.npy"), array, strict=True)


def test_pickle_is_handed_out_unopened(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, people={"S1": [1, 2]}, numbers=np.ones(3))  # type: ignore[arg-type]
    with path.open("rb") as file:
        assert safe_pickle.item(safe_pickle.load(npz.pickled(file, "people"))) == {"S1": [1, 2]}
        with pytest.raises(npz.NpzError, match="'numbers' cannot be read: .*expected pickled"):
            npz.pickled(file, "numbers")
        with pytest.raises(npz.NpzError, match="no field 'bodies'; it has people, numbers"):
            npz.pickled(file, "bodies")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([0, np.nan]), "'a' has values that are not finite"),
        (np.array([np.inf]), "'a' has values that are not finite"),
        (np.array(["1"]), "'a' has elements of type <U1"),
        (np.array([1j]), "'a' has elements of type complex128"),
    ],
)
def test_what_is_not_finite(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=f"file: angles {message}"):
        npz.require_finite("file", "a", array, "angles")
    npz.require_finite("file", "a", np.ones(2, int))
