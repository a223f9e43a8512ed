"""From the pixels of a photograph to bodies in one differentiable program.

    photograph, box -> crop -> IEF: keypoints and presence -> LGD: body, camera, 3D joints

Both wings in one function, so that derivatives go all the way: of a joint's place in space by the
brightness of a pixel, say. Whoever wants the best estimate rather than a derivative takes
`ief.estimate_people` and `lgd.fit`: these also look at mirrored crops and know how sure keypoints
are.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ief_jax import checks, compiling
from ief_jax.body import joints
from ief_jax.geometry import skeletons
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief import prediction
from ief_jax.ief.config import IEFConfig
from ief_jax.io.checkpoint_files import Weights
from ief_jax.lgd import checkpoints as lgd_checkpoints
from ief_jax.lgd import fitting
from ief_jax.lgd.config import LGDConfig


def fit(
    keypoints: ief_checkpoints.Checkpoint,
    bodies: lgd_checkpoints.Checkpoint,
    model: joints.JointModel,
    photograph: ArrayLike,
    boxes: ArrayLike,
) -> fitting.Bodies:
    """Fits a body to each of N people in a photograph.

    A keypoint counts as far as its network sees that it is there (`PositionsAndPresence`), and
    fully with a network that does not say.

    Args:
      keypoints: of `ief.load_checkpoint`.
      bodies: of `lgd.load_checkpoint`.
      model: the body, of `joints.fold`.
      photograph: [H, W, 3] RGB, 0 to 255.
      boxes: [N, 3] of each person's `crops.Box`: its centre x, y and its side, pixels; 1.2 times as
        large as the person is tall.

    Returns:
      As `lgd.fit` does. Pure; differentiable in reverse (`jax.grad`) by photograph, boxes and
      weights; compiled once a size of photograph and a number of people.

    Raises:
      ValueError: an argument has another shape or dtype.
    """
    checks.arrays(
        ("photograph", photograph, "[H, W, 3] RGB, 0 to 255"),
        ("boxes", boxes, "[N, 3] x, y and side, pixels"),
    )
    return _fit(
        keypoints.configuration,
        bodies.configuration,
        keypoints.weights,
        bodies.weights,
        model,
        jnp.asarray(photograph, jnp.float32),
        jnp.asarray(boxes, jnp.float32),
    )


def crop(photograph: jax.Array, box: jax.Array, size: int) -> jax.Array:
    """`crops.crop` as a differentiable function, up to its rounding: [size, size, 3].

    Args:
      photograph: [H, W, 3].
      box: [3] x, y and side, pixels.
      size: side of the result, pixels (static).
    """
    checks.arrays(
        ("photograph", photograph, "[H, W, 3] RGB, 0 to 255"), ("box", box, "[3] x, y and side")
    )
    checks.count("size", size, least=1)
    # Of pixel edges, as both resamplers have it: from p to (p - x + s / 2) n / s
    scale = jnp.broadcast_to(size / box[2], 2)
    start = (box[:2] + 0.5 - box[2] / 2)[::-1]
    return jax.image.scale_and_translate(
        photograph, (size, size, 3), (0, 1), scale, -start * scale, "linear"
    )


@partial(compiling.jit, options=compiling.LEAN, static_argnums=(0, 1))
def _fit(
    looking: IEFConfig,
    fitted: LGDConfig,
    looking_weights: Weights,
    fitted_weights: Weights,
    model: joints.JointModel,
    photograph: jax.Array,
    boxes: jax.Array,
) -> fitting.Bodies:
    size = looking.size
    crops = jax.vmap(lambda box: crop(photograph, box, size))(boxes)
    middle = jnp.full((len(boxes), 2), (size - 1) / 2)
    checkpoint = ief_checkpoints.Checkpoint(looking, looking_weights)
    found = prediction.predict_with_presence(checkpoint, crops, middle)
    presence = jnp.full(middle.shape[:1] + (len(looking.joints),), jnp.inf)
    sure = jax.nn.sigmoid(presence if found.presence is None else jnp.asarray(found.presence))
    # p = (u - (n - 1) / 2) s / n + c
    last = jnp.asarray(found.path)[:, -1] - (size - 1) / 2
    points = last * (boxes[:, 2:, None] / size) + boxes[:, None, :2]
    to_union = jnp.asarray(_to_union(looking.joints))
    return fitting.fit(
        lgd_checkpoints.Checkpoint(fitted, fitted_weights),
        model,
        jnp.einsum("uk,nkx->nux", to_union, points),
        sure @ to_union.T,
    )


def _to_union(names: tuple[str, ...]) -> np.ndarray:
    """The matrix [27, K] from a network's keypoints to those that bodies are fitted to."""
    each = np.eye(len(names), dtype=np.float32)
    points, _ = skeletons.to_union(np.stack([each, each], -1), np.ones_like(each), names)
    return points[..., 0].T
