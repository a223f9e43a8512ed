"""What LGD refuses, by name."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior, smpl
from ief_jax.geometry.camera import WeakPerspective
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import (
    belief,
    build,
    evaluation,
    gauss_newton,
    inference,
    iteration,
    losses,
    metrics,
    parameters,
    reprojection,
    smplify,
    synthetic_views,
    training_people,
)
from ief_jax.lgd.config import PAPER, RELEASED
from ief_jax.lgd.network import UpdateNetwork
from ief_jax.lgd.parameters import Body
from tests.helpers import borders, tiny
from tests.helpers.borders import Border

BOOL, INT = np.bool_, np.int32
SEEN = {"points": (27, 2), "confidence": (27,)}
WRONG_SEEN = (
    ("points", (17, 2), "observed.points"),
    ("points", (27, 3), "observed.points"),
    ("confidence", (17,), "observed.confidence"),
    ("confidence", ((27,), BOOL), "observed.confidence"),
)
BATCH = {"points": (4, 27, 2), "confidence": (4, 27)}
WRONG_BATCH = (
    ("points", (4, 17, 2), "observed.points"),
    ("points", (27, 2), "observed.points"),
    ("confidence", (3, 27), "observed.confidence"),
    ("confidence", ((4, 27), BOOL), "observed.confidence"),
)

BORDERS = {
    "mpjpe": Border(
        metrics.mpjpe,
        {"estimate": (4, 14, 3), "truth": (4, 14, 3)},
        (("estimate", (4, 14, 2)), ("truth", (4, 13, 3)), ("truth", ((4, 14, 3), BOOL))),
    ),
    "procrustes_align": Border(
        metrics.procrustes_align,
        {"estimate": (14, 3), "truth": (14, 3)},
        (("estimate", (2, 14, 3)), ("truth", (13, 3))),
    ),
    "pa_mpjpe": Border(
        metrics.pa_mpjpe,
        {"estimate": (14, 3), "truth": (14, 3)},
        (("estimate", (14, 2)), ("truth", (14,))),
    ),
    "mirror_axis_angle": Border(
        parameters.mirror_axis_angle,
        {"vectors": (24, 3)},
        (("vectors", (72,)), ("vectors", (2, 24, 3)), ("vectors", ((24, 3), BOOL))),
    ),
    "mirror_six_d": Border(
        parameters.mirror_six_d, {"vectors": (24, 6)}, (("vectors", (24, 3)), ("vectors", (23, 6)))
    ),
    "unflatten": Border(
        lambda vector: parameters.unflatten(vector, parameters.AXIS_ANGLE.start(10)),
        {"vector": (5, 85)},
        (("vector", (5, 84)), ("vector", ())),
    ),
    "network": Border(
        lambda features: UpdateNetwork(3, 4, 1).init(jax.random.key(0), features),
        {"features": (5, 7)},
        (("features", ()), ("features", ((5, 7), BOOL))),
    ),
    "random_view": Border(
        lambda root: synthetic_views.random_view(jax.random.key(0), root),
        {"root": (3, 3)},
        (("root", (3,)), ("root", (2, 3, 3))),
    ),
    "random_camera": Border(
        lambda points: synthetic_views.random_camera(jax.random.key(0), points),
        {"points": (27, 3)},
        (("points", (27, 2)), ("points", (2, 27, 3))),
    ),
    "box_side": Border(
        synthetic_views.box_side, SEEN, (("points", (27, 3)), ("confidence", (17,)))
    ),
    "add_keypoint_noise": Border(
        lambda points, confidence, noise, drop: synthetic_views.add_keypoint_noise(
            points, confidence, jax.random.key(0), noise, drop
        ),
        {**SEEN, "noise": (), "drop": ()},
        (("points", (27, 3)), ("confidence", (17,)), ("noise", (27,)), ("drop", (27,))),
    ),
    "mirror_keypoints": Border(
        lambda points, confidence: iteration.mirror_keypoints(
            Keypoints2D(points, confidence), np.arange(27)
        ),
        SEEN,
        WRONG_SEEN,
    ),
    "robust_error": Border(
        lambda estimate, points, confidence: reprojection.robust_error(
            estimate, Keypoints2D(points, confidence)
        ),
        {"estimate": (27, 2), **SEEN},
        (("estimate", (27, 3)), *WRONG_SEEN),
    ),
    "gaussian_prior": Border(
        lambda local, betas, outputs: belief.gaussian_prior(
            Body(local, betas), belief.uncertainty(outputs, 10), jnp.eye(82)
        ),
        {"local": (24, 3, 3), "betas": (10,), "outputs": (109,)},
        (("local", (23, 3, 3), "body.local"), ("outputs", (2, 109))),
    ),
    "correlation": Border(belief.correlation_of, {"factor": (82, 82)}, (("factor", (82, 72)),)),
    "from_poses": Border(
        lambda poses, betas: jnp.zeros(
            training_people.from_poses(poses, betas, np.ones(5)) is None
        ),
        {"poses": (5, 24, 3), "betas": (5, 10)},
        (("poses", (5, 72)), ("betas", (4, 10)), ("betas", (10,))),
    ),
}


@pytest.mark.parametrize("name", BORDERS)
def test_arrays_of_other_shapes_are_refused_by_name(name: str) -> None:
    borders.check(BORDERS[name])


@pytest.fixture(scope="module", params=[PAPER, RELEASED], ids=lambda c: c.name)
def task(request: pytest.FixtureRequest, joint_model: joints.JointModel) -> reprojection.Problem:
    return build.problem(request.param, joint_model)


def states(task: reprojection.Problem) -> dict[str, tuple[int, ...]]:
    """The shapes of Theta's groups."""
    return {name: group.shape for name, group in task.parameterisation.start(10).items()}


