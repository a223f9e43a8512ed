import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, smpl
from ief_jax.geometry import rotations


@pytest.fixture(scope="module")
def small(body: smpl.BodyModel) -> smpl.BodyModel:
    """Every seventh vertex of the embedded body with some landmarks: another number of vertices."""
    kept = np.arange(0, 6890, 7)
    regressor = np.random.default_rng(0).dirichlet(np.full(len(kept), 0.05), 24)
    return dataclasses.replace(
        body,
        template=body.template[kept],
        shape_directions=body.shape_directions[kept],
        pose_directions=body.pose_directions[kept],
        joint_regressor=jnp.asarray(regressor, jnp.float32),
        weights=body.weights[kept],
        faces=jnp.zeros((1, 3), jnp.int32),
        landmarks=jnp.array([5, 100, 900]),
        landmark_names=("nose", "left_ear", "right_heel"),
    )


def random_inputs(count: int, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(seed)
    local = rotations.axis_angle_to_matrix(jnp.asarray(rng.normal(0, 0.7, (count, 24, 3))))
    return local, jnp.asarray(rng.normal(0, 2, (count, 10)), jnp.float32)


def points_on_the_mesh(
    body: smpl.BodyModel, rows: np.ndarray, local: jax.Array, betas: jax.Array
) -> jax.Array:
    """The same points by way of all vertices."""
    shaped = smpl.shape(body, betas)
    posed = smpl.pose(shaped.joints, local, body.parents)
    vertices = smpl.skin(body, shaped, posed, local)
    return jnp.concatenate([posed.joints, vertices[body.landmarks], rows @ vertices])


@pytest.mark.parametrize("which", ["body", "small"])
def test_points_are_those_of_the_mesh(which: str, request: pytest.FixtureRequest) -> None:
    body: smpl.BodyModel = request.getfixturevalue(which)
    vertices = len(body.template)
    rows = np.random.default_rng(1).dirichlet(np.full(vertices, 0.05), 3).astype(np.float32)
    # Weights that do not sum to one, or below zero, are regressors too.
    rows[1] *= -0.5
    model = joints.fold(body, {f"extra_{i}": row for i, row in enumerate(rows)})
    assert model.names == (
        *smpl.JOINT_NAMES,
        *body.landmark_names,
        "extra_0",
        "extra_1",
        "extra_2",
    )
    assert model.betas == 10
    local, betas = random_inputs(4)
    quick = jax.jit(jax.vmap(joints.positions, (None, 0, 0)))(model, local, betas)
    through = jax.jit(jax.vmap(points_on_the_mesh, (None, None, 0, 0)))(body, rows, local, betas)
    assert quick.dtype == jnp.float32
    np.testing.assert_allclose(quick, through, atol=1e-5)


def test_body_without_landmarks_has_its_joints(small: smpl.BodyModel) -> None:
    bare = dataclasses.replace(small, landmarks=jnp.zeros(0, jnp.int32), landmark_names=())
    model = joints.fold(bare)
    assert model.names == smpl.JOINT_NAMES
    local, betas = (array[0] for array in random_inputs(1))
    expected = points_on_the_mesh(bare, np.zeros((0, len(bare.template))), local, betas)
    np.testing.assert_allclose(joints.positions(model, local, betas), expected, atol=1e-5)
    points = joints.evaluate(model, local, betas)
    np.testing.assert_allclose(points.positions, expected, atol=1e-5)
    assert joints.levers(model, points).shape == (24, 24, 3)


def test_regressor_of_another_mesh_is_an_error(small: smpl.BodyModel) -> None:
    with pytest.raises(ValueError, match=r"regressor 'h36m_head' has shape \(6890,\)"):
        joints.fold(small, {"h36m_head": np.ones(6890)})


def test_regressor_named_as_a_joint_is_an_error(small: smpl.BodyModel) -> None:
    with pytest.raises(ValueError, match="regressor 'left_hip' has the name of a joint"):
        joints.fold(small, {"left_hip": np.ones(len(small.template))})


def test_regressor_takes_the_place_of_a_landmark(small: smpl.BodyModel) -> None:
    row = np.eye(1, len(small.template), 17)[0]
    model = joints.fold(small, {"left_ear": row})
    assert model.names == (*smpl.JOINT_NAMES, "nose", "left_ear", "right_heel")
    local, betas = (array[0] for array in random_inputs(1))
    ear = joints.positions(model, local, betas)[model.names.index("left_ear")]
    np.testing.assert_allclose(ear, smpl.vertices(small, local, betas)[17], atol=1e-5)


def test_evaluate_is_positions_with_the_exact_shape_derivative(
    joint_model: joints.JointModel,
) -> None:
    local, betas = (array[0] for array in random_inputs(1))
    points = jax.jit(joints.evaluate)(joint_model, local, betas)
    expected = jax.jit(joints.positions)(joint_model, local, betas)
    np.testing.assert_allclose(points.positions, expected, atol=3e-6)
    by_betas = jax.jit(jax.jacfwd(joints.positions, 2))(joint_model, local, betas)
    np.testing.assert_allclose(points.shape_jacobian, by_betas, atol=3e-6)
    world = smpl.world_rotations(local, joint_model.parents)
    np.testing.assert_allclose(points.world, world, atol=1e-6)
    np.testing.assert_allclose(joint_model.owners @ points.parts, expected[24:], atol=3e-6)


def test_levers_are_exact_without_pose_blend_shapes(small: smpl.BodyModel) -> None:
    model = joints.fold(dataclasses.replace(small, pose_directions=small.pose_directions * 0))
    local, betas = (array[0] for array in random_inputs(1, seed=3))

    def turned(by: jax.Array) -> jax.Array:
        # The world rotation exp(w) of a bone is exp(R_parent^T w) before its local rotation.
        world = smpl.world_rotations(local, model.parents)
        above = jnp.concatenate([jnp.eye(3)[None], world[np.array(model.parents[1:])]])
        within = rotations.rotate(above.swapaxes(-1, -2), by)
        step = rotations.axis_angle_to_matrix(within)
        return joints.positions(model, rotations.compose(step, local), betas)

    expected = jax.jit(jax.jacfwd(turned))(jnp.zeros((24, 3)))  # [P, 3, 24, 3]

    @jax.jit
    def by_hand(model: joints.JointModel) -> jax.Array:
        levers = joints.levers(model, joints.evaluate(model, local, betas))
        return joints.moved_by_turns(levers, jnp.broadcast_to(jnp.eye(3), (24, 3, 3)))

    found = by_hand(model)
    np.testing.assert_allclose(found, expected.reshape(found.shape), atol=1e-5)


def test_derivatives_are_finite_and_the_meshs(small: smpl.BodyModel) -> None:
    rng = np.random.default_rng(5)
    model = joints.fold(small)
    no_rows = np.zeros((0, len(small.template)), np.float32)
    target = jnp.asarray(rng.normal(0, 0.5, (len(model.names), 3)), jnp.float32)
    along = jnp.asarray(rng.normal(0, 1, 82), jnp.float32)

    def gradient_of(points: Callable[..., jax.Array]) -> Callable[[jax.Array], jax.Array]:
        def error(x: jax.Array) -> jax.Array:
            local = rotations.axis_angle_to_matrix(x[:72].reshape(24, 3))
            return ((points(local, x[72:]) - target) ** 2).sum()

        return jax.grad(error)

    gradient = gradient_of(functools.partial(joints.positions, model))
    through = jax.jit(gradient_of(functools.partial(points_on_the_mesh, small, no_rows)))
    derivatives = jax.jit(lambda x: (gradient(x), jax.grad(lambda y: gradient(y) @ along)(x)))
    for spread in (0.0, 0.7):  # at rest, and posed
        at = jnp.asarray(rng.normal(0, spread, 82), jnp.float32)
        first, second = derivatives(at)
        np.testing.assert_allclose(first, through(at), atol=1e-4 * float(jnp.abs(first).max()))
        ahead, behind = through(at + 1e-2 * along), through(at - 1e-2 * along)
        scale = float(jnp.abs(second).max())
        np.testing.assert_allclose(second, (ahead - behind) / 2e-2, atol=0.02 * scale)


def test_a_batch_with_its_gradient_costs_a_tenth_of_the_meshs(
    body: smpl.BodyModel, joint_model: joints.JointModel
) -> None:
    local, betas = random_inputs(256)
    no_rows = np.zeros((0, 6890), np.float32)

    def work(points: Callable[..., jax.Array]) -> float:
        def total(local: jax.Array, betas: jax.Array) -> jax.Array:
            return (jax.vmap(points)(local, betas) ** 2).sum()

        program = jax.jit(jax.value_and_grad(total, (0, 1))).lower(local, betas).compile()
        costs = program.cost_analysis()
        assert costs is not None
        return costs["flops"]

    quick = work(lambda *inputs: joints.positions(joint_model, *inputs))
    through = work(lambda *inputs: points_on_the_mesh(body, no_rows, *inputs))
    assert quick < through / 10, f"{quick:.3g} against {through:.3g} operations"


def test_restricted_model_keeps_the_joints_and_the_named_points(
    joint_model: joints.JointModel,
) -> None:
    model = joints.restrict(joint_model, ("right_ear", "nose", "left_hip", "no_such_point"))
    assert model.names == (*smpl.JOINT_NAMES, "nose", "right_ear")
    local, betas = (array[0] for array in random_inputs(1))
    everything = joints.positions(joint_model, local, betas)
    kept = [joint_model.names.index(name) for name in model.names]
    found = joints.positions(model, local, betas)
    np.testing.assert_allclose(found, everything[np.array(kept)], atol=1e-6)
