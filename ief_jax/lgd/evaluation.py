"""How far fitted bodies are from known ones: the project's protocol and its measures.

The protocol: every pose is seen once, as `synthetic_views.example` turns, shapes and projects it;
its keypoints may get noise from `synthetic_views.add_keypoint_noise`; everything follows from one
seed, pose by pose.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from ief_jax import checks
from ief_jax.body import joints, pose_prior, smpl
from ief_jax.geometry import camera, keypoints2d, rotations, skeletons
from ief_jax.lgd import (
    build,
    checkpoints,
    fitting,
    kitro,
    metrics,
    parameters,
    smplify,
    synthetic_views,
    uncertainty,
)
from ief_jax.lgd.parameters import Body

MILLIMETRES = 1000.0

DETECTED = np.isin(build.LAYOUT, skeletons.COCO_18).astype(np.float32)
"""The keypoints that the protocol lets a fit see: OpenPose's COCO model's 18, of 27."""


class Examples(NamedTuple):
    """N people with known bodies, and what a fit is given of them.

    Attributes:
      truth: bodies, cameras, and keypoints without fault; leading axis N.
      observed: the keypoints that a fit sees, pixels.
    """

    truth: synthetic_views.Example
    observed: keypoints2d.Keypoints2D


class Estimate(NamedTuple):
    """A fitted body, its keypoints [K, 2] in pixels, and where it is known how sure its joints are.

    `deviation` [24, 2] is that of `fitting.Bodies`.
    """

    body: Body
    keypoints: jax.Array
    deviation: jax.Array | None = None


class Errors(NamedTuple):
    """Errors of an estimate.

    Attributes:
      pa_mpjpe: mean error of the 14 joints after Procrustes alignment, mm.
      mpjpe: mean error of the 14 joints with the pelvis in the same place, mm.
      vertex: mean error of the vertices with the pelvis in the same place, mm.
      reprojection: mean distance of the body's keypoints from the observed ones, as a share of
        the larger side of the box round the observed keypoints.
    """

    pa_mpjpe: jax.Array
    mpjpe: jax.Array
    vertex: jax.Array
    reprojection: jax.Array


def choose(total: int, count: int | None, seed: int) -> np.ndarray:
    """Which of `total` poses are evaluated: `count` of them at random, or all; ascending."""
    if count is None or count >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


@partial(jax.jit, static_argnames="view")
def examples_of_poses(
    model: joints.JointModel,
    poses: jax.Array,
    number: jax.Array,
    seed: jax.Array,
    noise: float | jax.Array = 0.0,
    drop: float | jax.Array = 0.0,
    view: synthetic_views.View = synthetic_views.view_body,
) -> Examples:
    """The protocol on given poses.

    Args:
      model: the body.
      poses: [N, 24, 3] axis-angle, radians.
      number: [N] each pose's place in its file: the same pose looks the same in every selection.
      seed: of views, shapes, cameras, noise.
      noise: as in `synthetic_views.add_keypoint_noise`.
      drop: likewise.
      view: how they are seen, of `synthetic_views`: `view_body` or `view_body_in_perspective`.
    """
    checks.arrays(
        ("poses", poses, "[N, 24, 3] axis-angle, radians"),
        ("number", number, "int [N] of each pose"),
    )
    return jax.vmap(partial(_example, model, seed, noise, drop, view))(poses, number)


@partial(jax.jit, static_argnames="view")
def examples_of_prior(
    model: joints.JointModel,
    prior: pose_prior.PosePrior,
    number: jax.Array,
    seed: jax.Array,
    noise: float | jax.Array = 0.0,
    drop: float | jax.Array = 0.0,
    view: synthetic_views.View = synthetic_views.view_body,
) -> Examples:
    """The protocol on poses drawn from the prior, one for each `number` [N]."""

    checks.arrays(("number", number, "int [N] of each pose"))

    def draw(index: jax.Array) -> jax.Array:
        return pose_prior.sample(prior, _keys(seed, index)[0])

    examples = partial(_example, model, seed, noise, drop, view)
    return jax.vmap(examples)(jax.vmap(draw)(number), number)


def _keys(seed: jax.Array, number: jax.Array) -> jax.Array:
    """Keys for the pose, the view and the keypoint_noise of example `number`."""
    return jax.random.split(jax.random.fold_in(jax.random.key(seed), number), 3)


def _example(
    model: joints.JointModel,
    seed: jax.Array,
    noise: float | jax.Array,
    drop: float | jax.Array,
    view: synthetic_views.View,
    pose: jax.Array,
    number: jax.Array,
) -> Examples:
    _, key, noise_key = _keys(seed, number)
    truth = synthetic_views.example(key, model, _selection(model, build.LAYOUT), pose, view)
    # As detected: the 18 keypoints of OpenPose's COCO model are seen, the others are not.
    detected = truth.confidence * jnp.asarray(DETECTED)
    points, confidence = synthetic_views.add_keypoint_noise(
        truth.points, detected, noise_key, noise, drop
    )
    return Examples(truth, keypoints2d.Keypoints2D(points, confidence, truth.intrinsics))


def rest_pose(model: joints.JointModel, observed: keypoints2d.Keypoints2D) -> Estimate:
    """The mean body in its rest pose, with the best camera for it: for one person."""
    keypoints2d.check(observed, K=len(build.LAYOUT))
    local = jnp.broadcast_to(jnp.eye(3), (smpl.JOINTS, 3, 3))
    return _seen(model, Body(local, jnp.zeros(model.betas)), observed)


def optimised(
    model: joints.JointModel,
    prior: pose_prior.PosePrior,
    settings: smplify.Settings,
    yaws: tuple[float, ...],
    observed: keypoints2d.Keypoints2D,
) -> Estimate:
    """`smplify.fit` of one person, started from each of `yaws`."""
    keypoints2d.check(observed, K=len(build.LAYOUT))
    # Points that are not seen cost time.
    seen = joints.restrict(model, build.LAYOUT)
    normal = keypoints2d.normalise(observed, keypoints2d.bounding_square(observed))
    task = smplify.Problem(seen, _selection(seen, build.LAYOUT), prior, normal)
    found = smplify.fit(task, settings, yaws)
    return _seen(model, Body(found.local, found.betas), observed)


def swung(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    observed: keypoints2d.Keypoints2D,
) -> Estimate:
    """`learned` of a batch, each body refined by `kitro.refine`: [N, ...]."""

    def of_person(body: Body, observed: keypoints2d.Keypoints2D) -> Estimate:
        selection = _selection(model, build.LAYOUT)
        return _seen(model, kitro.refine(model, selection, body, observed), observed)

    before = learned(checkpoint, model, None, observed)
    return jax.vmap(of_person)(before.body, observed)


def learned(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    steps: int | None,
    observed: keypoints2d.Keypoints2D,
) -> Estimate:
    """`fitting.fit` of a batch: [N, ...]."""
    points, confidence, lens = observed
    return _of_bodies(fitting.fit(checkpoint, model, points, confidence, steps, lens))


def path(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    steps: int | None,
    observed: keypoints2d.Keypoints2D,
) -> Estimate:
    """All states of `fitting.fit` of a batch, as `fitting.trace` has them: [N, T + 1 + S, ...]."""
    points, confidence, lens = observed
    return _of_bodies(fitting.trace(checkpoint, model, points, confidence, steps, lens).bodies)


def _of_bodies(bodies: fitting.Bodies) -> Estimate:
    vectors = bodies.poses.reshape(*bodies.poses.shape[:-1], smpl.JOINTS, 3)
    body = Body(rotations.axis_angle_to_matrix(vectors), bodies.betas)
    return Estimate(body, bodies.keypoints, bodies.deviation)


def joint_errors(
    model: joints.JointModel, estimate: Estimate, example: Examples
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(PA-MPJPE mm, MPJPE mm, reprojection) of one person's estimate, as in `Errors`."""
    parameters.check(estimate.body, model.betas, "estimate.body")
    keypoints2d.check(example.observed, K=len(estimate.keypoints))
    model = joints.restrict(model, ())
    evaluated = _selection(model, skeletons.EVALUATION_14)
    truth = example.truth
    found = joints.positions(model, estimate.body.local, estimate.body.betas)
    right = joints.positions(model, truth.local, truth.betas)
    found, right = found - found[:1], right - right[:1]
    seen = example.observed.confidence > 0
    distance = jnp.linalg.norm(estimate.keypoints - example.observed.points, axis=-1)
    observed = example.observed
    side = jnp.maximum(synthetic_views.box_side(observed.points, observed.confidence), 1.0)
    reprojection = jnp.where(seen, distance, 0.0).sum() / jnp.maximum(seen.sum(), 1) / side
    return (
        MILLIMETRES * metrics.pa_mpjpe(evaluated @ found, evaluated @ right),
        MILLIMETRES * metrics.mpjpe(evaluated @ found, evaluated @ right),
        reprojection,
    )


