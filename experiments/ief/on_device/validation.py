"""How well a network finds people that it is not trained on, after each of its steps."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data.keypoints import packed
from experiments.ief.on_device import pictures, teacher
from experiments.ief.on_device.network import correction
from experiments.ief.on_device.pictures import Pictures
from ief_jax.geometry.skeletons import COCO_17, LSP_14
from ief_jax.ief import metrics
from ief_jax.ief.config import IEFConfig


class Validation:
    """People of a data set's validation split in their central crops, as annotated."""

    def __init__(
        self,
        config: IEFConfig,
        everyone: Pictures,
        points: np.ndarray,
        people: packed.Packed,
        rows: np.ndarray,
        batch: int,
    ) -> None:
        self.config, self.batch = config, batch
        self.people = jax.tree.map(lambda a: a[rows], everyone)
        self.points, self.annotated = points[rows], people.annotated[rows]
        torso = metrics.torso_diameter(self.points, self.annotated, LSP_14)
        self.reach = 0.2 * torso

    def _pck(self, found: np.ndarray, joints: int) -> Any:
        """[..., N, 14, 2] or [..., N, 12, 2] to percentages [...]."""
        right = metrics.within(found[..., :joints, :], self.points[:, :joints], self.reach)
        counted = self.annotated[:, :joints] & np.isfinite(self.reach)[:, None]
        return 100 * (right & counted).sum((-2, -1)) / counted.sum()

    def own_answer(self, thunder: Any) -> float:
        """MoveNet's own PCK@0.2, in the wider of two crops that suits it better."""
        order = [COCO_17.index(name) for name in teacher.SHARED]
        return max(
            float(
                self._pck(
                    teacher.answers(thunder, self.people, [0.0], False, scale, self.batch).points[
                        0
                    ][:, order],
                    12,
                )
            )
            for scale in (1.0, 1.2)
        )

    def feedback(self, module: Any, weights: Any, start: jax.Array) -> tuple[Any, Any]:
        """PCK@0.2 after 0, 1, ... steps: of the 12 joints that MoveNet has, and of 14."""
        program = partial(_paths, self.config, module, weights, start)
        (found,) = teacher.in_batches(lambda person: (program(person),), self.people, self.batch)
        found = np.moveaxis(found, 1, 0)
        return self._pck(found, 12), self._pck(found, 14)


@partial(jax.jit, static_argnums=(0, 1))
def _paths(
    config: IEFConfig, module: Any, weights: Any, start: jax.Array, people: Pictures
) -> jax.Array:
    """y_0 .. y_{T + 1} in people's central crops, [N, T + 2, K, 2] pixels of the pictures."""
    size, zero, one = config.size, jnp.float32(0), jnp.float32(1)

    def view(person: Pictures) -> pictures.View:
        return pictures.view(person, size, zero, one, jnp.bool_(False), jnp.zeros(2))

    views = jax.vmap(view)(people)
    images = jax.vmap(partial(pictures.crop, size=size))(people, views)
    encoded = module.apply({"params": weights}, module.normalise(images), method="encode_image")
    y = jnp.broadcast_to(start, (len(images), *start.shape))
    path = [y]
    for _ in range(config.steps + 1):
        y = y + correction(config, module, weights, encoded, y)[0]
        path.append(y)
    return jax.vmap(partial(pictures.to_picture, size=size))(views, jnp.stack(path, 1))