def test_errors_and_gradients_refuse_other_states_and_keypoints(task: reprojection.Problem) -> None:
    groups = states(task)
    for function in (
        reprojection.reproject,
        reprojection.reprojection_error,
        reprojection.error_and_gradient,
        reprojection.detached_error_and_gradient,
    ):

        def call(
            points: jax.Array,
            confidence: jax.Array,
            function: object = function,
            **theta: jax.Array,
        ) -> object:
            return function(task, theta, Keypoints2D(points, confidence))  # type: ignore[operator]

        wrong = (("pose", (72,), "theta"), ("shape", (9,), "theta"), ("rotation", (), "theta"))
        borders.check(Border(call, {**groups, **SEEN}, (*wrong, *WRONG_SEEN)))
    with pytest.raises(ValueError, match="^theta: expected the groups of the parameterisation"):
        reprojection.reproject(
            task, {"pose": jnp.zeros(69)}, Keypoints2D(jnp.zeros((27, 2)), jnp.zeros(27))
        )
    short = task._replace(selection=task.selection[:, :-1])
    with pytest.raises(ValueError, match=r"^problem.selection: expected \[K, P\]"):
        reprojection.reproject(
            short,
            task.parameterisation.start(10),
            Keypoints2D(jnp.zeros((27, 2)), jnp.zeros(27)),
        )


def test_steps_refuse_other_keypoints(task: reprojection.Problem) -> None:
    size = iteration.theta_size(task)

    propose = iteration.proposal(lambda shown: jnp.zeros((len(shown), size)))
    functions: tuple[Callable[[Keypoints2D], object], ...] = (
        lambda seen: iteration.initial_theta(task, seen),
        lambda seen: iteration.unroll(task, propose, seen, 2),
        # What they return is a function.
        lambda seen: [iteration.correction(task, propose, seen)][1:],
        lambda seen: [iteration.gradient_descent(task, seen, 0.1)][1:],
    )

    def call(
        points: jax.Array, confidence: jax.Array, function: Callable[[Keypoints2D], object]
    ) -> object:
        return function(Keypoints2D(points, confidence))

    for function in functions:
        borders.check(Border(partial(call, function=function), BATCH, WRONG_BATCH))
    seen = Keypoints2D(jnp.zeros((4, 27, 2)), jnp.ones((4, 27)))
    with pytest.raises(ValueError, match=r"^rate: expected \[\], got float32 \(2,\)"):
        iteration.gradient_descent(task, seen, jnp.zeros(2))
    with pytest.raises(ValueError, match="^steps: expected an integer, 0 or more, got -1"):
        iteration.unroll(task, propose, seen, -1)
    for output, said in (
        (jnp.zeros((4, size - 1)), f"expected \\[N, {size}\\] at least"),
        (jnp.zeros(size), r"expected \[N, D\] update and more"),
    ):
        with pytest.raises(ValueError, match="^the network's output: " + said):
            iteration.unroll(task, iteration.proposal(partial(_always, output)), seen, 1)


def _always(output: jax.Array, shown: jax.Array) -> jax.Array:
    """A network that says the same of everything."""
    return output