class Calibration(NamedTuple):
    """Whether fits are as sure as they may be.

    Attributes:
      image: share of the joints' errors along the image's axes that are within one deviation.
      depth: the same along the line of sight.
      sorted: share of the pairs of a body better and one worse than the median, by PA-MPJPE, of
        which the one that is thought to be worse is (the area under the ROC curve).
    """

    image: float
    depth: float
    sorted: float


def calibration(model: joints.JointModel, estimates: Estimate, examples: Examples) -> Calibration:
    """Of N estimates that say how sure they are.

    Raises:
      ValueError: they do not.
    """
    if estimates.deviation is None:
        raise ValueError("estimates.deviation: expected [N, 24, 2], got None")
    offsets, errors = _offsets(model, estimates.body, examples)
    deviation = np.asarray(estimates.deviation)[:, 1:]
    within = np.abs(offsets[:, 1:]) < deviation[:, :, [0, 0, 1]]
    evaluated = skeletons.selection(skeletons.EVALUATION_14, smpl.JOINT_NAMES) > 0
    expected = uncertainty.expected_error(jnp.asarray(estimates.deviation)[:, evaluated.any(0)])
    worse = np.asarray(errors) > np.median(errors)
    ranks = scipy.stats.rankdata(expected)[worse]
    # U = sum of ranks - n (n + 1) / 2 (Mann and Whitney 1947)
    wins = ranks.sum() - len(ranks) * (len(ranks) + 1) / 2
    pairs = len(ranks) * (~worse).sum()
    return Calibration(
        float(within[..., :2].mean()), float(within[..., 2].mean()), float(wins / max(pairs, 1))
    )


