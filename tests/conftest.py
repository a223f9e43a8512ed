"""What all tests share: strict shapes, and the embedded assets loaded once."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile

import jax
import pytest

from ief_jax.body import joints, model_files, smpl


def pytest_configure() -> None:
    # A [24, 3] array meeting a [3] one is a bug until somebody wrote the axis down.
    jax.config.update("jax_numpy_rank_promotion", "raise")
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # it has the variables of the process that started it
    # What one test has compiled, other ones and the programs that they start need not.
    folder = tempfile.mkdtemp(prefix="compilations-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = {
        # Most of the suite's time is LLVM optimising programs that then run for milliseconds.
        "disable_most_optimizations": True,
        "compilation_cache_dir": folder,
        # With a limit JAX locks the folder: nobody reads what another has half written.
        "compilation_cache_max_size": 4 * 2**30,
        "persistent_cache_min_compile_time_secs": 0.1,
    }
    for name, value in settings.items():
        os.environ[f"JAX_{name.upper()}"] = str(value)
        jax.config.update(f"jax_{name}", value)
    # It compiles a third faster without.
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false"
    if _are_known(flags):
        os.environ["XLA_FLAGS"] = flags


def _are_known(flags: str) -> bool:
    """Whether this XLA has these flags: it ends the process over one that it has not."""
    command = (sys.executable, "-c", "import jax; jax.devices()")
    tried = subprocess.run(command, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True)
    return tried.returncode == 0


@pytest.fixture(scope="session")
def body() -> smpl.BodyModel:
    """The embedded body model."""
    return model_files.embedded()


@pytest.fixture(scope="session")
def joint_model(body: smpl.BodyModel) -> joints.JointModel:
    """The embedded body reduced to its joints and landmarks."""
    return joints.fold(body)