def test_a_whole_run_refuses_other_keypoints(joint_model: joints.JointModel) -> None:
    trained = tiny.checkpoint(joint_model)
    run = partial(inference.infer, trained.configuration, 2, trained.weights, joint_model)
    borders.check(
        Border(
            lambda points, confidence: run(Keypoints2D(points, confidence)).states,
            BATCH,
            WRONG_BATCH,
        )
    )
    pixels = Keypoints2D(jnp.zeros((4, 27, 2)), jnp.ones((4, 27)))
    with pytest.raises(ValueError, match="^steps: expected an integer, 0 or more, got -1"):
        inference.infer(trained.configuration, -1, trained.weights, joint_model, pixels)


def test_losses_refuse_another_truth(task: reprojection.Problem) -> None:
    points = len(task.model.names)
    truth = {
        "local": (24, 3, 3),
        "betas": (10,),
        "places": (points, 3),
        "scale": (),
        "move": (2,),
        "right": (27, 2),
    }
    wrong = (
        ("local", (24, 3), "truth.body.local"),
        ("betas", (9,), "truth.body.betas"),
        ("places", (24, 3), "truth.points"),
        ("scale", (1,), "camera.scale"),
        ("move", (3,), "camera.translation"),
        ("right", (17, 2), "truth.keypoints"),
    )

    def read(**given: jax.Array) -> losses.Truth:
        return losses.Truth(
            Body(given["local"], given["betas"]),
            given["places"],
            WeakPerspective(given["scale"], given["move"]),
            given["right"],
        )

    zero = task.parameterisation.start(10)
    borders.check(
        Border(lambda **given: losses.parameter_loss(task, zero, read(**given)), truth, wrong)
    )
    borders.check(
        Border(
            lambda **given: losses.body_loss(
                task,
                zero,
                Keypoints2D(given["points"], given["confidence"]),
                read(**given),
            ),
            {**SEEN, **truth},
            (*wrong, *WRONG_SEEN),
        )
    )


def test_second_order_steps_refuse_what_does_not_belong(joint_model: joints.JointModel) -> None:
    model = joints.restrict(joint_model, build.LAYOUT)
    count = len(model.names)
    right = {
        **SEEN,
        "selection": (27, count),
        "local": (24, 3, 3),
        "betas": (10,),
        "turns": (24, 3),
        "spreads": (10,),
        "correlation": (82, 82),
    }
    wrong = (
        *WRONG_SEEN,
        ("selection", (27, count + 1)),
        ("local", (24, 9), "prior.body.local"),
        ("betas", (9,), "prior.body.betas"),
        ("turns", (72,), "prior.turn_deviation"),
        ("spreads", (9,), "prior.betas_deviation"),
        ("correlation", (72, 72), "prior.correlation"),
    )

    def parts(
        given: dict[str, jax.Array],
    ) -> tuple[gauss_newton.Measurement, gauss_newton.GaussianPrior]:
        seen = Keypoints2D(given["points"], given["confidence"])
        body = Body(given["local"], given["betas"])
        return (
            gauss_newton.Measurement(model, given["selection"], seen, jnp.ones(27)),
            gauss_newton.GaussianPrior(
                body, given["turns"], given["spreads"], given["correlation"]
            ),
        )

    def linearise(turn: jax.Array, move: jax.Array, **given: jax.Array) -> object:
        return gauss_newton.linearise(*parts(given), gauss_newton.Displacement(turn, move))

    borders.check(
        Border(
            linearise,
            {**right, "turn": (24, 3), "move": (10,)},
            (*wrong, ("turn", (72,), "at.turn"), ("move", (9,), "at.betas")),
        )
    )
    borders.check(Border(lambda **given: gauss_newton.map_estimate(*parts(given), 2), right, wrong))
    with pytest.raises(ValueError, match="^steps: expected an integer, 0 or more, got -1"):
        given = {name: jnp.zeros(shape) for name, shape in right.items()}
        gauss_newton.map_estimate(*parts(given), -1)

    def nll(turns: jax.Array, spreads: jax.Array, local: jax.Array, betas: jax.Array) -> jax.Array:
        mean = Body(jnp.zeros((24, 3, 3)), jnp.zeros(10))
        prior = gauss_newton.GaussianPrior(mean, turns, spreads, jnp.eye(82))
        truth = losses.Truth(Body(local, betas), *3 * [jnp.zeros(())])  # type: ignore[arg-type]
        return losses.prior_loss(prior, truth)

    borders.check(
        Border(
            nll,
            {"turns": (24, 3), "spreads": (10,), "local": (24, 3, 3), "betas": (10,)},
            (("local", (24, 3), "truth.body.local"), ("betas", (9,), "truth.body.betas")),
        )
    )


