"""Mesh files, read back by trimesh."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from ief_jax.body import smpl
from ief_jax.formats import meshes
from ief_jax.io.files import OutputError


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_meshes_come_back(tmp_path: Path, body: smpl.BodyModel, kind: meshes.MeshFormat) -> None:
    vertices, faces = np.array(body.template), np.asarray(body.faces)
    vertices[1] = vertices[0]  # coincident vertices stay two
    path = tmp_path / f"body.{kind}"
    meshes.write(path, vertices, faces, kind)
    mesh = trimesh.load_mesh(path, process=False)
    np.testing.assert_allclose(mesh.vertices, vertices, atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, faces)
    normals = {"glb": b'"NORMAL"', "obj": b"\nvn ", "ply": b"property float nx"}
    assert normals[kind] in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*none/body\.ply"):
        meshes.write(tmp_path / "none" / "body.ply", np.eye(3), np.array([[0, 1, 2]]), "ply")
