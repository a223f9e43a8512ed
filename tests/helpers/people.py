"""People in random poses, each kind made by one compiled program."""

import jax

from ief_jax.body.joints import JointModel
from ief_jax.lgd import synthetic_views

MOST = 4


@jax.jit
def _examples(
    model: JointModel, selection: jax.Array, keys: jax.Array, poses: jax.Array
) -> synthetic_views.Example:
    return jax.vmap(lambda key, pose: synthetic_views.example(key, model, selection, pose))(
        keys, poses
    )


def random_people(
    model: JointModel, selection: jax.Array, count: int, spread: float, seed: int
) -> synthetic_views.Example:
    """Up to `MOST` people, whose axis-angle vectors are normal with a standard deviation.

    All are drawn whatever the count, so that it is one program.
    """
    assert count <= MOST
    pose_key, key = jax.random.split(jax.random.key(seed))
    poses = spread * jax.random.normal(pose_key, (MOST, 24, 3))
    people = _examples(model, selection, jax.random.split(key, MOST), poses)
    return jax.tree.map(lambda leaf: leaf[:count], people)
