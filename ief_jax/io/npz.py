"""Reads .npz and .npy files of plain arrays from whoever: what they declare is checked first.
Writes arrays that are larger than memory, piece by piece.

An npz is a zip archive of .npy members. Its directory says how large each member is, and a
member's header of what type and shape its array is; memory is taken only when both are sensible
and agree. Nothing pickled is ever loaded.
"""

import io
import math
import os
import weakref
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, BinaryIO, NamedTuple

import numpy as np

from ief_jax.io.files import InputError, opened

MOST_BYTES = 2**26
"""An archive may unpack to this much,"""
MOST_GROWTH = 16
"""or to this many times its own size if that is more: trained weights and motion shrink to a half
or so by compression, and nothing but a bomb to less than a sixteenth."""

_MOST_HEADER = 2**14
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = "biufcSU"
_ENCRYPTED = 1
_LAST_CODE_POINT = 0x10FFFF
_SUFFIX = ".npy"


class Pieces(NamedTuple):
    """An array that is not in memory at once.

    Attributes:
      length: of its first axis.
      dtype: of its elements; pieces are cast to it.
      pieces: [n_i, ...] arrays, one behind the other, `length` rows in all; at least one.
    """

    length: int
    dtype: np.dtype
    pieces: Iterable[np.ndarray]


class NpzError(ValueError):
    """What is wrong with a file of arrays; whoever opened it knows which file."""


class Rows:
    """An array in a file, some rows of which are read at a time: `array[first:end]`.

    Rows that follow those that were read last are found at once; for others before them a
    compressed file is unpacked from its beginning. With the last rows the checksum is compared, if
    the file has one and all rows were read in their order.

    Attributes:
      shape: of the array.
      dtype: of its elements.
      ndim: number of its axes.
    """

    def __init__(self, stream: IO[bytes], place: str, head: "_Head") -> None:
        """Of a .npy stream, which is closed with this; `place` is for messages."""
        self.shape, self.dtype, self.ndim = head.shape, head.dtype, len(head.shape)
        self._stream, self._place, self._start = stream, place, head.length
        weakref.finalize(self, stream.close)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Raises `InputError` if the file is damaged."""
        first, end, _ = rows.indices(self.shape[0])
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        try:
            if self._stream.tell() == 0:
                # Not by a seek: after one ahead, zipfile of Python 3.12 compares no checksum.
                self._stream.read(self._start)
            self._stream.seek(self._start + first * size)
            data = self._stream.read((end - first) * size)
        except Exception as error:
            raise InputError(f"{self._place} cannot be read: {_reason(error)}") from error
        if len(data) < (end - first) * size:
            raise InputError(f"{self._place} cannot be read: it ends too early")
        return np.frombuffer(data, self.dtype).reshape(end - first, *self.shape[1:])


def read(
    path: str | os.PathLike[str],
    names: Collection[str] | None = None,
    what: str = "an npz of plain arrays",
) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name: numbers, booleans or text.

    Args:
      path: of the file.
      names: of the arrays wanted, as far as the file has them; all of them by default.
      what: the file should be, for messages.

    Raises:
      InputError: there is no such file, it is no such archive, is truncated or damaged, is
        encrypted or compressed in a way that NumPy never writes, unpacks to more than `MOST_BYTES`
        and `MOST_GROWTH` allow, or pickles one of the arrays; names file and array.
    """
    with _naming(path, what) as file:
        return arrays(file, names)


def read_npy(
    path: str | os.PathLike[str], what: str = "a .npy file of plain numbers"
) -> np.ndarray:
    """The array of a .npy file; raises `InputError` as `read` does."""
    with _naming(path, what) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return _array(file, size)
        except Exception as error:
            raise NpzError(_reason(error)) from error


def names(path: str | os.PathLike[str]) -> list[str]:
    """The names of the arrays of an npz file; raises `InputError` as `read` does."""
    with _naming(path, "an npz of plain arrays") as file, _archive(file) as archive:
        return [*_members(archive)]


