"""What all tests share: strict shapes, and the embedded assets loaded once."""

import atexit
import os
import shutil
import tempfile

import jax
import pytest

from ief_jax.body import joints, model_files, smpl


def pytest_configure() -> None:
    # A [24, 3] array meeting a [3] one is a bug until somebody wrote the axis down.
    jax.config.update("jax_numpy_rank_promotion", "raise")
    # Most of the suite's time is LLVM optimising programs that then run for milliseconds.
    jax.config.update("jax_disable_most_optimizations", True)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # of the programs that tests start
    _share_compilations()


def _share_compilations() -> None:
    """What one test has compiled, later ones and the programs that they start need not."""
    # A folder a worker: JAX may read what another process has half written.
    folder = tempfile.mkdtemp(prefix="compilations-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = {"compilation_cache_dir": folder, "persistent_cache_min_compile_time_secs": 0.1}
    for name, value in settings.items():
        os.environ[f"JAX_{name.upper()}"] = str(value)
        jax.config.update(f"jax_{name}", value)


@pytest.fixture(scope="session")
def body() -> smpl.BodyModel:
    """The embedded body model."""
    return model_files.embedded()


@pytest.fixture(scope="session")
def joint_model(body: smpl.BodyModel) -> joints.JointModel:
    """The embedded body reduced to its joints and landmarks."""
    return joints.fold(body)
