import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.geometry import rotations

ANGLES = [0.0, 1e-8, 1e-4, 5e-3, 9e-3, 0.011, 0.5, 2.0, 3.1, np.pi - 1e-3, np.pi - 1e-6, np.pi]


def directions(count: int) -> np.ndarray:
    axes = np.random.default_rng(0).normal(size=(count, 3))
    axes[:3] = np.eye(3)
    return axes / np.linalg.norm(axes, axis=1, keepdims=True)


@pytest.fixture(scope="module", params=ANGLES)
def vectors(request: pytest.FixtureRequest) -> np.ndarray:
    """Axis-angle vectors of one angle about many axes."""
    return (request.param * directions(20)).astype(np.float32)


def test_matrix_agrees_with_scipy(vectors: np.ndarray) -> None:
    found = rotations.axis_angle_to_matrix(jnp.asarray(vectors))
    expected = Rotation.from_rotvec(vectors.astype(float)).as_matrix()
    np.testing.assert_allclose(found, expected, atol=5e-7)


def test_angles_beyond_pi_agree_with_scipy() -> None:
    vectors = np.concatenate([angle * directions(5) for angle in (3.5, 6.3, 20.0)])
    found = rotations.axis_angle_to_matrix(jnp.asarray(vectors, jnp.float32))
    expected = Rotation.from_rotvec(vectors).as_matrix()
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_axis_angle_is_the_inverse(vectors: np.ndarray) -> None:
    matrices = Rotation.from_rotvec(vectors.astype(float)).as_matrix()
    found = np.asarray(rotations.matrix_to_axis_angle(jnp.asarray(matrices, jnp.float32)))
    assert (np.linalg.norm(found, axis=1) < np.pi + 1e-5).all()
    # At pi the axis may point either way: what counts is the rotation.
    back = Rotation.from_rotvec(found.astype(float))
    between = (back.inv() * Rotation.from_matrix(matrices)).magnitude()
    np.testing.assert_allclose(between, 0, atol=2e-6)


def test_quaternion_agrees_with_scipy(vectors: np.ndarray) -> None:
    expected = Rotation.from_rotvec(vectors.astype(float))
    matrices = jnp.asarray(expected.as_matrix(), jnp.float32)
    found = np.asarray(rotations.matrix_to_quaternion(matrices))
    assert (found[:, 0] >= 0).all()
    reference = expected.as_quat(canonical=True, scalar_first=True)
    # q and -q are one rotation.
    np.testing.assert_allclose(np.abs((found * reference).sum(1)), 1, atol=1e-6)


@pytest.mark.parametrize("at", [np.zeros(3), 1e-5 * np.ones(3), np.array([0.3, -2.0, 1.0])])
def test_first_and_second_derivatives_are_finite_and_right(at: np.ndarray) -> None:
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(3, 3)), jnp.float32)

    def value(v: jax.Array) -> jax.Array:
        return (weights * rotations.axis_angle_to_matrix(v)).sum()

    def exact(v: np.ndarray) -> float:
        return float((np.asarray(weights, float) * Rotation.from_rotvec(v).as_matrix()).sum())

    x = jnp.asarray(at, jnp.float32)
    step = 1e-4 * np.eye(3)
    gradient = [(exact(at + d) - exact(at - d)) / 2e-4 for d in step]
    hessian = [
        [(exact(at + d + e) - exact(at + d - e) - exact(at - d + e) + exact(at - d - e)) / 4e-8
         for e in step]
        for d in step
    ]  # fmt: skip
    np.testing.assert_allclose(jax.jit(jax.grad(value))(x), gradient, atol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.hessian(value))(x), hessian, atol=1e-4)


def test_derivatives_on_both_sides_of_the_series_agree() -> None:
    # The series takes over where t^2 < 1e-4.
    jacobian = jax.jit(jax.jacfwd(rotations.axis_angle_to_matrix))
    axis = np.array([0.6, -0.64, 0.48], np.float32)
    below, above = jacobian(jnp.asarray(0.00999 * axis)), jacobian(jnp.asarray(0.01001 * axis))
    np.testing.assert_allclose(below, above, atol=1e-4)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.5, 2.5, 3.1])
def test_right_jacobian_by_finite_differences(angle: float) -> None:
    for axis in directions(6):
        v = angle * axis
        found = rotations.right_jacobian(jnp.asarray(v, jnp.float32))
        base = Rotation.from_rotvec(v)
        # exp(v)^-1 exp(v + d) = exp(J_r d)
        columns = [
            ((base.inv() * Rotation.from_rotvec(v + d)).as_rotvec()
             - (base.inv() * Rotation.from_rotvec(v - d)).as_rotvec()) / 2e-5
            for d in 1e-5 * np.eye(3)
        ]  # fmt: skip
        np.testing.assert_allclose(found, np.stack(columns, 1), atol=2e-6)


