"""Files of the people of frames that were fitted: who, when and where."""

import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import smpl
from ief_jax.cli import motion_files
from ief_jax.cli.bodies import Fitted
from ief_jax.formats.detections import Detections
from ief_jax.geometry import skeletons
from ief_jax.lgd.fitting import Bodies

SIZE = (400, 300)


def fitted(identity: list[int], frame: list[int], numbers: tuple[int, ...], focal: float) -> Fitted:
    """People of a scale of 100 pixels a metre, each row turned by as many tenths as its number."""
    count = len(identity)
    rows = jnp.arange(count, dtype=jnp.float32)
    poses = jnp.zeros((count, 72)).at[:, 3].set(0.1 * rows)
    empty: Any = jnp.zeros((count, 1))
    bodies = Bodies(*[empty] * len(Bodies._fields))._replace(
        poses=poses,
        betas=jnp.zeros((count, 10)).at[:, 0].set(rows),
        scale=jnp.full(count, 100.0),
        translation=jnp.tile(jnp.array([199.5, 149.5]), (count, 1)),
        inverse_focal=jnp.full(count, 1 / focal),
        principal=jnp.tile(jnp.array([199.5, 149.5]), (count, 1)),
        error=rows,
        deviation=None,
    )
    names = tuple(f"f{number}" for number in numbers)
    people = Detections(
        *(np.zeros((count, 27, 2)), np.ones((count, 27)), skeletons.UNION_27, "", ""),
        *(np.array(frame), np.zeros(count, int), names, (None,) * len(names), numbers),
        np.array(identity),
        fps=25.0,
    )
    return Fitted(bodies, people, np.full(count, focal != 0.5), [])


@pytest.mark.parametrize(("focal", "expected"), [(1000.0, 1000.0), (0.5, math.hypot(*SIZE))])
def test_each_who_is_followed_has_a_motion(
    focal: float, expected: float, tmp_path: Path, body: smpl.BodyModel
) -> None:
    found = fitted([7, 3, 7, -1, 3, 7], [0, 0, 1, 1, 2, 2], (10, 11, 15), focal)
    moving = motion_files.of_fitted(found, SIZE)
    motion_files.write(tmp_path, body, moving, 25.0, "neutral")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "people.glb",
        *("person_3.bvh", "person_3.npz", "person_7.bvh", "person_7.npz"),
    ]
    with np.load(tmp_path / "person_7.npz") as file:
        assert file["frame"].tolist() == [10, 11, 15]
        np.testing.assert_allclose(file["times"], [0, 1 / 25, 5 / 25])
        np.testing.assert_allclose(file["poses"][:, 3], [0, 0.2, 0.5], atol=1e-6)
        # The mean of one's shapes
        assert file["betas"][0] == pytest.approx((0 + 2 + 5) / 3)
        assert float(file["focal"]) == pytest.approx(expected)
        # 100 pixels a metre are seen at f / 100 metres; AMASS's z is up, the camera looks along +y.
        rest = smpl.shape(body, jnp.asarray(file["betas"], jnp.float32)).joints[0]
        assert file["trans"][0, 1] == pytest.approx(expected / 100, abs=abs(float(rest[2])) + 0.3)
        assert file["reprojection_error"].tolist() == [0, 2, 5]


def test_an_earlier_runs_people_are_forgotten(tmp_path: Path, body: smpl.BodyModel) -> None:
    kept = ("person_x.npz", "person_9.txt", "bodies.npz")
    for name in ("person_3.npz", "person_3.bvh", "person_12.npz", *kept):
        (tmp_path / name).write_text("of another run")
    moving = motion_files.of_fitted(fitted([7, 7], [0, 1], (0, 1), 1000.0), SIZE)
    motion_files.write(tmp_path, body, moving, 25.0, "neutral")
    assert {path.name for path in tmp_path.iterdir()} == {
        *kept,
        *("people.glb", "person_7.bvh", "person_7.npz"),
    }
