"""Keypoint data sets as TFDS shards: what is read from them is what the readers give."""

from pathlib import Path

import numpy as np
import pytest

from ief_jax.io.files import InputError
from tests.helpers import fabricated_keypoints as fabricated

pytest.importorskip("tensorflow_datasets", reason="needs the extra 'data'")

from data import prepare, shards  # noqa: E402
from data.coco.builder import Coco  # noqa: E402
from data.keypoints import builder, sets
from data.keypoints.people import Person  # noqa: E402
from data.lsp.builder import Lsp  # noqa: E402
from data.lspet.builder import Lspet  # noqa: E402
from data.mpii.builder import Mpii  # noqa: E402

BUILDERS = {"coco": Coco, "lsp": Lsp, "lspet": Lspet, "mpii": Mpii}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with small COCO and MPII."""
    folder = tmp_path / "downloads"
    for part in ("train2017", "val2017"):
        fabricated.coco(folder, part)
    fabricated.mpii_mat(
        folder,
        [
            ("a.jpg", 1, [fabricated.mpii_person(1), fabricated.mpii_person(2)]),
            ("b.jpg", 9, [fabricated.mpii_person(3)]),
            ("c.jpg", 1, []),
        ],
    )
    return folder


def same(one: Person, other: Person) -> bool:
    assert isinstance(one.image, bytes)
    assert isinstance(other.image, Path)
    arrays = ("points", "annotated", "visible", "marked", "height", "head_size")
    return (
        one.name == other.name
        and one.image == other.image.read_bytes()
        and all(
            np.allclose(getattr(one, name), getattr(other, name), rtol=1e-6, equal_nan=True)
            for name in arrays
        )
    )


@pytest.mark.parametrize("name", ["coco", "mpii"])
def test_people_come_back_from_shards(
    source: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "prepared"
    assert prepare.main([name, str(source), str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"prepared/{name}/1.0.0: " in printed
    assert [path.name for path in out.iterdir()] == [name]  # nothing temporary
    for split in ("train", "validation"):
        found, layout = sets.load(name, out, split)
        expected, as_released = sets.load(name, source, split)
        assert isinstance(found, builder.Prepared)
        assert layout == as_released == found.layout
        by_name = {(person.name, person.marked.tolist()[0]): person for person in expected}
        assert len(found) == len(by_name) == len(expected) > 0
        assert [split, str(len(found))] in [line.split() for line in printed.splitlines()]
        for person in found:
            assert same(person, by_name[person.name, person.marked.tolist()[0]])
    assert prepare.main([name, str(source), str(out)]) == 2
    assert "is prepared already" in capsys.readouterr().err


def test_nothing_is_left_of_what_fails(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    (source / "coco" / "val2017" / "000000000007.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images are missing \(000000000007\.jpg\)"):
        shards.prepare(Coco, source, out)
    with pytest.raises(InputError, match="lsp: no such folder; make it and download"):
        shards.prepare(Lsp, source, out)
    with pytest.raises(InputError, match="absent: no such folder, or an empty one; download"):
        shards.prepare(Lsp, tmp_path / "absent", out)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_builders_say_what_they_are(tmp_path: Path, name: str) -> None:
    builder = BUILDERS[name](data_dir=tmp_path)
    assert builder.name == name
    assert str(builder.VERSION) == sets.VERSION
    assert builder.info.features["points"].shape == (len(builder.READER.LAYOUT), 2)
    assert "download" in builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    assert builder.info.citation
