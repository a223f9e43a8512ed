"""SMPL-format body models: the embedded one, and those in files.

A file is a mapping of arrays, in a pickle or an .npz, under the names that SMPL's own files use:
`v_template`, `shapedirs`, `posedirs`, `J_regressor`, `weights`, `kintree_table`, `f`. The names
of smplx's buffers (`lbs_weights`, `parents`, `faces_tensor`) and the embedded model's compact
layout are read too, and files within a folder as smplx has it or within the zip of the SMPL
site. Reading a file never runs code from it.
"""

import io
import os
import pathlib
import re
import zipfile
from collections.abc import Iterable
from importlib import resources
from typing import BinaryIO, Literal

import jax
import numpy as np

from ief_jax.body.smpl import JOINT_NAMES, JOINTS, BodyModel
from ief_jax.io import npz, safe_pickle
from ief_jax.io.files import InputError, opened, replacing

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
"""SMPL's kinematic tree."""
POSE_FEATURES = (JOINTS - 1) * 9
SMPL_VERTICES = 6890
SMPL_LANDMARKS = {
    "nose": 332,
    "left_eye": 2800,
    "right_eye": 6260,
    "left_ear": 583,
    "right_ear": 4071,
    "head_top": 411,
    "left_big_toe": 3216,
    "left_small_toe": 3226,
    "left_heel": 3387,
    "right_big_toe": 6617,
    "right_small_toe": 6624,
    "right_heel": 6787,
    "left_thumb": 2746,
    "left_index": 2319,
    "left_middle": 2445,
    "left_ring": 2556,
    "left_pinky": 2673,
    "right_thumb": 6191,
    "right_index": 5782,
    "right_middle": 5905,
    "right_ring": 6016,
    "right_pinky": 6133,
}
"""Landmark vertices of SMPL's own mesh of 6890 vertices, as smplx reads them, and the head top."""

_STAR_FEATURES = 93
_OTHER_MODELS = {55: "SMPL-X", 52: "SMPL-H", 16: "MANO", 5: "FLAME", 33: "SMAL", 35: "SMAL"}


Gender = Literal["neutral", "male", "female"]


class BodyFileError(InputError):
    """A file that cannot be read as an SMPL-format body model; the message names the file."""


def embedded() -> BodyModel:
    """The body model that comes with the package: 6890 vertices, 10 betas, landmarks."""
    with resources.as_file(resources.files("ief_jax") / "assets" / "body.npz") as path:
        return load(path)


def load_or_embedded(
    path: str | os.PathLike[str] | None, betas: int | None = 10, gender: Gender = "neutral"
) -> BodyModel:
    """The body model in the file `path`, or the embedded one for None."""
    return embedded() if path is None else load(path, betas, gender)


def load(
    path: str | os.PathLike[str], betas: int | None = 10, gender: Gender = "neutral"
) -> BodyModel:
    """Reads an SMPL-format body model.

    Args:
      path: an official SMPL .pkl or .npz, a model saved by smplx, or a file of `save_npz`; told
        apart by their contents; or a folder or a zip that has such files of each gender.
      betas: how many shape coefficients to keep at most; None keeps all.
      gender: of the model, where there are several.

    Returns:
      The body, float32. Its landmarks are those stored in the file, else SMPL's own for a mesh
      of 6890 vertices, else none.

    Raises:
      BodyFileError: the file cannot be read, names code to run, or is not an SMPL-format body.
    """
    if betas is not None and betas < 1:
        raise ValueError(f"betas is {betas}, expected at least 1, or None for all of the file's")
    path = pathlib.Path(path)
    try:
        if path.is_dir():
            path = _of_gender(path, gender)
        return _body(_dense(_read(path, gender)), betas)
    except BodyFileError:
        raise
    except InputError as error:
        raise BodyFileError(str(error)) from error
    except (_Problem, npz.NpzError, safe_pickle.SafePickleError) as error:
        raise BodyFileError(f"{path}: {error}") from error


