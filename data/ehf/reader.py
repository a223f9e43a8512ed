"""Reads EHF: `01_img.jpg`, `01_2Djnt.json`, `01_align.ply` ... `100_...`.

The names and what they hold are from the release's own readme: a photograph, the keypoints that
OpenPose found in it, and the mesh of SMPL-X in metres that was fitted to the 3D scan. We have no
file of EHF ourselves.

SMPL-X's mesh is another than SMPL's. `correspondence` reads what takes one to the other: the
files that smplx's `transfer_model` uses (`smplx2smpl_deftrafo_setup.pkl`, with a sparse matrix
`mtx` [6890, 2 x 10475] whose right half is for normals), or one with a `matrix` [6890, 10475].
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse

from data.releases import files_below, nothing_found, some
from ief_jax.formats import detection_files, detections
from ief_jax.geometry import skeletons
from ief_jax.io import safe_pickle
from ief_jax.io.files import InputError, read_bytes

SMPLX_VERTICES = 10475
HOW = "download EHF.zip from https://smpl-x.is.tue.mpg.de and unpack it there"
ALIGNED, KEYPOINTS = "_align.ply", "_2Djnt.json"
PHOTOGRAPHS = ("_img.jpg", "_img.png")


class People(NamedTuple):
    """N people, one a photograph.

    Attributes:
      name: "01" and so on.
      image: their photographs.
      points: [N, 18, 2] OpenPose's keypoints in `skeletons.COCO_18`'s order, pixels.
      confidence: [N, 18] theirs; 0 where there is none.
      vertices: [N, 10475, 3] SMPL-X's, metres, in the world's axes.
    """

    name: list[str]
    image: list[Path]
    points: np.ndarray
    confidence: np.ndarray
    vertices: np.ndarray


def read(data_dir: Path) -> People:
    """All people of the data set.

    Of several that OpenPose found in a photograph, the one it was surest of counts.

    Args:
      data_dir: the folder of the files, or one above it.

    Raises:
      InputError: something is missing or is not what the release holds; names the file.
    """
    files = files_below(data_dir, HOW)
    meshes = [path for path in files if path.name.endswith(ALIGNED)]
    if not meshes:
        raise nothing_found(data_dir, files, f"meshes (01{ALIGNED})", HOW)
    meshes.sort(key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])
    there = set(files)
    missing, photographs = [], []
    for mesh in meshes:
        beside = [_beside(mesh, ending) for ending in PHOTOGRAPHS]
        photograph = next((path for path in beside if path in there), None)
        photographs += [photograph] if photograph else []
        missing += [] if photograph else [beside[0].name]
        missing += [] if _beside(mesh, KEYPOINTS) in there else [_beside(mesh, KEYPOINTS).name]
    if missing:
        raise InputError(
            f"{data_dir}: {len(missing)} of {2 * len(meshes)} files are missing beside the meshes "
            f"({some(missing)}); {HOW}"
        )
    keypoints = [_keypoints(_beside(mesh, KEYPOINTS)) for mesh in meshes]
    return People(
        [path.name.removesuffix(ALIGNED) for path in meshes],
        photographs,
        np.stack([points for points, _ in keypoints]),
        np.stack([confidence for _, confidence in keypoints]),
        np.stack([_vertices(path) for path in meshes]),
    )


def correspondence(path: Path, vertices: int) -> scipy.sparse.csr_matrix:
    """The matrix [vertices, 10475] that takes SMPL-X's vertices to those of another mesh.

    Raises:
      InputError: the file cannot be read, or is for other meshes; says what it holds.
    """
    try:
        content = safe_pickle.load(read_bytes(path))
        if not isinstance(content, Mapping):
            raise InputError(f"{path}: holds {type(content).__name__}, expected named fields")
        name = next((name for name in ("mtx", "matrix") if name in content), None)
        if name is None:
            raise InputError(f"{path}: has neither 'mtx' nor 'matrix'; it has {some(content)}")
        matrix = safe_pickle.sparse(content[name])
    except safe_pickle.SafePickleError as error:
        raise InputError(f"{path}: {error}") from error
    if matrix.shape == (vertices, 2 * SMPLX_VERTICES):
        matrix = matrix[:, :SMPLX_VERTICES]
    if matrix.shape != (vertices, SMPLX_VERTICES):
        raise InputError(
            f"{path}: '{name}' is {matrix.shape}, expected ({vertices}, {SMPLX_VERTICES}): from "
            "the vertices of SMPL-X to those of the body"
        )
    if not np.isfinite(matrix.data).all() or abs(matrix.sum(1) - 1).max() > 0.05:
        raise InputError(f"{path}: '{name}' has rows that do not sum to about one")
    return matrix.astype(np.float64)


def _beside(mesh: Path, ending: str) -> Path:
    return mesh.with_name(mesh.name.removesuffix(ALIGNED) + ending)


def _keypoints(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points [18, 2] and confidences [18] of the person whom OpenPose was surest of."""
    found = detection_files.read(path, "BODY_25")
    points, confidence = skeletons.convert(
        found.points, found.confidence, found.names, skeletons.COCO_18
    )
    best = int(confidence.sum(1).argmax())
    seen = int((confidence[best] > 0).sum())
    if seen < detections.MINIMUM_SEEN:
        raise InputError(
            f"{path}: {seen} keypoints seen, expected {detections.MINIMUM_SEEN} or more"
        )
    return points[best], confidence[best]


def _vertices(path: Path) -> np.ndarray:
    import trimesh  # slow to import

    try:
        mesh = trimesh.load(path, file_type="ply", process=False)
        if not isinstance(mesh, trimesh.Trimesh | trimesh.PointCloud):
            raise ValueError("no vertices")
        vertices = np.asarray(mesh.vertices, np.float32)
    except Exception as error:  # whatever a broken file does to the parser
        raise InputError(f"{path}: not a PLY file that can be read: {error}") from error
    if vertices.shape != (SMPLX_VERTICES, 3):
        raise InputError(
            f"{path}: has vertices {vertices.shape}, expected ({SMPLX_VERTICES}, 3), SMPL-X's"
        )
    if not np.isfinite(vertices).all():
        raise InputError(f"{path}: has vertices that are not finite")
    return vertices
