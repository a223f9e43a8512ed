"""Checkpoints: what is written comes back, and what is no checkpoint is refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.io import checkpoint_files
from ief_jax.io.files import InputError
from ief_jax.lgd import build, checkpoints
from ief_jax.lgd.config import NAMED, LGDConfig
from tests.helpers import tiny


def test_round_trip(tmp_path: Path, joint_model: joints.JointModel) -> None:
    written = tiny.checkpoint(joint_model)
    checkpoints.write(tmp_path / checkpoint_files.FILE_NAME, written)
    for source in (tmp_path, tmp_path / checkpoint_files.FILE_NAME):
        found = checkpoints.load(source)
        assert found.configuration == written.configuration
        jax.tree.map(np.testing.assert_array_equal, found.weights, written.weights)


@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_shipped_checkpoints_fit_the_embedded_body(
    name: str, joint_model: joints.JointModel
) -> None:
    checkpoint = checkpoints.load(name)
    assert checkpoint.configuration == NAMED[name]
    build.check_checkpoint(checkpoint, joint_model)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such checkpoint.*released, paper, lifting"):
        checkpoints.load(tmp_path / "nothing")


@pytest.mark.parametrize("kept", [0, 10, 300, -1])
def test_truncated(tmp_path: Path, joint_model: joints.JointModel, kept: int) -> None:
    path = tiny.folder(tmp_path / "run", joint_model) / checkpoint_files.FILE_NAME
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="model.npz: not a checkpoint, or a truncated one"):
        checkpoints.load(path.parent)


def test_npz_of_another_kind(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", poses=np.zeros((3, 72)))
    with pytest.raises(InputError, match="model.npz: field 'format'"):
        checkpoints.load(tmp_path)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", format=np.array([{}], object))
    with pytest.raises(InputError, match="model.npz"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": "four"}, "'steps' is 'four'"),
        ({"depth": 3}, "expected"),
        ({"width": None}, "'width' is None"),
    ],
)
def test_configuration_that_is_none(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    values = {**tiny.CONFIGURATION.to_dict(), **change}
    np.savez(tmp_path / "model.npz", format=checkpoints.FORMAT, configuration=json.dumps(values))
    with pytest.raises(InputError, match=f"field 'configuration'.*{message}"):
        checkpoints.load(tmp_path)


def test_weights_that_are_not_finite(tmp_path: Path, joint_model: joints.JointModel) -> None:
    bad = jax.tree.map(lambda w: w * np.nan, tiny.checkpoint(joint_model).weights)
    checkpoints.write(tmp_path / "model.npz", checkpoints.Checkpoint(tiny.CONFIGURATION, bad))
    with pytest.raises(InputError, match="not finite"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameterisation": "sid"}, "parameterisation 'sid' is not one of axis_angle, six_d"),
        (
            {"inputs": ("theta", "pixels")},
            "input 'pixels' is not one of gradient, theta, keypoints",
        ),
        ({"width": 5}, "weights of another configuration: .*has shape"),
    ],
)
def test_weights_of_another_configuration(
    joint_model: joints.JointModel, change: dict[str, Any], message: str
) -> None:
    found = tiny.checkpoint(joint_model)
    found = found._replace(configuration=dataclasses.replace(found.configuration, **change))
    with pytest.raises(InputError, match=f"checkpoint 'tiny': {message}"):
        build.check_checkpoint(found, joint_model)


def test_configuration_round_trip() -> None:
    for configuration in NAMED.values():
        plain = json.loads(json.dumps(configuration.to_dict()))
        assert LGDConfig.from_dict(plain) == configuration
