"""The README's blocks run, and its program carries a fit on as it says."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.docs import pages, test_blocks


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the README's own program leaves behind, after its commands."""
    blocks = test_blocks.runnable("README.md", {""})
    return test_blocks.run(blocks, Path(tmp_path_factory.mktemp("readme")))


def test_composed_fit_follows_its_own_error(composed: dict[str, Any]) -> None:
    path, error = composed["path"], jax.jit(composed["error"])
    with jax.numpy_rank_promotion("allow"):
        errors = [error(path[step]) for step in (0, 50, 200)]
    assert errors[0] > errors[1] > errors[2]
    assert jnp.isfinite(path).all()


def test_composed_fit_brings_the_weight_above_the_foot(composed: dict[str, Any]) -> None:
    def lean(step: int) -> float:
        posed = np.asarray(composed["points"](composed["path"][step]))
        return float(np.linalg.norm((posed[:24].mean(0) - posed[composed["foot"]])[[0, 2]]))

    assert lean(-1) < 0.5 * lean(0)


def test_readme_is_short() -> None:
    assert len(pages.read("README.md").splitlines()) <= 127
