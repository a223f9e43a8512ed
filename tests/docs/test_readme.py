"""What the README shows works."""

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior
from ief_jax.geometry import skeletons
from ief_jax.lgd import synthetic_views

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def composed(joint_model: joints.JointModel) -> dict[str, Any]:
    """The names that the README's own program leaves behind."""
    (program,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(program.splitlines()) < 35
    key = jax.random.key(3)
    person = synthetic_views.example(
        key,
        joint_model,
        jnp.asarray(skeletons.selection(skeletons.COCO_18, joint_model.names)),
        pose_prior.sample(pose_prior.embedded(), key),
    )
    names: dict[str, Any] = {"seen": person.points, "confidence": person.confidence}
    exec(compile(program, "README.md", "exec"), names)
    return names


def test_composed_fit_follows_its_own_error(composed: dict[str, Any]) -> None:
    path, error = composed["path"], jax.jit(composed["error"])
    errors = [error(jax.tree.map(lambda a: a[t], path)) for t in (0, 50, 200)]  # noqa: B023
    assert errors[0] > errors[1] > errors[2]
    assert jnp.isfinite(path["pose"]).all()


def test_composed_fit_puts_both_heels_on_the_floor(composed: dict[str, Any]) -> None:
    def gap(t: int) -> float:
        posed = composed["points"](jax.tree.map(lambda a: a[t], composed["path"]))
        heels = np.asarray(posed)[np.asarray(composed["heels"]), 1]
        return float(abs(heels[0] - heels[1]))

    assert gap(-1) < 0.5 * gap(0)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^):#]+)\)", README))))
def test_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("script", sorted(set(re.findall(r"python ([a-z_/]+\.py)", README))))
def test_script_exists(script: str) -> None:
    assert (ROOT / script).is_file()


def test_modules_of_the_table_exist() -> None:
    table = " ".join(re.findall(r"^\| `.*", README, re.MULTILINE))
    listed = set(re.findall(r"`(\w+)`", table))
    assert listed
    assert listed <= {path.stem for path in (ROOT / "ief_jax").iterdir()}