def save_npz(body: BodyModel, path: str | os.PathLike[str]) -> None:
    """Writes a body as a dense SMPL-format .npz, with its landmarks; whole or not at all.

    Raises:
      OutputError: the file cannot be written.
    """
    parents = np.array(body.parents)
    root = np.where(parents < 0, np.iinfo(np.uint32).max, parents)
    with replacing(path) as file:
        np.savez(
            file,
            v_template=np.asarray(body.template),
            shapedirs=np.asarray(body.shape_directions),
            posedirs=np.asarray(body.pose_directions),
            J_regressor=np.asarray(body.joint_regressor),
            weights=np.asarray(body.weights),
            kintree_table=np.stack([root, np.arange(len(parents))]).astype(np.uint32),
            f=np.asarray(body.faces, np.uint32),
            landmarks=np.asarray(body.landmarks, np.int32),
            landmark_names=np.array(body.landmark_names, np.str_),
        )


class _Problem(ValueError):
    """What is wrong with a file; `load` adds which file."""


_SMPL = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
# smplx's names and others', SMPL's names
_BUFFERS = {"lbs_weights": "weights", "faces_tensor": "f", "faces": "f"}
_COMPACT = ("pd_rows", "pd_cols", "pd_vals", "w_idx", "w_val", "J_row", "J_col", "J_val", "kintree")
_WANTED = frozenset((*_SMPL, *_BUFFERS, *_COMPACT, "parents", "landmarks", "landmark_names"))
_ZIP = b"PK"
_GENDERS = {"neutral": ("neutral", "n"), "male": ("male", "m"), "female": ("female", "f")}
_MODEL = re.compile(r"(?:basic_?model|smpl)_(neutral|female|male|[nfm])(?:_.*)?\.(?:pkl|npz)", re.I)
"""Names of the SMPL site (basicmodel_m_lbs_10_207_0_v1.1.0.pkl) and of smplx (SMPL_MALE.pkl)."""
_LARGEST_MODEL = 2**30
_LARGEST = 50.0
"""Of a body, metres."""


def _model_of(names: Iterable[str], gender: Gender) -> str:
    """The name of the model of a gender among those of files, the shortest path first."""
    found: dict[str, list[str]] = {}
    for name in names:
        match = _MODEL.fullmatch(pathlib.PurePosixPath(name).name)
        if match and not pathlib.PurePosixPath(name).name.startswith("."):
            found.setdefault(match[1].lower(), []).append(name)
    for word in _GENDERS[gender]:
        if word in found:
            return min(found[word], key=lambda name: (name.count("/"), name))
    there = [full for full, words in _GENDERS.items() if {*words} & {*found}]
    if not there:
        raise _Problem("no SMPL model in it: expected SMPL_NEUTRAL.pkl or basicmodel_neutral_*.pkl")
    raise _Problem(f"no {gender} SMPL model in it, but {', '.join(there)} (--gender)")


def _of_gender(folder: pathlib.Path, gender: Gender) -> pathlib.Path:
    """The model of a gender in a folder as smplx has it (`smpl/SMPL_NEUTRAL.pkl`)."""
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    try:
        return folder / _model_of(names, gender)
    except _Problem as error:
        raise BodyFileError(f"{folder}: {error}") from error


def _in_zip(file: BinaryIO, gender: Gender) -> bytes:
    """The model of a gender in the zip of the SMPL site."""
    try:
        with zipfile.ZipFile(file) as archive:
            member = archive.getinfo(_model_of(archive.namelist(), gender))
            if member.file_size > min(_LARGEST_MODEL, npz.MOST_BYTES + 16 * member.compress_size):
                raise _Problem(f"'{member.filename}' unpacks to {member.file_size} bytes")
            return archive.read(member)
    except _Problem:
        raise
    except Exception as error:  # zipfile has many of its own on what is damaged
        raise _Problem(f"a zip that cannot be read ({error})") from error


