"""Training on the states that the network's own corrections lead to (ours, not the paper's).

At test time a step starts from where the steps before it have led, not from the fixed path. Here
it does so in training too, as in DAgger (Ross et al. 2011).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ief_jax import checks
from ief_jax.ief import corrections, fpc, iteration, losses, training_data
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.training_data import PersonCrop
from ief_jax.ief.training_methods import Method
from ief_jax.io.checkpoint_files import Weights


def training_loss(
    configuration: IEFConfig,
    method: Method,
    start: jax.Array,
    steps: int,
    compute: DTypeLike | None = None,
) -> Callable[[Weights, PersonCrop], jax.Array]:
    """h(f(x_t), e(y, y_t)) of a batch, averaged over the network's own y_0 .. y_{steps - 1}.

    Args:
      configuration: of the network.
      method: of training.
      start: y_0 [K, 2], pixels.
      steps: how many. No gradient goes through the states.
      compute: dtype that the network is computed in; by default that of its weights.
    """
    checks.count("steps", steps, least=1)
    checks.arrays(("start", start, "[K, 2] y_0, pixels of the crop"), K=len(configuration.joints))
    bound = fpc.max_correction(configuration, method)

    def loss(weights: Weights, crops: PersonCrop) -> jax.Array:
        features = iteration.encode_image(
            configuration, weights, crops.image, crops.marked, compute
        )
        correct = iteration.correction(configuration, weights, features)
        y = jax.vmap(lambda crop: training_data.target_pose(crop, start))(crops)
        state, total = jnp.broadcast_to(start, y.shape), jnp.zeros(())
        for t in range(steps):
            found = correct(state, jnp.int32(t))
            target = corrections.bounded(y, state, bound)
            total += losses.mean_error(
                method.h, found, target, crops.annotated, configuration.max_correction
            )
            state = jax.lax.stop_gradient(state + iteration.apply_bound(configuration, found))
        return total / steps

    return loss
