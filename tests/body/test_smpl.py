from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.body import model_files, smpl
from ief_jax.geometry import rotations
from tests.helpers.fabricated import smpl_fields


@pytest.fixture(scope="module")
def small() -> smpl.BodyModel:
    """A body of 30 vertices and 4 betas."""
    return made_up(30, 4)


def made_up(vertices: int, betas: int) -> smpl.BodyModel:
    fields = smpl_fields(vertices, betas)
    return smpl.BodyModel(
        template=jnp.asarray(fields["v_template"], jnp.float32),
        shape_directions=jnp.asarray(fields["shapedirs"], jnp.float32),
        pose_directions=jnp.asarray(fields["posedirs"], jnp.float32),
        joint_regressor=jnp.asarray(fields["J_regressor"], jnp.float32),
        weights=jnp.asarray(fields["weights"], jnp.float32),
        faces=jnp.asarray(fields["f"], jnp.int32),
        landmarks=jnp.zeros(0, jnp.int32),
        parents=model_files.PARENTS,
        landmark_names=(),
    )


def random_pose(seed: int, spread: float = 0.7) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (24, 3))


def local_of(axis_angle: jax.Array | np.ndarray) -> jax.Array:
    return rotations.axis_angle_to_matrix(jnp.asarray(axis_angle, jnp.float32))