def rows(path: str | os.PathLike[str], names: Collection[str]) -> dict[str, Rows]:
    """Arrays of an npz file that can be read some rows at a time.

    Args:
      path: of the file.
      names: of the arrays wanted; those that the file has not, or that are no numbers of two or
        more axes in C's order, are left out.

    Raises:
      InputError: as `read` does.
    """
    found = {}
    with _naming(path, "an npz of plain arrays") as file, _archive(file) as archive:
        members = _members(archive)
        members = {name: members[name] for name in names if name in members}
        _check_sizes(file, members)
        for name, member in members.items():
            with _opened(archive, name, member) as stream:
                head = _checked(stream, member.file_size)
            if _has_rows(head):
                with zipfile.ZipFile(path) as again:  # the member keeps it open
                    found[name] = Rows(again.open(member.filename), f"{path}: '{name}'", head)
    return found


def rows_of_npy(path: str | os.PathLike[str]) -> Rows | None:
    """As `rows`, of a .npy file."""
    with _naming(path, "a .npy file of plain numbers") as file:
        head = _checked(file, os.fstat(file.fileno()).st_size)
    return Rows(open(path, "rb"), str(path), head) if _has_rows(head) else None


def write_pieces(
    file: BinaryIO, columns: Mapping[str, Pieces], whole: Mapping[str, np.ndarray]
) -> None:
    """Writes a compressed npz of arrays that come in pieces; one piece is in memory at a time.

    Args:
      file: open for writing.
      columns: these arrays by name.
      whole: further arrays.

    Raises:
      ValueError: the pieces of an array are not as long together as it says.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, column in columns.items():
            with archive.open(f"{name}{_SUFFIX}", "w", force_zip64=True) as member:
                written = 0
                for number, piece in enumerate(column.pieces):
                    if number == 0:
                        header = {
                            "descr": np.lib.format.dtype_to_descr(column.dtype),
                            "fortran_order": False,
                            "shape": (column.length, *piece.shape[1:]),
                        }
                        np.lib.format.write_array_header_1_0(member, header)
                    member.write(np.ascontiguousarray(piece, column.dtype).tobytes())
                    written += len(piece)
            if written != column.length:
                raise ValueError(f"{name}: expected {column.length} rows, got {written}")
        for name, array in whole.items():
            with archive.open(f"{name}{_SUFFIX}", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def require_finite(
    source: str | os.PathLike[str], name: str, array: np.ndarray, what: str = ""
) -> None:
    """Sees that an array holds real, finite numbers.

    Raises:
      InputError: it does not; names `source` and the array, `what` before its name.
    """
    named = f"{what} '{name}'" if what else f"'{name}'"
    if array.dtype.kind not in "biuf":
        raise InputError(f"{source}: {named} has elements of type {array.dtype}, expected numbers")
    if not np.isfinite(array).all():
        raise InputError(f"{source}: {named} has values that are not finite")


def arrays(file: BinaryIO, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """As `read`, from an open file; raises `NpzError`, which says all but the file's name."""
    with _archive(file) as archive:
        members = _members(archive)
        if names is not None:
            members = {name: members[name] for name in names if name in members}
        _check_sizes(file, members)
        found = {}
        for name, member in members.items():
            with _opened(archive, name, member) as stream:
                found[name] = _array(stream, member.file_size)
        return found


def is_objects(file: BinaryIO, name: str) -> bool:
    """Whether NumPy pickled the array of this name; raises `NpzError` as `arrays` does."""
    with _archive(file) as archive:
        member = _members(archive).get(name)
        if member is None:
            return False
        with _opened(archive, name, member) as stream:
            return _header(stream).dtype.hasobject


def pickled(file: BinaryIO, name: str) -> bytes:
    """The pickle that NumPy made of an array of objects, for `safe_pickle.load`; not loaded.

    Raises:
      NpzError: as `arrays`; or there is no such member, or it is an ordinary array.
    """
    with _archive(file) as archive:
        members = _members(archive)
        if name not in members:
            raise NpzError(f"has no field '{name}'; it has {', '.join(members) or 'nothing'}")
        member = members[name]
        _check_sizes(file, {name: member})
        with _opened(archive, name, member) as stream:
            head = _header(stream)
            if not head.dtype.hasobject:
                raise NpzError(f"an array of {head.dtype}, expected pickled objects")
            stream.seek(head.length)
            return stream.read()


