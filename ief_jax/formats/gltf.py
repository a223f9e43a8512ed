"""Animated people as binary glTF 2.0 (.glb): for each a skinned mesh, its skeleton and its motion.

The shape is in the mesh, and the joints move as the body model's do. What the body model adds to
the skin by pose (its pose blend shapes) is left out: a few millimetres to centimetres at bent
joints. Units are metres; y is up; the camera that saw the people is at the origin and looks along
-z, as one without a transform does in glTF.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pygltflib
from scipy.spatial.transform import Rotation

from ief_jax.body import motion as motions
from ief_jax.body import smpl
from ief_jax.body.motion import Motion
from ief_jax.geometry.triangles import vertex_normals
from ief_jax.io.files import replacing
from ief_jax.viz.colours import SKINS

_INFLUENCES = 4
"""Joints that a vertex has in one set of attributes."""
_KINDS = {1: pygltflib.SCALAR, 3: pygltflib.VEC3, 4: pygltflib.VEC4, 16: pygltflib.MAT4}
_TYPES = {
    np.dtype(np.float32): pygltflib.FLOAT,
    np.dtype(np.uint32): pygltflib.UNSIGNED_INT,
    np.dtype(np.uint8): pygltflib.UNSIGNED_BYTE,
}


def write(path: str | os.PathLike[str], body: smpl.BodyModel, people: Sequence[Motion]) -> None:
    """Writes people and one animation of them all.

    A person whose times are not all of the animation's is hidden (scaled to nothing) at the others.

    Args:
      path: ends in .glb.
      body: the body model.
      people: one motion each.

    Raises:
      OutputError: the file cannot be written.
      ValueError: nobody is given, or a motion's arrays do not belong together.
    """
    if not people:
        raise ValueError("people: expected one motion at least")
    for person in people:
        motions.check(person)
    document = pygltflib.GLTF2(
        asset=pygltflib.Asset(version="2.0", generator="ief_jax"),
        scene=0,
        scenes=[pygltflib.Scene(nodes=[])],
        animations=[pygltflib.Animation(name="motion")],
    )
    chunk = _Chunk(document, [])
    faces = _add(chunk, np.asarray(body.faces, np.uint32).reshape(-1), index=True)
    first = min(float(person.times[0]) for person in people)
    last = max(float(person.times[-1]) for person in people)
    for number, person in enumerate(people):
        node = _person(chunk, body, person, faces, SKINS[number % len(SKINS)])
        _animate(chunk, body, person, node, first)
        if person.times[0] > first or person.times[-1] < last:
            _hide_outside(chunk, person, node.person, first, last)
        document.scenes[0].nodes.append(node.person)
    document.buffers = [pygltflib.Buffer(byteLength=sum(map(len, chunk.data)))]
    document.set_binary_blob(b"".join(chunk.data))
    content = document.save_to_bytes()
    with replacing(path) as file:
        file.writelines(content)


class _Chunk(NamedTuple):
    """A document, and the numbers that its accessors are of, one block after the other."""

    document: pygltflib.GLTF2
    data: list[bytes]


class _Nodes(NamedTuple):
    """Nodes of one person: of the whole, and of the first of its joints, one behind the other."""

    person: int
    joints: int


def _add(chunk: _Chunk, values: np.ndarray, index: bool = False, vertex: bool = False) -> int:
    """Adds an accessor of values [N] or [N, D]; returns its number."""
    document = chunk.document
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    packed = flat.tobytes()
    view = pygltflib.BufferView(
        buffer=0, byteOffset=sum(map(len, chunk.data)), byteLength=len(packed)
    )
    if index or vertex:
        view.target = pygltflib.ELEMENT_ARRAY_BUFFER if index else pygltflib.ARRAY_BUFFER
    chunk.data.append(packed + bytes(-len(packed) % 4))
    document.bufferViews.append(view)
    document.accessors.append(
        pygltflib.Accessor(
            bufferView=len(document.bufferViews) - 1,
            componentType=_TYPES[flat.dtype],
            count=len(flat),
            type=_KINDS[flat.shape[1]],
            min=flat.min(0).tolist(),
            max=flat.max(0).tolist(),
        )
    )
    return len(document.accessors) - 1


def _person(
    chunk: _Chunk,
    body: smpl.BodyModel,
    person: Motion,
    faces: int,
    colour: tuple[float, float, float],
) -> _Nodes:
    """Adds the person's mesh, skeleton and nodes, at rest."""
    document = chunk.document
    shaped = smpl.shape(body, jnp.asarray(person.betas, jnp.float32))
    vertices, rest = np.asarray(shaped.vertices), np.asarray(shaped.joints)
    normals = vertex_normals(vertices, np.asarray(body.faces)).astype(np.float32)
    attributes = pygltflib.Attributes(
        POSITION=_add(chunk, vertices, vertex=True), NORMAL=_add(chunk, normals, vertex=True)
    )
    for number, (bones, weights) in enumerate(_influences(np.asarray(body.weights))):
        setattr(attributes, f"JOINTS_{number}", _add(chunk, bones, vertex=True))
        setattr(attributes, f"WEIGHTS_{number}", _add(chunk, weights, vertex=True))
    document.materials.append(
        pygltflib.Material(
            name=person.name,
            pbrMetallicRoughness=pygltflib.PbrMetallicRoughness(
                baseColorFactor=[*colour, 1.0], metallicFactor=0.0, roughnessFactor=0.8
            ),
        )
    )
    material = len(document.materials) - 1
    primitive = pygltflib.Primitive(attributes=attributes, indices=faces, material=material)
    document.meshes.append(pygltflib.Mesh(name=person.name, primitives=[primitive]))
    first = len(document.nodes) + 1
    joints = list(range(first, first + len(rest)))
    whole, mesh = first - 1, first + len(rest)
    document.nodes.append(pygltflib.Node(name=person.name, children=[first, mesh]))
    for joint, (name, parent) in enumerate(zip(smpl.JOINT_NAMES, body.parents, strict=True)):
        offset = rest[joint] - (rest[parent] if parent >= 0 else 0)
        below = [first + child for child, above in enumerate(body.parents) if above == joint]
        document.nodes.append(
            pygltflib.Node(name=name, translation=offset.tolist(), children=below)
        )
    # Takes a vertex to where it is from the joint at rest; by columns, as glTF has matrices.
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    inverse[:, 3, :3] = -rest
    document.skins.append(
        pygltflib.Skin(
            name=person.name,
            joints=joints,
            skeleton=first,
            inverseBindMatrices=_add(chunk, inverse.reshape(len(rest), 16)),
        )
    )
    skin = len(document.skins) - 1
    document.nodes.append(
        pygltflib.Node(name=f"{person.name} mesh", mesh=len(document.meshes) - 1, skin=skin)
    )
    return _Nodes(whole, first)


