import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.geometry import camera


def scene(seed: int = 0, count: int = 18) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Body points, where they are seen with noise, weights."""
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 0.5, (count, 3)).astype(np.float32)
    image = 200 * points[:, :2] * [1, -1] + [320, 240] + rng.normal(0, 5, (count, 2))
    return points, image.astype(np.float32), rng.uniform(0.1, 1, count).astype(np.float32)


def test_weak_perspective_is_upright() -> None:
    view = camera.WeakPerspective(jnp.float32(100.0), jnp.array([10.0, 20.0]))
    head, left_hand = [0.0, 0.6, 0.1], [0.7, 0.0, -3.0]
    found = camera.project_weak(view, jnp.array([head, left_hand]))
    # The head is above (smaller y); the left hand of a person who faces us is on the right.
    np.testing.assert_allclose(found, [[10, -40], [80, 20]], rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_solve_weak_is_least_squares(seed: int) -> None:
    points, image, weights = scene(seed)
    found = camera.solve_weak(jnp.asarray(points), jnp.asarray(image), jnp.asarray(weights))
    # Rows of the linear system in (s, t_x, t_y).
    plane = points[:, :2] * [1, -1]
    rows = [np.stack([plane[:, i], np.full(18, 1 - i), np.full(18, i)], 1) for i in range(2)]
    root = np.sqrt(weights)[:, None]
    matrix = np.concatenate([root * r for r in rows])
    target = np.concatenate([root[:, 0] * image[:, i] for i in range(2)])
    expected, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    np.testing.assert_allclose(found.scale, expected[0], rtol=1e-5)
    np.testing.assert_allclose(found.translation, expected[1:], rtol=1e-5)


def test_solve_weak_recovers_the_camera() -> None:
    points, _, weights = map(jnp.asarray, scene())
    view = camera.WeakPerspective(jnp.float32(0.8), jnp.array([-0.3, 0.1]))
    found = camera.solve_weak(points, camera.project_weak(view, points), weights)
    np.testing.assert_allclose(found.scale, 0.8, rtol=1e-5)
    np.testing.assert_allclose(found.translation, [-0.3, 0.1], atol=1e-6)


def test_points_of_weight_zero_have_no_influence() -> None:
    points, image, weights = scene()
    hidden = weights.copy()
    hidden[[2, 5, 11]] = 0
    spoiled = image.copy()
    spoiled[[2, 5, 11]] = 1e6
    seen = hidden > 0
    found = camera.solve_weak(jnp.asarray(points), jnp.asarray(spoiled), jnp.asarray(hidden))
    points, image, weights = (array[seen] for array in (points, image, weights))
    expected = camera.solve_weak(jnp.asarray(points), jnp.asarray(image), jnp.asarray(weights))
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-6)
    np.testing.assert_allclose(found.translation, expected.translation, rtol=1e-6)


def test_scale_does_not_depend_on_the_weights_unit() -> None:
    points, image, weights = scene()
    one = camera.solve_weak(jnp.asarray(points), jnp.asarray(image), jnp.asarray(weights))
    many = camera.solve_weak(jnp.asarray(points), jnp.asarray(image), jnp.asarray(1e4 * weights))
    np.testing.assert_allclose(one.scale, many.scale, rtol=1e-5)


def test_a_body_seen_upside_down_does_not_turn_the_camera_inside_out() -> None:
    points, image, weights = scene()
    found = camera.solve_weak(jnp.asarray(points), -jnp.asarray(image), jnp.asarray(weights))
    assert 0 < found.scale < 1


@pytest.mark.parametrize(
    "case", ["no weights", "one point", "points coincide", "image coincides", "edge on"]
)
def test_degenerate_input_gives_finite_values_and_derivatives(case: str) -> None:
    points, image, weights = scene()
    if case == "no weights":
        weights[:] = 0
    elif case == "one point":
        weights[1:] = 0
    elif case == "points coincide":
        points[:] = points[0]
    elif case == "image coincides":
        image[:] = image[0]
    else:
        points[:, :2] = 0

    def total(points: jax.Array, image: jax.Array, weights: jax.Array) -> jax.Array:
        found = camera.solve_weak(points, image, weights)
        return found.scale + found.translation.sum()

    value, slopes = jax.value_and_grad(total, (0, 1, 2))(
        jnp.asarray(points), jnp.asarray(image), jnp.asarray(weights)
    )
    assert jnp.isfinite(value)
    for slope in slopes:
        assert jnp.isfinite(slope).all()


def test_gradient_of_solve_weak_by_finite_differences() -> None:
    points, *arrays = scene()
    image, weights = map(jnp.asarray, arrays)

    def error(points: jax.Array) -> jax.Array:
        view = camera.solve_weak(points, image / 100, weights)
        return ((camera.project_weak(view, points) - image / 100) ** 2).sum()

    found = jax.grad(error)(jnp.asarray(points))
    step = np.zeros_like(points)
    for index in [(0, 0), (7, 1), (17, 0), (3, 2)]:
        step[:] = 0
        step[index] = 1e-2
        numeric = (error(jnp.asarray(points + step)) - error(jnp.asarray(points - step))) / 2e-2
        np.testing.assert_allclose(found[index], numeric, rtol=0.02, atol=2e-3)


def test_perspective_from_afar_is_weak_perspective() -> None:
    points = jnp.asarray(scene()[0])
    errors = []
    for distance in (10.0, 100.0, 1000.0):
        view = camera.Perspective(
            jnp.float32(50 * distance),
            jnp.array([320.0, 240.0]),
            jnp.array([0.2, 0.1, -distance]),
        )
        weak = camera.WeakPerspective(jnp.float32(50.0), jnp.array([330.0, 235.0]))
        difference = camera.project_perspective(view, points) - camera.project_weak(weak, points)
        errors.append(float(jnp.abs(difference).max()))
    assert errors[0] > 1 > errors[1] > errors[2]
    # The difference falls with the distance.
    np.testing.assert_allclose(errors[0] / errors[1], 10, rtol=0.2)


def test_perspective_is_the_pinhole_equation() -> None:
    view = camera.Perspective(
        jnp.array([500.0, 600.0]), jnp.array([320.0, 240.0]), jnp.array([0.0, 0.0, -4.0])
    )
    near, far = camera.project_perspective(view, jnp.array([[0.5, 1.0, 1.0], [0.5, 1.0, -1.0]]))
    # What is nearer (larger z) is seen larger; Z is 3 m and 5 m.
    np.testing.assert_allclose(near, [320 + 500 * 0.5 / 3, 240 - 600 * 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(far, [320 + 500 * 0.5 / 5, 240 - 600 * 1 / 5], rtol=1e-6)


def lens_and_points() -> tuple[camera.Perspective, camera.WeakPerspective, camera.Intrinsics]:
    """The same pinhole camera, as it is written in one way and in the other."""
    position = jnp.array([0.3, -0.2, -2.5])
    pinhole = camera.Perspective(jnp.array(900.0), jnp.array([320.0, 240.0]), position)
    # s = f / T_z, t = c + s T
    scale = 900.0 / 2.5
    view = camera.WeakPerspective(
        jnp.array(scale), pinhole.centre + scale * position[:2] * camera.FLIP
    )
    return pinhole, view, camera.Intrinsics(jnp.array(1 / 900.0), pinhole.centre)


def test_scale_translation_and_intrinsics_are_a_pinhole_camera() -> None:
    pinhole, view, lens = lens_and_points()
    points = jnp.asarray(np.random.default_rng(0).normal(0, 0.5, (20, 3)), jnp.float32)
    expected = camera.project_perspective(pinhole, points)
    np.testing.assert_allclose(camera.project(view, points, lens), expected, rtol=1e-4)
    np.testing.assert_allclose(camera.position(view, lens), pinhole.position, rtol=1e-5)
    # Along their own lines of sight all points are seen as in weak perspective.
    plane = camera.along(points, camera.slopes(expected, lens))
    seen = view.scale * plane + view.translation[None]
    np.testing.assert_allclose(seen, expected, rtol=1e-4)


def test_solve_weak_recovers_a_pinhole_camera() -> None:
    _, view, lens = lens_and_points()
    points = jnp.asarray(np.random.default_rng(1).normal(0, 0.5, (20, 3)), jnp.float32)
    image = camera.project(view, points, lens)
    found = camera.solve_weak(points, image, jnp.ones(20), lens)
    np.testing.assert_allclose(found.scale, view.scale, rtol=1e-4)
    np.testing.assert_allclose(found.translation, view.translation, rtol=1e-4)
    # Without the lens it is another.
    assert abs(float(camera.solve_weak(points, image, jnp.ones(20)).scale / view.scale) - 1) > 0.01
