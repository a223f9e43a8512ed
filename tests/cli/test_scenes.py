"""Where people are in a scene."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ief_jax.cli import scenes
from ief_jax.formats.bodies import before_the_camera
from ief_jax.lgd.fitting import Bodies


def test_people_are_as_far_away_as_their_size_says() -> None:
    rest: Any = jnp.zeros((2, 1))
    bodies = Bodies(*[rest] * len(Bodies._fields))._replace(
        scale=jnp.array([100.0, 100.0]),
        translation=jnp.array([[199.5, 149.5], [210.0, 40.0]]),
        inverse_focal=jnp.array([1 / 200, 1 / 1000]),
        principal=jnp.array([[0.0, 0.0], [200.0, 140.0]]),
    )
    found = before_the_camera(scenes.with_lens(bodies, np.array([False, True]), (400, 300)))
    # 100 pixels a metre: through a lens of 500 pixels, the diagonal, at 5 m; through 1000 at 10 m.
    np.testing.assert_allclose(found, [[0.0, 0.0, -5.0], [0.1, 1.0, -10.0]], atol=1e-5)
