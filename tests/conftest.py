"""What all tests share: strict shapes, and the embedded assets loaded once."""

import jax
import pytest

from ief_jax.body import joints, model_files, smpl


def pytest_configure() -> None:
    # A [24, 3] array meeting a [3] one is a bug until somebody wrote the axis down.
    jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def body() -> smpl.BodyModel:
    """The embedded body model."""
    return model_files.embedded()


@pytest.fixture(scope="session")
def joint_model(body: smpl.BodyModel) -> joints.JointModel:
    """The embedded body reduced to its joints and landmarks."""
    return joints.fold(body)
