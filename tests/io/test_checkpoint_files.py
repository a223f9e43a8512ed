"""Checkpoints of any kind of network: what is written comes back, what makes no sense does not."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from ief_jax.ief.config import PAPER as IEF_PAPER
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.scale_selector.config import SMALL, ScaleSelectorConfig
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import CheckpointFormat, Weights
from ief_jax.io.files import InputError
from ief_jax.io.json_config import JsonConfig, require_between
from ief_jax.lgd.config import RELEASED, LGDConfig


@dataclass(frozen=True)
class Shape(JsonConfig):
    """A field of each type."""

    name: str
    size: int
    gain: float
    odd: bool
    parts: tuple[str, ...]
    limits: tuple[float, ...]

    def check(self) -> None:
        require_between("size", self.size, 1, 9)


class Kite(NamedTuple):
    configuration: Shape
    weights: Weights


def check(kite: Kite, source: str) -> None:
    if kite.configuration.name == "paper":
        raise InputError(f"{source}: paper tears")


SHAPE = Shape("kite", 4, 0.5, True, ("tail", "line"), (1.0, 2.0))
WEIGHTS = {"wing": {"kernel": np.ones((2, 3), np.float32)}, "tail": np.zeros(4, np.float32)}
KITES = CheckpointFormat("kite-1", "a kite", Shape, Kite, {}, check)


def stored(path: Path, **arrays: Any) -> Path:
    """A file of a kite with other arrays."""
    whole: dict[str, Any] = {
        "format": "kite-1",
        "configuration": json.dumps(SHAPE.to_dict()),
        "tail": np.zeros(4),
    }
    np.savez(path, **{name: value for name, value in (whole | arrays).items() if value is not None})
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_round_trip(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / checkpoint_files.FILE_NAME
    KITES.write(path, Kite(SHAPE, WEIGHTS), dtype)
    for found in (KITES.read(path), KITES.load(tmp_path), KITES.load(str(path))):
        assert isinstance(found, Kite)
        assert found.configuration == SHAPE and hash(found.configuration) == hash(SHAPE)
        jax.tree.map(np.testing.assert_array_equal, found.weights, WEIGHTS)
        assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(found.weights))


def test_the_kind_has_the_last_word(tmp_path: Path) -> None:
    values = json.dumps(SHAPE.to_dict() | {"name": "paper"})
    path = stored(tmp_path / "a.npz", configuration=values)
    with pytest.raises(InputError, match="a.npz: paper tears"):
        KITES.read(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"format": "kite-2"}, "field 'format' is not 'kite-1': not a checkpoint of a kite"),
        ({"format": None}, "field 'format' is not"),
        ({"configuration": None}, "has no field 'configuration'"),
        ({"configuration": "{"}, "field 'configuration': Expecting"),
        ({"configuration": "[" * 10**5}, "field 'configuration': maximum recursion"),
        ({"configuration": np.ones(3)}, "field 'configuration': "),
        ({"tail": np.array([1e300])}, "weights 'tail' has values that are not finite"),
        ({"tail": np.array([np.nan])}, "weights 'tail' has values that are not finite"),
        ({"tail": np.array(["long"])}, "weights 'tail' has elements of type <U4"),
        ({"tail/end": np.ones(1)}, "weights 'tail/end' are below others"),
        ({"tail/a/end": np.ones(1)}, "weights 'tail/a/end' are below others"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"a.npz: {message}"):
        KITES.read(stored(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", 3, "3"),
        ("name", None, "None"),
        ("size", 0, "0, expected 1 to 9"),
        ("size", True, "True"),
        ("size", 4.0, "4.0"),
        ("size", 10**2000, "1000000.*000, expected 1 to 9"),
        ("gain", "much", "'much'"),
        ("gain", float("nan"), "nan"),
        ("gain", float("inf"), "inf"),
        ("gain", 10**400, "1000.*000"),
        ("gain", False, "False"),
        ("odd", 1, "1"),
        ("parts", "tail", "'tail'"),
        ("parts", [["tail"]], r"\[\['tail'\]\]"),
        ("parts", [{}], r"\[{}\]"),
        ("parts", [None], r"\[None\]"),
        ("limits", [1, "2"], r"\[1, '2'\]"),
        ("limits", {}, "{}"),
    ],
)
def test_value_that_makes_no_sense(tmp_path: Path, field: str, value: object, said: str) -> None:
    values = json.dumps(SHAPE.to_dict() | {field: value})
    path = stored(tmp_path / "a.npz", configuration=values)
    with pytest.raises(InputError, match=f"'configuration': .* field '{field}' is {said}$"):
        KITES.read(path)


@pytest.mark.parametrize("values", [[], ["name"], 3, None, "name", {}, SHAPE.to_dict() | {"a": 1}])
def test_configuration_of_other_fields(tmp_path: Path, values: object) -> None:
    path = stored(tmp_path / "a.npz", configuration=json.dumps(values))
    with pytest.raises(InputError, match="a.npz: field 'configuration': configuration .*expected"):
        KITES.read(path)


def test_whole_numbers_are_numbers() -> None:
    found = Shape.from_dict(SHAPE.to_dict() | {"gain": 2, "limits": [3]})
    assert (found.gain, found.limits) == (2, (3,))


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        (RELEASED, "inputs", []),
        (RELEASED, "inputs", ["theta", "theta"]),
        (RELEASED, "width", -1),
        (RELEASED, "width", 0),
        (RELEASED, "blocks", 2**31),
        (RELEASED, "steps", -1),
        (RELEASED, "second_order_steps", 10**9),
        (IEF_PAPER, "joints", []),
        (IEF_PAPER, "joints", ["nose", "nose"]),
        (IEF_PAPER, "size", 0),
        (IEF_PAPER, "size", 10**6),
        (IEF_PAPER, "sigma", 0),
        (IEF_PAPER, "max_correction", -20.0),
        (IEF_PAPER, "steps", 10**9),
        (IEF_PAPER, "heatmap_stage", -1),
        (IEF_PAPER, "pool_size", 0),
        (SMALL, "size", 0),
    ],
)
def test_networks_of_no_sensible_size(
    config: LGDConfig | IEFConfig | ScaleSelectorConfig, field: str, value: object
) -> None:
    assert config.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match=f"configuration field '{field}' is .*, expected"):
        config.from_dict(config.to_dict() | {field: value})


def test_no_network(tmp_path: Path) -> None:
    def fails(key: jax.Array) -> Weights:
        raise ZeroDivisionError("a pool of nothing")

    with pytest.raises(InputError, match="here: the configuration is of no network: a pool of not"):
        checkpoint_files.shapes(fails, "here")
