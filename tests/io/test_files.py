"""Writing is whole or not at all."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ief_jax.io import files, npz


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes of a file fails, as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_replacing_writes_the_file_and_nothing_else(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "new") as file:
        file.write(b"content")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_replacing_never_touches_the_old_file(tmp_path: Path) -> None:
    path, kept = tmp_path / "old", tmp_path / "kept"
    path.write_bytes(b"old")
    os.link(path, kept)  # another name of the same file
    with files.replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert kept.read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    with (
        file_size_limit(1000),
        pytest.raises(files.OutputError, match="cannot write .*old: File too large"),
        files.replacing(path) as file,
    ):
        file.write(bytes(100_000))
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "new") as file:
        file.write(b"half")
        _ = 1 / 0
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "new"
    with pytest.raises(files.OutputError, match=f"{path}: No such file or directory"):  # noqa: SIM117
        with files.replacing(path):
            pytest.fail("the block ran")


def test_output_folder_makes_its_parents(tmp_path: Path) -> None:
    folder = files.output_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_output_folder_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(files.OutputError, match="file: it is not a folder"):
        files.output_folder(tmp_path / "file")
    with pytest.raises(files.OutputError, match="Not a directory"):
        files.output_folder(tmp_path / "file" / "below")


def test_output_folder_refuses_what_takes_no_files() -> None:
    # Read-only for root too.
    with pytest.raises(files.OutputError, match="cannot write to /proc/self"):
        files.output_folder("/proc/self")


def test_reading_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(files.InputError, match="none: No such file"):
        files.read_bytes(tmp_path / "none")
    with pytest.raises(files.InputError, match="Is a directory"):
        files.read_bytes(tmp_path)


def test_devices_are_no_files() -> None:
    for read in (files.read_bytes, files.read_json, npz.read, npz.read_npy, npz.names):
        with pytest.raises(files.InputError, match="cannot read /dev/zero: it is a device"):
            read("/dev/zero")
    with pytest.raises(files.InputError, match="cannot read /proc/self/mem: Input/output error"):
        files.read_bytes("/proc/self/mem")