def textbook(
    body: smpl.BodyModel, axis_angle: np.ndarray, betas: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """SMPL by loops over 4 x 4 transforms in double precision: rest and posed joints, vertices."""
    template, shapes, poses, regressor, weights = (
        np.asarray(array, np.float64)
        for array in (
            body.template,
            body.shape_directions,
            body.pose_directions,
            body.joint_regressor,
            body.weights,
        )
    )
    matrices = Rotation.from_rotvec(axis_angle).as_matrix()
    shaped = template + np.einsum("vcb,b->vc", shapes, betas)
    rest = np.einsum("jv,vc->jc", regressor, shaped)
    feature = np.concatenate([(matrix - np.eye(3)).ravel() for matrix in matrices[1:]])
    corrected = shaped + np.einsum("vcp,p->vc", poses, feature)
    chain: list[np.ndarray] = []
    for joint, parent in enumerate(body.parents):
        transform = np.eye(4)
        transform[:3, :3] = matrices[joint]
        transform[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
        chain.append(chain[parent] @ transform if parent >= 0 else transform)
    posed = np.stack([transform[:3, 3] for transform in chain])
    vertices = np.zeros_like(corrected)
    for vertex, point in enumerate(corrected):
        for joint, transform in enumerate(chain):
            from_rest = np.append(point - rest[joint], 1)
            vertices[vertex] += weights[vertex, joint] * (transform @ from_rest)[:3]
    return shaped, rest, posed, vertices


@pytest.mark.parametrize("seed", range(3))
def test_stages_are_the_textbooks(small: smpl.BodyModel, seed: int) -> None:
    axis_angle = random_pose(seed)
    betas = np.random.default_rng(seed).normal(0, 2, 4)
    shaped, rest, posed, vertices = textbook(small, axis_angle, betas)
    local, coefficients = local_of(axis_angle), jnp.asarray(betas, jnp.float32)
    at_rest = smpl.shape(small, coefficients)
    np.testing.assert_allclose(at_rest.vertices, shaped, atol=1e-6)
    np.testing.assert_allclose(at_rest.joints, rest, atol=1e-6)
    skeleton = smpl.pose(at_rest.joints, local, small.parents)
    np.testing.assert_allclose(skeleton.joints, posed, atol=2e-6)
    # A bone carries its own joint to where the joint is.
    carried = rotations.rotate(skeleton.rotations, at_rest.joints) + skeleton.translations
    np.testing.assert_allclose(carried, posed, atol=2e-6)
    skinned = smpl.skin(small, at_rest, skeleton, local)
    np.testing.assert_allclose(skinned, vertices, atol=3e-6)
    np.testing.assert_array_equal(smpl.vertices(small, local, coefficients), skinned)


@pytest.mark.parametrize(("vertices", "betas"), [(1, 1), (7, 10), (500, 300)])
def test_any_number_of_vertices_and_betas(vertices: int, betas: int) -> None:
    body = made_up(vertices, betas)
    axis_angle, coefficients = random_pose(0), np.random.default_rng(0).normal(0, 1, betas)
    posed = smpl.vertices(body, local_of(axis_angle), jnp.asarray(coefficients, jnp.float32))
    assert body.betas == betas
    np.testing.assert_allclose(posed, textbook(body, axis_angle, coefficients)[3], atol=5e-6)


def test_rest_pose_is_the_template(body: smpl.BodyModel) -> None:
    rest = smpl.vertices(body, local_of(np.zeros((24, 3))), jnp.zeros(10))
    np.testing.assert_allclose(rest, body.template, atol=1e-6)


def test_root_turns_the_body_about_the_pelvis(body: smpl.BodyModel) -> None:
    axis_angle = random_pose(1, 0.4)
    turn = Rotation.from_rotvec([0.3, -2.0, 0.5])
    turned = axis_angle.copy()
    turned[0] = (turn * Rotation.from_rotvec(axis_angle[0])).as_rotvec()
    betas = jnp.ones(10)
    before = np.asarray(smpl.vertices(body, local_of(axis_angle), betas))
    after = smpl.vertices(body, local_of(turned), betas)
    pelvis = np.asarray(smpl.shape(body, betas).joints[0])
    np.testing.assert_allclose(after, turn.apply(before - pelvis) + pelvis, atol=3e-6)


def test_left_knee_bends_the_left_lower_leg_alone(body: smpl.BodyModel) -> None:
    axis_angle = np.zeros((24, 3))
    axis_angle[smpl.JOINT_NAMES.index("left_knee"), 0] = 1.2  # heel to the back: about +x
    moved = smpl.vertices(body, local_of(axis_angle), jnp.zeros(10)) - body.template
    names = body.landmark_names
    heel = moved[body.landmarks[names.index("left_heel")]]
    assert heel[2] < -0.2 and heel[1] > 0.1
    assert abs(heel[0]) < 0.05
    upper = np.asarray(body.template[:, 1]) > float(smpl.shape(body, jnp.zeros(10)).joints[0, 1])
    assert np.abs(moved[upper]).max() < 1e-3


def test_pose_feature_is_row_by_row_without_the_root() -> None:
    local = np.array(local_of(random_pose(2)))
    feature = smpl.pose_feature(jnp.asarray(local))
    assert feature.shape == (207,)
    np.testing.assert_allclose(feature[:9], (local[1] - np.eye(3)).ravel(), atol=1e-7)
    np.testing.assert_allclose(feature[-9:], (local[23] - np.eye(3)).ravel(), atol=1e-7)


def test_world_rotations_and_ancestors_of_a_chain() -> None:
    parents = (-1, *range(23))
    local = np.asarray(local_of(random_pose(3)))
    product, expected = np.eye(3), []
    for matrix in local.astype(np.float64):
        product = product @ matrix
        expected.append(product)
    world = smpl.world_rotations(jnp.asarray(local), parents)
    np.testing.assert_allclose(world, np.stack(expected), atol=3e-6)
    np.testing.assert_array_equal(smpl.ancestors(parents), np.tril(np.ones((24, 24))))


def test_everything_is_float32(small: smpl.BodyModel) -> None:
    local, betas = local_of(random_pose(0)), jnp.zeros(4)
    shaped = smpl.shape(small, betas)
    posed = smpl.pose(shaped.joints, local, small.parents)
    for array in (*shaped, *posed, smpl.skin(small, shaped, posed, local)):
        assert array.dtype == jnp.float32


def test_batches_by_vmap(small: smpl.BodyModel) -> None:
    local = jnp.stack([local_of(random_pose(seed)) for seed in range(3)])
    betas = jnp.asarray(np.random.default_rng(0).normal(0, 1, (3, 4)), jnp.float32)
    batched = jax.jit(jax.vmap(smpl.vertices, (None, 0, 0)))(small, local, betas)
    singly = [smpl.vertices(small, *one) for one in zip(local, betas, strict=True)]
    np.testing.assert_allclose(batched, jnp.stack(singly), atol=2e-6)


def test_derivatives_are_finite_and_right(small: smpl.BodyModel) -> None:
    rng = np.random.default_rng(4)
    target = rng.normal(0, 0.5, small.template.shape)

    def error(parameters: jax.Array) -> jax.Array:
        posed = smpl.vertices(small, local_of(parameters[:72].reshape(24, 3)), parameters[72:])
        return ((posed - jnp.asarray(target, jnp.float32)) ** 2).sum()

    def reference(parameters: np.ndarray) -> float:
        posed = textbook(small, parameters[:72].reshape(24, 3), parameters[72:])[3]
        return float(((posed - target) ** 2).sum())

    direction = rng.normal(0, 1, 76)
    along = jnp.asarray(direction, jnp.float32)
    gradient = jax.grad(error)
    derivatives = jax.jit(lambda x: (gradient(x), jax.grad(lambda y: gradient(y) @ along)(x)))
    for spread in (0.0, 1e-4, 0.7):  # at rest, nearly, and posed
        at = rng.normal(0, spread, 76)
        point = jnp.asarray(at, jnp.float32)
        first, second = derivatives(point)
        step = 1e-5 * direction
        slope = (reference(at + step) - reference(at - step)) / 2e-5
        np.testing.assert_allclose(first @ direction, slope, rtol=1e-4, atol=1e-3)
        # The derivative of the gradient along the direction, against differences of it.
        ahead, behind = derivatives(point + 1e-2 * along)[0], derivatives(point - 1e-2 * along)[0]
        scale = float(jnp.abs(second).max())
        np.testing.assert_allclose(second, (ahead - behind) / 2e-2, atol=0.02 * scale)


def test_derivatives_of_world_rotations_are_those_of_the_products() -> None:
    """First and second, in both modes, along rotations that stay rotations."""
    parents = (-1, 0, 0, 0, 1, 2, 2, 5, 6)

    def products(local: jax.Array) -> jax.Array:
        world = [local[0]]
        for joint, parent in enumerate(parents[1:], 1):
            world.append(world[parent] @ local[joint])
        return jnp.stack(world)

    weights = jax.random.normal(jax.random.key(1), (9, 3, 3))
    start, along = 0.6 * jax.random.normal(jax.random.key(2), (2, 9, 3))

    def derivatives(chain: Callable[[jax.Array], jax.Array]) -> list[jax.Array]:
        @jax.jit
        def value(vectors: jax.Array) -> jax.Array:
            return (weights * chain(rotations.axis_angle_to_matrix(vectors)) ** 2).sum()

        reverse, second = jax.jvp(jax.grad(value), (start,), (along,))
        return [reverse, second, jax.jvp(value, (start,), (along,))[1]]

    found = derivatives(lambda local: smpl.world_rotations(local, parents))
    for own, expected in zip(found, derivatives(products), strict=True):
        np.testing.assert_allclose(own, expected, atol=2e-5 * np.abs(expected).max())