def _npz_arrays(file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays of an npz; sparse matrices that NumPy pickled too, without running anything."""
    objects = {
        name for name in ("J_regressor", "shapedirs", "posedirs") if npz.is_objects(file, name)
    }
    arrays = npz.arrays(file, _WANTED - objects)
    for name in objects:
        try:
            value = safe_pickle.item(safe_pickle.load(npz.pickled(file, name)))
            arrays[name] = safe_pickle.array(value)
        except safe_pickle.SafePickleError as error:
            raise _Problem(f"'{name}' cannot be read: {error}") from error
    return arrays


def _read(path: pathlib.Path, gender: Gender) -> dict[str, np.ndarray]:
    """The arrays of a file that a body model may be made of, by name."""
    with opened(path) as file:
        zipped = file.read(2) == _ZIP
        file.seek(0)
        if zipped and not _is_npz(file):
            data = _in_zip(file, gender)
            return _npz_arrays(io.BytesIO(data)) if data[:2] == _ZIP else _pickled_arrays(data)
        if zipped:
            return _npz_arrays(file)
        if path.suffix == ".npz":
            raise _Problem("not an .npz archive")
        return _pickled_arrays(file.read())


def _is_npz(file: BinaryIO) -> bool:
    """Whether a zip is one of arrays and not of models."""
    try:
        with zipfile.ZipFile(file) as archive:
            return not any(_MODEL.fullmatch(name.rpartition("/")[2]) for name in archive.namelist())
    except Exception:  # said when its arrays are read
        return True


def _pickled_arrays(data: bytes) -> dict[str, np.ndarray]:
    content = safe_pickle.load(data)
    if not isinstance(content, dict):
        raise _Problem("not a body model: the pickle holds something else than named arrays")
    arrays = {}
    for name in _WANTED & {*content}:
        try:
            arrays[name] = safe_pickle.array(content[name])
        except safe_pickle.SafePickleError as error:
            raise _Problem(f"'{name}' cannot be read: {error}") from error
    return arrays


def _dense(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same arrays in the layout of SMPL's files, from any of the layouts."""
    if "pd_rows" in stored:
        try:
            return _decompressed(stored)
        except KeyError as error:
            raise _Problem(f"no {error}, which the compact layout has") from error
        except (ValueError, IndexError, TypeError) as error:
            raise _Problem(f"the compact arrays do not fit together: {error}") from error
    fields = {_BUFFERS.get(name, name): array for name, array in stored.items()}
    if "parents" in stored:
        fields.setdefault("kintree_table", np.stack([stored["parents"]] * 2))
        # smplx keeps the pose directions as [207, 3 V].
        pose = fields.get("posedirs", np.zeros(()))
        if pose.ndim == 2:
            fields["posedirs"] = pose.T.reshape(-1, 3, pose.shape[0])
    return fields


def _decompressed(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    vertices = len(stored["v_template"])
    # Row by row, `pd_rows` says how many entries of the pose directions are not zero.
    pose = np.zeros((3 * vertices, POSE_FEATURES), np.float32)
    rows = np.repeat(np.arange(3 * vertices), stored["pd_rows"])
    pose[rows, stored["pd_cols"]] = stored["pd_vals"]
    # Each vertex has a few bones; their weights are fractions of 65535.
    weights = np.zeros((vertices, JOINTS), np.float32)
    np.put_along_axis(weights, stored["w_idx"].astype(np.int64), stored["w_val"], axis=1)
    regressor = np.zeros((JOINTS, vertices), np.float32)
    regressor[stored["J_row"], stored["J_col"]] = stored["J_val"]
    return {
        **stored,
        "posedirs": pose.reshape(vertices, 3, POSE_FEATURES),
        "weights": weights / np.maximum(weights.sum(1, keepdims=True), 1),
        "J_regressor": regressor,
        "kintree_table": stored["kintree"],
    }


def _body(fields: dict[str, np.ndarray], betas: int | None) -> BodyModel:
    missing = [name for name in _SMPL if name not in fields]
    if len(missing) == len(_SMPL):
        raise _Problem(f"not a body model: none of {', '.join(_SMPL)} is in it")
    if missing:
        raise _Problem(f"no '{missing[0]}', which an SMPL-format body model has")
    if fields["posedirs"].shape[-1:] == (_STAR_FEATURES,):
        raise _Problem(
            "it is STAR, whose pose blend shapes go by quaternions; expected SMPL's format"
        )
    joints = fields["weights"].shape[-1] if fields["weights"].ndim == 2 else JOINTS
    if joints != JOINTS:
        known = f", as {_OTHER_MODELS[joints]} has" if joints in _OTHER_MODELS else ""
        raise _Problem(f"'weights' is for {joints} joints{known}; expected the {JOINTS} of SMPL")
    template = _real(fields, "v_template", (None, 3))
    vertices = len(template)
    span = np.ptp(template, 0).max()
    if span > _LARGEST:
        raise _Problem(f"'v_template' spans {span:.4g}, expected metres: a person (millimetres?)")
    weights = _real(fields, "weights", (vertices, JOINTS))
    worst = np.abs(weights.sum(1) - 1).argmax()
    if abs(weights[worst].sum() - 1) > 1e-3:
        raise _Problem(f"'weights' of vertex {worst} sum to {weights[worst].sum():.6g}, expected 1")
    landmarks = _landmarks(fields, vertices)
    shapes = _real(fields, "shapedirs", (vertices, 3, None))
    # jnp.asarray would compile a program an array.
    return BodyModel(
        template=jax.device_put(template),
        shape_directions=jax.device_put(shapes[..., :betas]),
        pose_directions=jax.device_put(_real(fields, "posedirs", (vertices, 3, POSE_FEATURES))),
        joint_regressor=jax.device_put(_real(fields, "J_regressor", (JOINTS, vertices))),
        weights=jax.device_put(weights),
        faces=jax.device_put(_indices(fields, "f", (None, 3), vertices)),
        landmarks=jax.device_put(np.array(list(landmarks.values()), np.int32)),
        parents=_parents(fields),
        landmark_names=tuple(landmarks),
    )


def _shaped(
    fields: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...], kinds: str, what: str
) -> np.ndarray:
    array = fields[name]
    fits = array.ndim == len(shape) and array.size > 0
    if not fits or any(
        want not in (None, got) for want, got in zip(shape, array.shape, strict=True)
    ):
        expected = str(shape).replace("None", "any")
        raise _Problem(f"'{name}' has shape {array.shape}, expected {expected}")
    if array.dtype.kind not in kinds:
        raise _Problem(f"'{name}' is of type {array.dtype}, expected {what}")
    return array


def _real(fields: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    with np.errstate(over="ignore"):
        array = _shaped(fields, name, shape, "iuf", "real numbers").astype(np.float32)
    if not np.isfinite(array).all():
        count = np.size(array) - np.count_nonzero(np.isfinite(array))
        raise _Problem(f"'{name}' has {count} entries that are not finite float32 numbers")
    return array


def _indices(
    fields: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...], vertices: int
) -> np.ndarray:
    array = _shaped(fields, name, shape, "iu", "integers")
    if array.min() < 0 or array.max() >= vertices:
        raise _Problem(
            f"'{name}' holds vertices {array.min()} to {array.max()}, expected 0 to {vertices - 1}"
        )
    return array.astype(np.int32)


def _parents(fields: dict[str, np.ndarray]) -> tuple[int, ...]:
    table = _shaped(fields, "kintree_table", (2, JOINTS), "iu", "integers")
    # The root's own entry is -1 in one integer type or another.
    for joint, (parent, expected) in enumerate(zip(table[0], PARENTS, strict=True)):
        if joint > 0 and parent != expected:
            raise _Problem(
                f"'kintree_table' gives joint {joint} ({JOINT_NAMES[joint]}) the parent {parent}, "
                f"expected {expected} ({JOINT_NAMES[expected]})"
            )
    return PARENTS


def _landmarks(fields: dict[str, np.ndarray], vertices: int) -> dict[str, int]:
    """Vertices by landmark name: the file's, else SMPL's on SMPL's mesh, else none."""
    stored = [name in fields for name in ("landmarks", "landmark_names")]
    if not any(stored):
        return SMPL_LANDMARKS if vertices == SMPL_VERTICES else {}
    if not all(stored):
        raise _Problem("'landmarks' and 'landmark_names' go together; one is missing")
    if fields["landmarks"].size == fields["landmark_names"].size == 0:
        return {}
    names = [str(name) for name in _shaped(fields, "landmark_names", (None,), "U", "text")]
    indices = _indices(fields, "landmarks", (len(names),), vertices)
    if len({*names, *JOINT_NAMES}) != len(names) + JOINTS:
        raise _Problem("'landmark_names' repeats a name, or a joint's")
    return dict(zip(names, indices.tolist(), strict=True))
