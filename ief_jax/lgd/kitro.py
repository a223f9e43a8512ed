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
from ief_jax.geometry import camera, keypoints2d
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
    for limb in LIMBS:
        rows = [smpl.JOINT_NAMES.index(name) for name in limb]
        body = _limb(model, selection, body, observed, view, (before, points), rows)
    return body


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
    leaning = jnp.zeros(2) if lens is None else (image - lens.centre) * lens.inverse_focal
    direction = jnp.append(-flip * leaning, 1.0)
    # |start + Z direction - parent|^2 = length^2
    offset = start - parent
    a, b = direction @ direction, direction @ offset
    root = jnp.sqrt(jnp.maximum(b**2 - a * (offset @ offset - length**2), 0.0))
    depth = (-b + jnp.stack([-root, root])) / a
    return start[None] + depth[:, None] * direction[None]


def swing(before: jax.Array, after: jax.Array) -> jax.Array:
    """The smallest rotation [3, 3] that takes one unit vector [3] to another."""
    axis, cosine = jnp.cross(before, after), before @ after
    x, y, z = axis
    cross = jnp.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    # I + [v] + [v]^2 / (1 + cos)
    return jnp.eye(3) + cross + cross @ cross / jnp.maximum(1 + cosine, 1e-6)


def _limb(
    model: joints.JointModel,
    selection: jax.Array,
    body: Body,
    observed: keypoints2d.Keypoints2D,
    view: camera.WeakPerspective,
    points: tuple[jax.Array, jax.Array],
    rows: list[int],
) -> Body:
    """The body with the bones of one chain of joints swung to where their ends are seen.

    `points` are those of the body that choices are to be near to, and of the body as it is.
    """
    starts, ends = np.array(rows[:-1]), np.array(rows[1:])
    wanted, bones = (p[ends] - p[starts] for p in points)
    lengths = jnp.linalg.norm(bones, axis=-1)
    wanted, directions = wanted / lengths[:, None], bones / lengths[:, None]
    # The keypoints that are the ends, not those half way to them; without one an end is not seen.
    at = (selection[:, ends].T == 1).astype(jnp.float32)
    image, seen = at @ observed.points, at @ observed.confidence > 0

    def hypothesis(choices: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(directions of the bones [B, 3], how near they are to those wanted)."""
        parent, found, weight = points[1][rows[0]], [], jnp.float32(1)
        for i in range(len(ends)):
            end = bone_ends(parent, lengths[i], image[i], view, observed.intrinsics)[choices[i]]
            offset = end - parent
            offset = offset / jnp.maximum(jnp.linalg.norm(offset), 1e-6)
            direction = jnp.where(seen[i], offset, wanted[i])
            weight = weight * jnp.maximum(1 + direction @ wanted[i], 0.0)
            parent = parent + lengths[i] * direction
            found.append(direction)
        return jnp.stack(found), weight

    every = np.array(list(itertools.product((0, 1), repeat=len(ends))))
    found, weights = jax.vmap(hypothesis)(jnp.asarray(every))
    chosen = found[jnp.argmax(weights)]

    world = smpl.world_rotations(body.local, model.parents)
    above, local = world[model.parents[rows[0]]], body.local
    for i, joint in enumerate(rows[:-1]):
        turned = above @ local[joint]
        # The bone where the joints above it have taken it
        now = turned @ world[joint].T @ directions[i]
        turned_there = swing(now, chosen[i]) @ turned
        local = local.at[joint].set(above.T @ turned_there)
        above = turned_there
    return body._replace(local=local)
