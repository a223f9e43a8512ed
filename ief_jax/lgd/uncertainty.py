"""How sure a fit is of each joint: calibrated standard deviations, in the image and in depth."""

import jax
import jax.numpy as jnp

from ief_jax import checks
from ief_jax.lgd import inference

FACTORS = (1.35, 1.6)
"""Of the deviations in the image and in depth. With 1.1 and 1.3 68 % of the errors on validation
subjects are within one; more, since those of real detections are larger. `python eval.py lgd`
prints how many are."""
FACTORS_UNKNOWN_LENS = (2.5, 2.75)
"""The same, where the lens is assumed (`inference.ASSUMED_INVERSE_FOCAL`): 68 %."""


def of_joints(ran: inference.Run, lens_known: bool) -> jax.Array:
    """Standard deviations of N people's joints, in metres from the pelvis: [N, 24, 2].

    The first is along either axis of the image, the second along the line of sight. They are of
    bodies as the camera sees them, moved onto the truth at the pelvis and not turned or scaled: a
    trunk that leans by too much is an error of the head. The pelvis itself has none.

    Args:
      ran: the fit.
      lens_known: whether its lens was given, or else assumed.

    Raises:
      ValueError: the fit had no second-order steps.
    """
    if ran.spread is None:
        raise ValueError("ran: expected a fit with second-order steps, got one without")
    factors = jnp.array(FACTORS if lens_known else FACTORS_UNKNOWN_LENS)
    return jnp.stack([ran.spread.image, ran.spread.depth], -1) * factors[None, None]


def expected_error(deviation: jax.Array) -> jax.Array:
    """How far off a body's joints are thought to be in the mean: [..., J, 2] to [...].

    Bodies can be sorted by it.
    """
    checks.arrays(("deviation", deviation, "[..., J, 2] in the image and in depth"))
    # E|e|^2 = s_x^2 + s_y^2 + s_z^2
    return jnp.sqrt(2 * deviation[..., 0] ** 2 + deviation[..., 1] ** 2).mean(-1)
