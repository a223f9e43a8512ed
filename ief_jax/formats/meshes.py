"""Meshes in metres, one file a body: GLB, OBJ or PLY."""

import os
from typing import Literal

import numpy as np

from ief_jax.io.files import replacing

MeshFormat = Literal["glb", "obj", "ply"]


def write(
    path: str | os.PathLike[str], vertices: np.ndarray, faces: np.ndarray, kind: MeshFormat
) -> None:
    """Writes one mesh with smooth normals: `vertices` [V, 3] metres, `faces` [F, 3].

    Raises:
      OutputError: the file cannot be written.
    """
    import trimesh.exchange.obj  # slow to import; few runs need it

    # process=False keeps the vertices in the body model's order.
    mesh = trimesh.Trimesh(np.asarray(vertices), np.asarray(faces), process=False)
    content: bytes
    if kind == "glb":
        content = trimesh.exchange.gltf.export_glb(mesh.scene(), include_normals=True)
    elif kind == "ply":
        content = trimesh.exchange.ply.export_ply(mesh, vertex_normal=True)
    else:
        content = trimesh.exchange.obj.export_obj(mesh, include_normals=True).encode()
    with replacing(path) as file:
        file.write(content)
