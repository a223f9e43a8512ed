"""Rotations as 3 x 3 matrices, axis-angle vectors and 6D vectors, with finite derivatives.

Every function takes arrays with any leading axes.
"""

import jax
import jax.numpy as jnp

from ief_jax import checks


def compose(a: jax.Array, b: jax.Array) -> jax.Array:
    """The product `a @ b` of [..., m, 3] and [..., 3, n] as sums of products.

    XLA's batched matrix product is slow for matrices this small; this fuses.
    """
    checks.arrays(("a", a, "[..., m, 3]"), ("b", b, "[..., 3, n]"))
    # (a b)_ij = sum_k a_ik b_kj
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)


def rotate(rotation: jax.Array, vector: jax.Array) -> jax.Array:
    """Rotates vectors [..., 3] by matrices [..., 3, 3]."""
    checks.arrays(("rotation", rotation, "[..., 3, 3]"), ("vector", vector, "[..., 3]"))
    return (rotation * vector[..., None, :]).sum(-1)


def skew(v: jax.Array) -> jax.Array:
    """The matrices K with K w = v x w, of vectors [..., 3]: [..., 3, 3]."""
    checks.arrays(("v", v, "[..., 3]"))
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    o = jnp.zeros_like(x)
    return jnp.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*v.shape, 3)


def _angle_coefficients(squared: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """sin(t)/t, (1 - cos t)/t^2 and (t - sin t)/t^3 as smooth functions of t^2."""
    small = squared < 1e-4
    # The guard stands inside as well: a derivative of the unused branch must not be NaN.
    safe = jnp.where(small, 1.0, squared)
    angle = jnp.sqrt(safe)
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    a = jnp.where(small, 1 - squared / 6 + squared**2 / 120, sine / angle)
    b = jnp.where(small, 0.5 - squared / 24 + squared**2 / 720, (1 - cosine) / safe)
    c = jnp.where(small, 1 / 6 - squared / 120 + squared**2 / 5040, (angle - sine) / (safe * angle))
    return a, b, c


def axis_angle_to_matrix(axis_angle: jax.Array) -> jax.Array:
    """Rodrigues' formula: vectors [..., 3] in radians to matrices [..., 3, 3]."""
    checks.arrays(("axis_angle", axis_angle, "[..., 3] radians"))
    a, b, _ = _angle_coefficients((axis_angle**2).sum(-1))
    # R = I + (sin t / t) K + ((1 - cos t) / t^2) K^2, with K = [v]_x and so
    # K^2 = v v^T - t^2 I, entry by entry: several times faster than by products of matrices.
    x, y, z = axis_angle[..., 0], axis_angle[..., 1], axis_angle[..., 2]
    ax, ay, az = a * x, a * y, a * z
    xx, yy, zz, xy, xz, yz = b * x * x, b * y * y, b * z * z, b * x * y, b * x * z, b * y * z
    rows = (
        (1 - yy - zz, xy - az, xz + ay),
        (xy + az, 1 - xx - zz, yz - ax),
        (xz - ay, yz + ax, 1 - xx - yy),
    )
    entries = jnp.stack([entry for row in rows for entry in row], -1)
    return entries.reshape(*axis_angle.shape, 3)


def right_jacobian(axis_angle: jax.Array) -> jax.Array:
    """J_r with exp(v + dv) = exp(v) exp(J_r dv) to first order: [..., 3] to [..., 3, 3].

    Sola et al., "A micro Lie theory for state estimation in robotics" (2018), Eq. 143.
    """
    checks.arrays(("axis_angle", axis_angle, "[..., 3] radians"))
    _, b, c = _angle_coefficients((axis_angle**2).sum(-1))
    k = skew(axis_angle)
    # J_r = I - ((1 - cos t) / t^2) K + ((t - sin t) / t^3) K^2
    return _identity(k) - b[..., None, None] * k + c[..., None, None] * compose(k, k)


def matrix_to_quaternion(matrix: jax.Array) -> jax.Array:
    """Matrices [..., 3, 3] to unit quaternions [..., 4] (w, x, y, z), w >= 0.

    The best conditioned of the four textbook formulas is taken for each matrix.
    """
    checks.arrays(("matrix", matrix, "[..., 3, 3] rotations"))
    m = matrix
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    m01, m02, m10 = m[..., 0, 1], m[..., 0, 2], m[..., 1, 0]
    m12, m20, m21 = m[..., 1, 2], m[..., 2, 0], m[..., 2, 1]
    # Row i is 4 q_i (w, x, y, z); the row with the largest 4 q_i^2 is the stable one.
    rows = jnp.stack(
        [
            jnp.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            jnp.stack([m21 - m12, 1 + m00 - m11 - m22, m10 + m01, m02 + m20], -1),
            jnp.stack([m02 - m20, m10 + m01, 1 - m00 + m11 - m22, m12 + m21], -1),
            jnp.stack([m10 - m01, m20 + m02, m21 + m12, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )
    squares = jnp.diagonal(rows, axis1=-2, axis2=-1)
    best = jnp.argmax(jax.lax.stop_gradient(squares), -1)
    q = jnp.take_along_axis(rows, best[..., None, None], -2)[..., 0, :]
    q = q / jnp.linalg.norm(q, axis=-1, keepdims=True)
    return jnp.where(q[..., :1] < 0, -q, q)


def matrix_to_axis_angle(matrix: jax.Array) -> jax.Array:
    """Matrices [..., 3, 3] to axis-angle vectors [..., 3] with angles in [0, pi]."""
    q = matrix_to_quaternion(matrix)
    w, v = q[..., :1], q[..., 1:]
    squared = (v**2).sum(-1, keepdims=True)
    small = squared < 1e-8
    sine = jnp.sqrt(jnp.where(small, 1.0, squared))
    # t = 2 atan2(|v|, w); near zero t / |v| = 2 / w (1 - |v|^2 / (3 w^2))
    ratio = jnp.where(
        small,
        2 / jnp.where(small, w, 1.0) * (1 - squared / 3),
        2 * jnp.arctan2(sine, w) / sine,
    )
    return ratio * v


def six_d_to_matrix(six_d: jax.Array) -> jax.Array:
    """Gram-Schmidt on two columns: [..., 6] to [..., 3, 3] (Zhou et al. 2019, Eq. 15).

    The first three numbers are the first column, the last three the second.
    """
    checks.arrays(("six_d", six_d, "[..., 6] two columns of a matrix"))
    a, b = six_d[..., :3], six_d[..., 3:]
    x = _unit(a)
    y = _unit(b - (x * b).sum(-1, keepdims=True) * x)
    return jnp.stack([x, y, jnp.cross(x, y)], -1)


def matrix_to_six_d(matrix: jax.Array) -> jax.Array:
    """The first two columns of matrices [..., 3, 3]: [..., 6]."""
    checks.arrays(("matrix", matrix, "[..., 3, 3] rotations"))
    return jnp.concatenate([matrix[..., :, 0], matrix[..., :, 1]], -1)


def _identity(like: jax.Array) -> jax.Array:
    return jnp.broadcast_to(jnp.eye(3, dtype=like.dtype), like.shape)


def _unit(v: jax.Array) -> jax.Array:
    """`v` at length one; a vector shorter than 1e-6 is only scaled up, never to NaN."""
    return v * jax.lax.rsqrt((v**2).sum(-1, keepdims=True) + 1e-12)