@contextmanager
def _naming(path: str | os.PathLike[str], what: str) -> Iterator[BinaryIO]:
    """The open file; an `NpzError` becomes an `InputError` that names it."""
    try:
        with opened(path) as file:
            yield file
    except NpzError as error:
        raise InputError(f"{path}: not {what}: {error}") from error


@contextmanager
def _archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # a damaged directory fails in many ways
        raise NpzError(f"not a complete .npz archive ({_reason(error)})") from error
    with archive:
        yield archive


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by the names of their arrays."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(_SUFFIX)
        if name in found:
            raise NpzError(f"it has '{name}' twice")
        found[name] = member
    return found


def _check_sizes(file: BinaryIO, members: dict[str, zipfile.ZipInfo]) -> None:
    """Sees that members do not unpack to more than they may, by what the directory says."""
    allowed = max(MOST_BYTES, MOST_GROWTH * file.seek(0, os.SEEK_END))
    declared = sum(member.file_size for member in members.values())
    if declared > allowed:
        raise NpzError(
            f"it unpacks to {declared} bytes, expected at most {allowed} of a file of its size"
        )


@contextmanager
def _opened(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """A member unpacked as it is read; whatever goes wrong names it."""
    try:
        if not member.filename.endswith(_SUFFIX):
            raise NpzError("it is no .npy member")
        if member.flag_bits & _ENCRYPTED:
            raise NpzError("it is encrypted")
        if member.compress_type not in _METHODS:
            raise NpzError(
                f"it is compressed by method {member.compress_type}, expected "
                f"{' or '.join(map(str, _METHODS))} (stored or deflated)"
            )
        with archive.open(member) as stream:
            yield stream
    except Exception as error:  # zipfile, zlib, tokenize and NumPy each have their own
        raise NpzError(f"'{name}' cannot be read: {_reason(error)}") from error


class _Head(NamedTuple):
    """What the header of a .npy says: shape, type, whether the first axis is the fastest, and its
    own length in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    length: int


def _header(stream: IO[bytes]) -> _Head:
    head = io.BytesIO(stream.read(_MOST_HEADER))
    version = np.lib.format.read_magic(head)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(head)
    else:
        raise NpzError(f"a .npy of version {version[0]}.{version[1]}, expected 1.0 or 2.0")
    return _Head(shape, dtype, fortran, head.tell())


def _checked(stream: IO[bytes], size: int) -> _Head:
    """The header of a .npy of so many bytes, which is of a plain array and of this size."""
    head = _header(stream)
    shape, dtype = head.shape, head.dtype
    if dtype.hasobject:
        raise NpzError("Object arrays: pickled objects are never loaded")
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise NpzError(f"an array of {dtype}, expected numbers, booleans or text")
    if any(side < 0 for side in shape):
        raise NpzError(f"an array of shape {shape}")
    declared = head.length + math.prod(shape) * dtype.itemsize
    if declared != size:
        raise NpzError(
            f"its header declares {dtype} {shape}, {declared} bytes in all; there are {size}"
        )
    return head


def _has_rows(head: _Head) -> bool:
    return head.dtype.kind in "biuf" and len(head.shape) > 1 and not head.fortran


def _array(stream: IO[bytes], size: int) -> np.ndarray:
    """The array of a .npy of so many bytes."""
    dtype = _checked(stream, size).dtype
    stream.seek(0)
    # To its last byte, so that zipfile compares the checksum.
    found: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    if dtype.kind == "U":
        points = np.frombuffer(found.tobytes(), np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.size and points.max() > _LAST_CODE_POINT:
            raise NpzError("text that is not Unicode")
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return f"it ends too early: {error}" if str(error) else "it ends too early"
    return str(error) or type(error).__name__
