"""Meshes in metres, one file a body: GLB, OBJ or PLY."""

import os
from typing import Literal

import numpy as np

from ief_jax.files import replacing

MeshFormat = Literal["glb", "obj", "ply"]


def write(
    path: str | os.PathLike[str], vertices: np.ndarray, faces: np.ndarray, kind: MeshFormat
) -> None:
    """Writes one mesh with smooth normals: `vertices` [V, 3] metres, `faces` [F, 3].

    Raises:
      OutputError: the file cannot be written.
    """
    import trimesh  # slow to import; few runs need it

    # process=False keeps the vertices in the body model's order.
    mesh = trimesh.Trimesh(np.asarray(vertices), np.asarray(faces), process=False)
    normals = {"vertex_normal": True} if kind == "ply" else {"include_normals": True}
    content = mesh.export(file_type=kind, **normals)
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
