"""3DPW, Human3.6M and EHF as TFDS shards, from fabricated releases and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")

from data import prepare  # noqa: E402
from data.ehf import reader as ehf_reader  # noqa: E402
from data.h36m import reader as h36m_reader  # noqa: E402
from data.threedpw import reader as threedpw_reader  # noqa: E402
from ief_jax.body import joints  # noqa: E402
from tests.data import test_ehf, test_h36m, test_threedpw  # noqa: E402


@pytest.mark.parametrize("name", ["3dpw", "h36m", "ehf"])
def test_shards_hold_what_the_reader_reads(
    name: str,
    joint_model: joints.JointModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = tmp_path / "release", tmp_path / "prepared"
    source.mkdir()
    people: Any
    if name == "3dpw":
        test_threedpw.write(source, test_threedpw.fields(joint_model))
        people = threedpw_reader.read(source)
    elif name == "h36m":
        test_h36m.write(source)
        people = h36m_reader.read(source)
    else:
        test_ehf.write(source)
        people = ehf_reader.read(source)
    assert prepare.main([name, str(source), str(target)]) == 0
    folder = {"3dpw": "threedpw"}.get(name, name)
    printed = capsys.readouterr().out
    assert f"{target / folder / '1.0.0'}: {len(people.name)} people in " in printed
    assert ["test", str(len(people.name))] in [line.split() for line in printed.splitlines()]
    records = tfds.builder_from_directory(target / folder / "1.0.0").as_data_source("test")
    assert len(records) == len(people.name)
    found = {record["name"].decode(): record for record in records}
    assert set(found) == set(people.name)
    for row, person in enumerate(people.name):
        for field in found[person].keys() - {"name", "gender"}:
            np.testing.assert_array_equal(found[person][field], getattr(people, field)[row])
    if name == "3dpw":
        assert found[people.name[0]]["gender"] == b"m"
    # Prepared once, and nothing left beside it.
    assert prepare.main([name, str(source), str(target)]) == 2
    assert "is prepared already" in capsys.readouterr().err
    assert [path.name for path in target.iterdir()] == [folder]


def test_what_is_missing_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("3dpw", "h36m", "ehf"):
        words = [name, str(tmp_path / "empty"), str(tmp_path / "prepared")]
        assert prepare.main(words) == 2
        assert "an empty one; " in capsys.readouterr().err
    (tmp_path / "empty" / "notes.txt").write_text("")
    for name in ("3dpw", "h36m", "ehf"):
        words = [name, str(tmp_path / "empty"), str(tmp_path / "prepared")]
        assert prepare.main(words) == 2
        assert str(tmp_path / "empty") in capsys.readouterr().err
    assert list((tmp_path / "prepared").iterdir()) == []