def _influences(weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The joints [V, 4] and weights [V, 4] of skinning weights [V, 24], in one set or more."""
    sets = -(-int((weights > 0).sum(1).max()) // _INFLUENCES)
    joints = np.argsort(-weights, 1, kind="stable")[:, : sets * _INFLUENCES]
    found = np.take_along_axis(weights, joints, 1)
    found = found / found.sum(1, keepdims=True)
    joints = np.where(found > 0, joints, 0)
    return [
        (
            joints[:, at : at + _INFLUENCES].astype(np.uint8),
            found[:, at : at + _INFLUENCES].astype(np.float32),
        )
        for at in range(0, sets * _INFLUENCES, _INFLUENCES)
    ]


def _animate(
    chunk: _Chunk, body: smpl.BodyModel, person: Motion, node: _Nodes, first: float
) -> None:
    """Adds the rotations of all joints and the way of the root."""
    times = _add(chunk, (person.times - first).astype(np.float32))
    root = np.asarray(smpl.shape(body, jnp.asarray(person.betas, jnp.float32)).joints[0])
    # The body turns about its root, which is where it is at rest and what is added to it.
    _channel(chunk, times, (root + person.trans).astype(np.float32), node.joints, "translation")
    for joint in range(len(smpl.JOINT_NAMES)):
        turns = Rotation.from_rotvec(person.poses[:, joint]).as_quat()
        _channel(
            chunk, times, _continuous(turns).astype(np.float32), node.joints + joint, "rotation"
        )


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations [T, 4] with signs by which each is near the one before."""
    turned = (quaternions[1:] * quaternions[:-1]).sum(1) < 0
    signs = np.concatenate([[1.0], np.cumprod(np.where(turned, -1.0, 1.0))])
    return quaternions * signs[:, None]


def _hide_outside(chunk: _Chunk, person: Motion, node: int, first: float, last: float) -> None:
    """Adds a size that is nothing before and after the person's times."""
    step = float(np.median(np.diff(person.times))) if len(person.times) > 1 else 1e-3
    keys = [(0.0, 0.0)] if person.times[0] > first else []
    keys.append((float(person.times[0]) - first, 1.0))
    if person.times[-1] < last:
        keys.append((float(person.times[-1]) - first + min(step, 0.5), 0.0))
    times, sizes = np.array(keys, np.float32).T
    scales = np.repeat(sizes[:, None], 3, 1)
    _channel(chunk, _add(chunk, times), scales, node, "scale", pygltflib.ANIM_STEP)


def _channel(
    chunk: _Chunk,
    times: int,
    values: np.ndarray,
    node: int,
    path: str,
    interpolation: str = pygltflib.ANIM_LINEAR,
) -> None:
    animation = chunk.document.animations[0]
    animation.samplers.append(
        pygltflib.AnimationSampler(
            input=times, output=_add(chunk, values), interpolation=interpolation
        )
    )
    target = pygltflib.AnimationChannelTarget(node=node, path=path)
    animation.channels.append(
        pygltflib.AnimationChannel(sampler=len(animation.samplers) - 1, target=target)
    )
