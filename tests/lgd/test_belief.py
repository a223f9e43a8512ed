"""What a network says of how sure it is."""

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.geometry import camera, rotations
from ief_jax.lgd import belief, gauss_newton, parameters
from ief_jax.lgd.gauss_newton import Displacement
from ief_jax.lgd.parameters import Body


def test_correlation_is_that_of_people_and_their_mirror_images() -> None:
    """Of displacements that are drawn with one factor, half of them of mirrored bodies."""
    random = np.random.default_rng(0)
    factor = np.eye(82) + 0.1 * random.normal(size=(82, 82))
    unit = factor / np.linalg.norm(factor, axis=1, keepdims=True)
    z = jnp.asarray(0.01 * unit @ random.normal(size=(82, 20000)), jnp.float32)
    pose = jnp.asarray(0.3 * random.normal(size=(24, 3)), jnp.float32)
    body = Body(rotations.axis_angle_to_matrix(pose), jnp.zeros(10))
    theta = parameters.SIX_D
    view = camera.WeakPerspective(jnp.float32(1.0), jnp.zeros(2))

    def mirrored(body: Body) -> Body:
        return theta.body(theta.mirror(theta.encode(body, view)))

    @jax.jit
    @jax.vmap
    def of_mirror_image(z: jax.Array) -> jax.Array:
        moved = gauss_newton.displaced(body, Displacement(z[:72].reshape(24, 3), z[72:]))
        image, other = mirrored(body), mirrored(moved)
        turned = rotations.compose(jnp.swapaxes(image.local, -1, -2), other.local)
        turn = rotations.matrix_to_axis_angle(turned).reshape(-1)
        return jnp.concatenate([turn, other.betas - image.betas])

    both = np.concatenate([z.T, of_mirror_image(z.T)])
    found = np.asarray(belief.correlation_of(jnp.asarray(factor, jnp.float32)))
    np.testing.assert_allclose(np.diag(found), 1.0, atol=1e-6)
    np.testing.assert_allclose(found, np.corrcoef(both.T), atol=0.03)