def test_six_d_round_trip_and_gram_schmidt() -> None:
    matrices = jnp.asarray(Rotation.random(50, rng=0).as_matrix(), jnp.float32)
    six = rotations.matrix_to_six_d(matrices)
    assert six.shape == (50, 6)
    np.testing.assert_allclose(six[:, :3], matrices[:, :, 0])
    np.testing.assert_allclose(rotations.six_d_to_matrix(six), matrices, atol=1e-6)
    # Any six numbers become a rotation with the first column along the first three.
    any_six = np.random.default_rng(3).normal(0, 3, (50, 6)).astype(np.float32)
    made = np.asarray(rotations.six_d_to_matrix(jnp.asarray(any_six)), float)
    np.testing.assert_allclose(made @ made.swapaxes(1, 2), np.eye(3)[None].repeat(50, 0), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(made), 1, atol=1e-5)
    q, r = np.linalg.qr(any_six.reshape(50, 2, 3).swapaxes(1, 2).astype(float))
    expected = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    np.testing.assert_allclose(made[:, :, :2], expected, atol=1e-4)


def test_six_d_of_nothing_is_finite() -> None:
    for six in (np.zeros(6), np.array([1.0, 0, 0, 2.0, 0, 0])):
        value, slope = jax.value_and_grad(lambda s: rotations.six_d_to_matrix(s).sum())(
            jnp.asarray(six, jnp.float32)
        )
        assert jnp.isfinite(value)
        assert jnp.isfinite(slope).all()


def test_gradient_of_matrix_to_axis_angle_is_finite_and_right() -> None:
    @jax.jit
    @jax.jacfwd
    def there_and_back(v: jax.Array) -> jax.Array:
        return rotations.matrix_to_axis_angle(rotations.axis_angle_to_matrix(v))

    for v in ([0.0, 0.0, 0.0], [1e-6, 0.0, 0.0], [0.2, -1.0, 0.4], [2.9, 0.1, 0.0]):
        jacobian = there_and_back(jnp.array(v))
        np.testing.assert_allclose(jacobian, np.eye(3), atol=2e-4)


def test_compose_rotate_and_skew_are_their_matrix_forms() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 7, 3, 3)).astype(np.float32)
    wide = rng.normal(size=(7, 3, 11)).astype(np.float32)
    v, w = rng.normal(size=(2, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(rotations.compose(a, b), a @ b, atol=1e-5)
    np.testing.assert_allclose(rotations.compose(a, jnp.asarray(wide)), a @ wide, atol=1e-5)
    np.testing.assert_allclose(rotations.rotate(a, v), np.einsum("nij,nj->ni", a, v), atol=1e-5)
    np.testing.assert_allclose(
        rotations.rotate(rotations.skew(jnp.asarray(v)), w), np.cross(v, w), atol=1e-5
    )


def test_series_near_zero_has_the_right_terms() -> None:
    """Entries in which the series' second terms are what float32 can still resolve."""
    t = 9e-3  # below the threshold of the series
    x = y = t / np.sqrt(2)
    turn = np.asarray(rotations.axis_angle_to_matrix(jnp.array([[x, y, 0.0], [0.0, 0.0, t]])))
    # (1 - cos t) / t^2 x y, and sin t
    np.testing.assert_allclose(turn[0, 0, 1], (1 - np.cos(t)) / t**2 * x * y, rtol=1e-6)
    np.testing.assert_allclose(turn[1, 1, 0], np.sin(t), rtol=1e-6)
    # (t - sin t) / t^3 x y; t - sin t from its own series, in float64
    rest = 1 / 6 - t**2 / 120 + t**4 / 5040
    jacobian = np.asarray(rotations.right_jacobian(jnp.array([x, y, 0.0])))
    np.testing.assert_allclose(jacobian[0, 1], rest * x * y, rtol=5e-7)


def test_derivatives_of_the_series_near_zero_have_the_right_terms() -> None:
    """By t^2, in which the third terms are still seen: against the closed forms in float64."""
    s = 9e-5
    t = np.sqrt(s)
    found = jax.jacfwd(rotations._angle_coefficients)(jnp.float32(s))
    by_t = (
        (t * np.cos(t) - np.sin(t)) / t**2,
        (t * np.sin(t) - 2 * (1 - np.cos(t))) / t**3,
    )
    for own, slope in zip(found, by_t, strict=False):
        np.testing.assert_allclose(own, slope / (2 * t), rtol=2e-7)
    # d/ds (1/6 - s/120 + s^2/5040)
    np.testing.assert_allclose(found[2], -1 / 120 + s / 2520, rtol=2e-7)