def test_smplify_refuses_what_does_not_belong(joint_model: joints.JointModel) -> None:
    model = joints.restrict(joint_model, build.LAYOUT)
    prior = pose_prior.embedded()
    count = len(model.names)

    def problem(given: dict[str, jax.Array]) -> smplify.Problem:
        seen = Keypoints2D(given["points"], given["confidence"])
        return smplify.Problem(model, given["selection"], prior, seen)

    right = {**SEEN, "selection": (27, count)}
    wrong = (*WRONG_SEEN, ("selection", (27, count - 1), "problem.selection"))
    settings = smplify.Settings(steps=2)
    borders.check(
        Border(lambda **given: smplify.fit(problem(given), settings, (0.0,)), right, wrong)
    )
    variables = {"pose": (63,), "rotation": (3,), "betas": (10,), "yaw": ()}

    def objective(**given: jax.Array) -> jax.Array:
        point = smplify.Variables(given["pose"], given["rotation"], given["betas"])
        return smplify.objective(problem(given), point, given["yaw"], 0.01, 0.1)

    borders.check(
        Border(
            objective,
            {**right, **variables},
            (
                *wrong,
                ("pose", (69,), "variables.pose"),
                ("rotation", (3, 3), "variables.rotation"),
                ("betas", (9,)),
                ("yaw", (1,)),
            ),
        )
    )


def test_views_refuse_what_is_not_of_the_body(joint_model: joints.JointModel) -> None:
    count, key = len(joint_model.names), jax.random.key(0)
    right = {"selection": (27, count), "pose": (24, 3), "betas": (10,)}
    wrong = (("selection", (27, count - 1)), ("pose", (72,)), ("pose", (2, 24, 3)))
    borders.check(
        Border(
            lambda selection, pose, betas: synthetic_views.view_body(
                key, joint_model, selection, pose, betas
            ),
            right,
            (*wrong, ("betas", (9,))),
        )
    )
    borders.check(
        Border(
            lambda selection, pose: synthetic_views.example(key, joint_model, selection, pose),
            {name: right[name] for name in ("selection", "pose")},
            wrong,
        )
    )


def test_evaluation_refuses_what_does_not_belong(
    body: smpl.BodyModel, joint_model: joints.JointModel
) -> None:
    seed, prior = jnp.uint32(0), pose_prior.embedded()
    number = (("number", (4,)), ("number", ((4, 1), INT)))
    borders.check(
        Border(
            lambda poses, number: evaluation.examples_of_poses(joint_model, poses, number, seed),
            {"poses": (4, 24, 3), "number": ((4,), INT)},
            (("poses", (4, 72)), ("number", ((3,), INT)), *number),
        )
    )
    borders.check(
        Border(
            lambda number: evaluation.examples_of_prior(joint_model, prior, number, seed),
            {"number": ((4,), INT)},
            number,
        )
    )
    for function in (
        lambda seen: evaluation.rest_pose(joint_model, seen),
        lambda seen: evaluation.optimised(
            joint_model, prior, smplify.Settings(steps=2), (0.0,), seen
        ),
    ):
        borders.check(
            Border(
                lambda points, confidence, f=function: f(Keypoints2D(points, confidence)),
                SEEN,
                WRONG_SEEN,
            )
        )
    posed = {"local": (24, 3, 3), "betas": (10,)}
    wrong = (("local", (24, 3), "posed.local"), ("betas", (9,), "posed.betas"))
    borders.check(
        Border(
            lambda local, betas: evaluation.pelvis_vertices(body, joint_model, Body(local, betas)),
            posed,
            wrong,
        )
    )
    example = jax.eval_shape(
        lambda: jax.tree.map(
            lambda leaf: leaf[0],
            evaluation.examples_of_poses(
                joint_model, jnp.zeros((1, 24, 3)), jnp.zeros(1, jnp.int32), seed
            ),
        )
    )

    def errors(local: jax.Array, betas: jax.Array, keypoints: jax.Array) -> object:
        estimate = evaluation.Estimate(Body(local, betas), keypoints)
        known = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), example)
        return evaluation.joint_errors(joint_model, estimate, known)

    borders.check(
        Border(
            errors,
            {**posed, "keypoints": (27, 2)},
            (
                ("local", (24, 3), "estimate.body.local"),
                ("betas", (9,), "estimate.body.betas"),
                ("keypoints", (17, 2), "observed.points"),
            ),
        )
    )


def test_every_pose_has_a_weight() -> None:
    for weights in (np.ones(4), np.ones((5, 1))):
        with pytest.raises(ValueError, match=r"^weights: expected \[N\]"):
            training_people.from_poses(jnp.zeros((5, 24, 3)), 10, weights)
