"""A body refined bone by bone from its keypoints, without gradients, in the manner of KITRO.

Yang, Gu, Yao, "KITRO: Refining Human Mesh by 2D Clues and Kinematic-tree Rotation" (CVPR 2024): a
bone of known length, whose parent's depth is known, can end in two points of the line of sight of
its keypoint; of all choices along the kinematic tree that one is taken whose directions are nearest
to those of the body before, and the bones are swung there. A peer that LGD is measured against.
Differences: the limbs from collars and hips on, as keypoints of detectors say no more of the trunk;
the shape stays; the camera is solved in closed form. People are independent: vmap gives batches.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, keypoints2d, rotations
from ief_jax.lgd import parameters
from ief_jax.lgd.parameters import Body

LIMBS = tuple(
    tuple(f"{side}_{part}" for part in limb)
    for side in ("left", "right")
    for limb in (("hip", "knee", "ankle"), ("collar", "shoulder", "elbow", "wrist"))
)
"""Chains of joints, each bone from one to the next."""


def refine(
    model: joints.JointModel,
    selection: jax.Array,
    body: Body,
    observed: keypoints2d.Keypoints2D,
    rounds: int = 3,
) -> Body:
    """One person's body, with the bones of its limbs where their keypoints are seen.

    Bones whose end is not seen keep their direction from the body.

    Args:
      model: the body model.
      selection: [K, P] from the model's points to the keypoints.
      body: before.
      observed: [K] keypoints, pixels.
      rounds: how often camera and limbs are solved for.

    Raises:
      ValueError: arrays of other shapes.
    """
    parameters.check(body, model.betas, "body")
    keypoints2d.check(observed, K=len(selection))
    before = joints.positions(model, body.local, body.betas)

    def one(_: int, body: Body) -> Body:
        points = joints.positions(model, body.local, body.betas)
        view = camera.solve_weak(
            selection @ points, observed.points, observed.weights, observed.intrinsics
        )
        return swing_limbs(model, selection, body, before, observed, view)

    return jax.lax.fori_loop(0, rounds, one, body)


def swing_limbs(
    model: joints.JointModel,
    selection: jax.Array,
    body: Body,
    before: jax.Array,
    observed: keypoints2d.Keypoints2D,
    view: camera.WeakPerspective,
) -> Body:
    """A body with the bones of its limbs where they are seen by a camera that is known.

    Args:
      model: the body model.
      selection: [K, P] from the model's points to the keypoints.
      body: whose bones are swung.
      before: [P, 3] points of the body that, of two ends of a bone, the nearer is taken to.
      observed: [K] keypoints, pixels.
      view: the camera.
    """
    points = joints.positions(model, body.local, body.betas)
    world, local = smpl.world_rotations(body.local, model.parents), body.local
    for limb in LIMBS:
        rows = np.array([smpl.JOINT_NAMES.index(name) for name in limb])
        directions = _directions(selection, before, points, observed, view, rows)
        # No limb is below another: the joint that it begins at stays.
        above = world[model.parents[rows[0]]]
        for joint, end, direction in zip(rows[:-1], rows[1:], directions, strict=True):
            turned = above @ local[joint]
            # The bone where the joints above it have taken it
            now = turned @ world[joint].T @ _unit(points[end] - points[joint])
            swung = swing(now, direction) @ turned
            local = local.at[joint].set(above.T @ swung)
            above = swung
    return body._replace(local=local)


def bone_ends(
    parent: jax.Array,
    length: jax.Array,
    image: jax.Array,
    view: camera.WeakPerspective,
    lens: camera.Intrinsics | None,
) -> jax.Array:
    """Where a bone can end: [2, 3] the farther and the nearer point of a line of sight.

    Both are the point nearest to the parent where the bone is too short to reach the line.

    Args:
      parent: [3] where the bone begins, metres.
      length: [] metres.
      image: [2] where its end is seen, pixels.
      view: the camera.
      lens: of the camera; None for weak perspective.
    """
    flip = jnp.asarray(camera.FLIP)
    # x = c + (s X + t - c) / (1 - s Z / f)  <=>  (X, Y) = (x - t) / s - (x - c) Z / f
    start = jnp.append(flip * (image - view.translation) / view.scale, 0.0)
    direction = jnp.append(-flip * camera.slopes(image, lens), 1.0)
    # |start + Z direction - parent|^2 = length^2
    offset = start - parent
    a, b = direction @ direction, direction @ offset
    root = jnp.sqrt(jnp.maximum(b**2 - a * (offset @ offset - length**2), 0.0))
    depth = (-b + jnp.stack([-root, root])) / a
    return start[None] + depth[:, None] * direction[None]


def swing(before: jax.Array, after: jax.Array) -> jax.Array:
    """The smallest rotation [3, 3] that takes one unit vector [3] to another."""
    cross, cosine = rotations.skew(jnp.cross(before, after)), before @ after
    # I + [v] + [v]^2 / (1 + cos)
    return jnp.eye(3) + cross + cross @ cross / jnp.maximum(1 + cosine, 1e-6)


def _directions(
    selection: jax.Array,
    before: jax.Array,
    points: jax.Array,
    observed: keypoints2d.Keypoints2D,
    view: camera.WeakPerspective,
    rows: np.ndarray,
) -> jax.Array:
    """Where the B bones of a chain of joints, `rows`, are seen to point: unit vectors [B, 3]."""
    starts, ends = rows[:-1], rows[1:]
    wanted = _unit(before[ends] - before[starts])
    lengths = jnp.linalg.norm(points[ends] - points[starts], axis=-1)
    # The keypoints that are the ends, not those half way to them; without one an end is not seen.
    at = (selection[:, ends].T == 1).astype(jnp.float32)
    image, seen = at @ observed.points, at @ observed.confidence > 0

    def hypothesis(choices: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(directions of the bones [B, 3], how near they are to those wanted)."""
        parent, found, weight = points[rows[0]], [], jnp.float32(1)
        for i in range(len(ends)):
            end = bone_ends(parent, lengths[i], image[i], view, observed.intrinsics)[choices[i]]
            direction = jnp.where(seen[i], _unit(end - parent), wanted[i])
            weight = weight * jnp.maximum(1 + direction @ wanted[i], 0.0)
            parent = parent + lengths[i] * direction
            found.append(direction)
        return jnp.stack(found), weight

    every = np.array(list(itertools.product((0, 1), repeat=len(ends))))
    found, weights = jax.vmap(hypothesis)(jnp.asarray(every))
    return found[jnp.argmax(weights)]


def _unit(vectors: jax.Array) -> jax.Array:
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
