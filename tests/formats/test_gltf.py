"""Animated glTF, read back: by the tree of its nodes, and with trimesh, which has a reader too."""

from pathlib import Path

import numpy as np
import pygltflib
import pytest
import trimesh
from scipy.spatial.transform import Rotation, Slerp

from ief_jax.body import smpl
from ief_jax.body.motion import Motion
from ief_jax.formats import gltf
from ief_jax.io.files import OutputError
from tests.helpers import motions


class Reader:
    """What a viewer does: samples the animation, and multiplies the nodes' transforms."""

    def __init__(self, path: Path) -> None:
        self.document = pygltflib.GLTF2().load(str(path))
        self.blob = self.document.binary_blob()
        self.parent = {
            child: above
            for above, node in enumerate(self.document.nodes)
            for child in node.children or []
        }

    def values(self, accessor: int) -> np.ndarray:
        one = self.document.accessors[accessor]
        view = self.document.bufferViews[one.bufferView]
        kind = {5126: np.float32, 5125: np.uint32, 5121: np.uint8}[one.componentType]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[one.type]
        found = np.frombuffer(self.blob, kind, one.count * width, view.byteOffset)
        return found.reshape(one.count, width)

    def local(self, time: float) -> list[np.ndarray]:
        """[4, 4] of each node."""
        parts = [
            {
                "translation": np.array(node.translation or [0, 0, 0], float),
                "rotation": np.array(node.rotation or [0, 0, 0, 1], float),
                "scale": np.array(node.scale or [1, 1, 1], float),
            }
            for node in self.document.nodes
        ]
        (animation,) = self.document.animations
        for channel in animation.channels:
            sampler = animation.samplers[channel.sampler]
            times = self.values(sampler.input)[:, 0].astype(float)
            values = self.values(sampler.output).astype(float)
            at = np.clip(time, times[0], times[-1])
            target = parts[channel.target.node]
            if sampler.interpolation == "STEP":
                target[channel.target.path] = values[np.searchsorted(times, at, "right") - 1]
            elif channel.target.path == "rotation":
                target["rotation"] = Slerp(times, Rotation.from_quat(values))(at).as_quat()
            else:
                target[channel.target.path] = np.array(
                    [np.interp(at, times, axis) for axis in values.T]
                )
        made = []
        for part in parts:
            matrix = np.eye(4)
            matrix[:3, :3] = Rotation.from_quat(part["rotation"]).as_matrix() * part["scale"]
            matrix[:3, 3] = part["translation"]
            made.append(matrix)
        return made

    def world(self, time: float) -> list[np.ndarray]:
        local = self.local(time)

        def of(node: int) -> np.ndarray:
            return of(self.parent[node]) @ local[node] if node in self.parent else local[node]

        return [of(node) for node in range(len(local))]

    def joints(self, skin: int, time: float) -> np.ndarray:
        """[24, 3] where the skin's joints are."""
        world = self.world(time)
        return np.stack([world[node][:3, 3] for node in self.document.skins[skin].joints])

    def vertices(self, skin: int, time: float) -> np.ndarray:
        """[V, 3] by linear blend skinning as the format defines it."""
        world = self.world(time)
        one = self.document.skins[skin]
        inverse = self.values(one.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
        matrices = np.stack([world[node] for node in one.joints]) @ inverse
        (node,) = [n for n in self.document.nodes if n.skin == skin]
        attributes = self.document.meshes[node.mesh].primitives[0].attributes
        points = np.pad(self.values(attributes.POSITION), ((0, 0), (0, 1)), constant_values=1)
        weights = self.values(attributes.WEIGHTS_0)
        blended = np.einsum("vk,vkij->vij", weights, matrices[self.values(attributes.JOINTS_0)])
        return np.einsum("vij,vj->vi", blended, points)[:, :3]


@pytest.fixture(scope="module")
def people() -> list[Motion]:
    """One who is there for a second, and one for the first part of it."""
    return [motions.moving(0, 26, first=2.0), motions.moving(1, 11, first=2.0)]


@pytest.fixture(scope="module")
def path(
    tmp_path_factory: pytest.TempPathFactory, body: smpl.BodyModel, people: list[Motion]
) -> Path:
    path = tmp_path_factory.mktemp("gltf") / "people.glb"
    gltf.write(path, body, people)
    assert list(path.parent.iterdir()) == [path]
    return path


@pytest.mark.parametrize("person", [0, 1])
def test_joints_come_back(
    path: Path, body: smpl.BodyModel, people: list[Motion], person: int
) -> None:
    reader = Reader(path)
    expected = motions.joints(body, people[person])
    for row in range(0, len(expected), 5):
        time = people[person].times[row] - 2.0
        np.testing.assert_allclose(reader.joints(person, time), expected[row], atol=1e-4)


def test_the_skin_moves_with_them(path: Path, body: smpl.BodyModel, people: list[Motion]) -> None:
    found = Reader(path).vertices(0, people[0].times[20] - 2.0)
    one = people[0]._replace(
        poses=people[0].poses[20:21], trans=people[0].trans[20:21], times=people[0].times[20:21]
    )
    np.testing.assert_allclose(found, motions.skinned(body, one)[0], atol=1e-4)


def test_who_is_gone_is_hidden(path: Path) -> None:
    reader = Reader(path)
    extent = [np.ptp(reader.joints(1, time), 0).max() for time in (0.0, 0.4, 0.6, 1.0)]
    assert min(extent[:2]) > 0.5
    assert max(extent[2:]) == 0
    assert np.ptp(reader.joints(0, 1.0), 0).max() > 0.5


def test_nodes_are_people_and_their_skeletons(path: Path) -> None:
    document = pygltflib.GLTF2().load(str(path))
    (scene,) = document.scenes
    assert [document.nodes[node].name for node in scene.nodes] == ["person_0", "person_1"]
    for skin in document.skins:
        assert [document.nodes[node].name for node in skin.joints] == list(smpl.JOINT_NAMES)


def test_the_mesh_at_rest_is_the_shape(
    path: Path, body: smpl.BodyModel, people: list[Motion]
) -> None:
    scene = trimesh.load_scene(path, process=False)
    shaped = np.asarray(body.template + body.shape_directions @ people[1].betas)
    mesh = scene.geometry["person_1"]
    np.testing.assert_allclose(mesh.vertices, shaped, atol=1e-5)
    np.testing.assert_array_equal(mesh.faces, body.faces)


def test_neighbouring_keys_are_near(path: Path) -> None:
    reader = Reader(path)
    (animation,) = reader.document.animations
    for channel in animation.channels:
        if channel.target.path == "rotation":
            keys = reader.values(animation.samplers[channel.sampler].output)
            assert ((keys[1:] * keys[:-1]).sum(1) > 0).all()


def test_what_cannot_be_written(tmp_path: Path, body: smpl.BodyModel) -> None:
    with pytest.raises(ValueError, match="people: expected one motion at least"):
        gltf.write(tmp_path / "a.glb", body, [])
    with pytest.raises(OutputError, match=r"cannot write .*none/a\.glb"):
        gltf.write(tmp_path / "none" / "a.glb", body, [motions.moving(0, 2)])