@jax.jit
def _offsets(
    model: joints.JointModel, found: Body, examples: Examples
) -> tuple[jax.Array, jax.Array]:
    """N estimates' joints less the true ones, the pelvis apart, metres; and PA-MPJPE, metres."""
    model = joints.restrict(model, ())
    evaluated = _selection(model, skeletons.EVALUATION_14)

    def of_person(found: Body, truth: synthetic_views.Example) -> tuple[jax.Array, jax.Array]:
        one = joints.positions(model, found.local, found.betas)
        other = joints.positions(model, truth.local, truth.betas)
        error = metrics.pa_mpjpe(evaluated @ one, evaluated @ other)
        return (one - one[:1]) - (other - other[:1]), error

    return jax.vmap(of_person)(found, examples.truth)


def pelvis_vertices(body: smpl.BodyModel, model: joints.JointModel, posed: Body) -> jax.Array:
    """Vertices [V, 3] of a posed body, metres, with the pelvis at the origin."""
    parameters.check(posed, model.betas, "posed")
    pelvis = model.joint_template[0] + model.joint_shapes[0] @ posed.betas
    return smpl.vertices(body, posed.local, posed.betas) - pelvis[None]


def errors(
    body: smpl.BodyModel, model: joints.JointModel, estimate: Estimate, example: Examples
) -> Errors:
    """Errors of S estimates of one person (leading axis S of `estimate`): [S] each.

    The meshes of the S estimates are made one after the other.
    """
    by_joints = jax.vmap(partial(joint_errors, model), in_axes=(0, None))(estimate, example)
    right = pelvis_vertices(body, model, Body(example.truth.local, example.truth.betas))

    def vertex(posed: Body) -> jax.Array:
        return MILLIMETRES * metrics.mpjpe(pelvis_vertices(body, model, posed), right)

    pa_mpjpe, mpjpe, reprojection = by_joints
    return Errors(pa_mpjpe, mpjpe, jax.lax.map(vertex, estimate.body), reprojection)


def _seen(model: joints.JointModel, body: Body, observed: keypoints2d.Keypoints2D) -> Estimate:
    """A body and its keypoints through the camera that fits the observed ones best."""
    points = _selection(model, build.LAYOUT) @ joints.positions(model, body.local, body.betas)
    view = camera.solve_weak(points, observed.points, observed.weights, observed.intrinsics)
    return Estimate(body, camera.project(view, points, observed.intrinsics))


def _selection(model: joints.JointModel, layout: tuple[str, ...]) -> jax.Array:
    return jnp.asarray(skeletons.selection(layout, model.names))
