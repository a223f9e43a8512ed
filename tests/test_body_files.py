"""Files are fabricated as Python 2, NumPy 1 and chumpy wrote them, byte for byte."""

import errno
import io
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from fabricated import smpl_fields

from ief_jax import body_files, inert_pickle, joints, skeletons, smpl
from ief_jax.body_files import BodyFileError

Fields = dict[str, Any]


class Ch:
    """As chumpy's classes: the state holds the terms, and bookkeeping, sets and all."""

    def __init__(self, **terms: object):
        self.__dict__ = {**terms, "_dirty_vars": {"x"}, "_itr": None, "_depends_on_deps": {}}


class Select(Ch):
    pass


class Reshape(Ch):
    pass


class MatVecMult(Ch):
    """An expression that no body model's own fields hold."""


class OldSparse:
    """As SciPy's sparse matrices were pickled: a plain object with these attributes."""

    def __init__(self, matrix: Any):
        self._shape, self.maxprint, self.data = matrix.shape, 50, matrix.data
        if isinstance(matrix, scipy.sparse.coo_matrix):
            self.row, self.col = matrix.row, matrix.col
        else:
            self.indices, self.indptr = matrix.indices, matrix.indptr


class OldCsc(OldSparse):
    pass


class OldCsr(OldSparse):
    pass


class OldCoo(OldSparse):
    pass


OLD_NAMES = {
    Ch: "chumpy.ch\nCh",
    Select: "chumpy.reordering\nSelect",
    Reshape: "chumpy.reordering\nReshape",
    MatVecMult: "chumpy.ch\nMatVecMult",
    OldCsc: "scipy.sparse.csc\ncsc_matrix",
    OldCsr: "scipy.sparse.csr\ncsr_matrix",
    OldCoo: "scipy.sparse.coo\ncoo_matrix",
    np.zeros(()).__reduce__()[0]: "numpy.core.multiarray\n_reconstruct",
}


class Python2Pickler(pickle._Pickler):
    """Pickles as Python 2 did: old names of globals, and text and bytes as byte strings."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj in OLD_NAMES:
            self.write(b"c" + OLD_NAMES[obj].encode() + b"\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def save_string(self, obj: bytes | str) -> None:
        data = obj if isinstance(obj, bytes) else obj.encode("latin1")
        if self.bin:
            self.write(b"T" + struct.pack("<i", len(data)) + data)
        else:
            self.write(b"S" + repr(data)[1:].encode() + b"\n")
        self.memoize(obj)

    dispatch[bytes] = dispatch[str] = save_string
    dispatch[type] = dispatch[type(len)] = save_global


def write_python2(content: object, path: Path, protocol: int = 2) -> Path:
    with path.open("wb") as file:
        Python2Pickler(file, protocol).dump(content)
    return path


def write_npz(fields: Fields, path: Path) -> Path:
    np.savez(path, **fields)
    return path


def official(fields: Fields) -> Fields:
    """The layout of SMPL's own pickles."""
    shapes, template = fields["shapedirs"], fields["v_template"]
    padded = np.concatenate([shapes.ravel(), np.arange(7.0)])
    return {
        **fields,
        "v_template": Ch(x=template),
        "shapedirs": Select(
            a=Ch(x=np.roll(padded, 3)),
            idxs=(np.arange(shapes.size) + 3) % padded.size,
            preferred_shape=shapes.shape,
        ),
        "J_regressor": OldCsc(scipy.sparse.csc_matrix(fields["J_regressor"])),
        "J_regressor_prior": OldCsc(scipy.sparse.csc_matrix(fields["J_regressor"])),
        "J": MatVecMult(mtx=OldCsc(scipy.sparse.csc_matrix(np.eye(3))), vec=Ch(x=np.ones(3))),
        "pose_training_info": {"gender": "female", "rows": [1, 2.5, None, True]},
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "vert_sym_idxs": np.arange(len(template)),
    }


def assert_holds(body: smpl.BodyModel, fields: Fields, betas: int = 10) -> None:
    expected = {
        "template": fields["v_template"],
        "shape_directions": fields["shapedirs"][..., :betas],
        "pose_directions": fields["posedirs"],
        "joint_regressor": fields["J_regressor"],
        "weights": fields["weights"],
    }
    for name, array in expected.items():
        assert getattr(body, name).dtype == np.float32, name
        np.testing.assert_array_equal(getattr(body, name), array.astype(np.float32), name)
    np.testing.assert_array_equal(body.faces, fields["f"])
    assert body.faces.dtype == np.int32
    assert body.parents == body_files.PARENTS


def test_embedded_body_is_an_smpl_body_with_every_landmark(body: smpl.BodyModel) -> None:
    assert body.template.shape == (6890, 3)
    assert body.betas == 10
    assert set(body.landmark_names) == set(body_files.SMPL_LANDMARKS)
    np.testing.assert_allclose(body.weights.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(body.joint_regressor.sum(1), 1, atol=1e-5)
    template = np.asarray(body.template)
    height = np.ptp(template[:, 1])
    assert 1.4 < height < 2.0
    points = dict(zip(body.landmark_names, template[np.asarray(body.landmarks)], strict=True))
    # y up, facing +z, left at +x.
    assert points["head_top"][1] > template[:, 1].max() - 0.01
    assert points["nose"][2] > points["left_ear"][2]
    for name, point in points.items():
        if name.startswith("left_"):
            mirrored = points["right_" + name.removeprefix("left_")]
            np.testing.assert_allclose(point * [-1, 1, 1], mirrored, atol=0.01)
            assert point[0] > 0.01, name


def test_every_keypoint_layout_is_read_off_the_embedded_body(
    joint_model: joints.JointModel,
) -> None:
    for name, layout in skeletons.LAYOUTS.items():
        assert (skeletons.selection(layout, joint_model.names).sum(1) == 1).all(), name


def test_none_is_the_embedded_body(body: smpl.BodyModel) -> None:
    np.testing.assert_array_equal(body_files.load_or_embedded(None).template, body.template)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_official_pickle_of_python_2(tmp_path: Path, protocol: int) -> None:
    fields = smpl_fields()
    path = write_python2(official(fields), tmp_path / "smpl.pkl", protocol)
    assert (b"chumpy" in path.read_bytes()) and (b"numpy.core" in path.read_bytes())
    assert_holds(body_files.load(path), fields)
    assert_holds(body_files.load_or_embedded(path), fields)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", None])
def test_pickle_of_python_3_as_smplx_cleans_them(
    tmp_path: Path, protocol: int, kind: str | None
) -> None:
    fields = smpl_fields()
    regressor = fields["J_regressor"]
    content = {
        **fields,
        "posedirs": np.asfortranarray(fields["posedirs"]),
        "weights": fields["weights"].astype(">f8"),
        "J_regressor": getattr(scipy.sparse, kind)(regressor) if kind else regressor,
        "scale": np.float32(1),
    }
    path = tmp_path / "smpl.pkl"
    path.write_bytes(pickle.dumps(OrderedDict(content), protocol))
    assert_holds(body_files.load(path), fields)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda matrix: OldCsr(scipy.sparse.csr_matrix(matrix)),
        lambda matrix: OldCoo(scipy.sparse.coo_matrix(matrix)),
        lambda matrix: Reshape(a=Ch(x=matrix.ravel()), newshape=matrix.shape),
        lambda matrix: matrix.tolist(),
    ],
    ids=["csr", "coo", "reshape", "list"],
)
def test_other_ways_to_hold_an_array(tmp_path: Path, wrap: Callable[[np.ndarray], Any]) -> None:
    fields = smpl_fields()
    content = {**fields, "J_regressor": wrap(fields["J_regressor"])}
    assert_holds(body_files.load(write_python2(content, tmp_path / "smpl.pkl")), fields)


def test_betas_are_the_files_or_the_first_few(tmp_path: Path) -> None:
    fields = smpl_fields(betas=300)
    path = write_python2(official(fields), tmp_path / "smpl.pkl")
    for asked, kept in [(10, 10), (3, 3), (None, 300), (500, 300)]:
        assert_holds(body_files.load(path, betas=asked), fields, kept)
    assert body_files.load(path).betas == 10
    with pytest.raises(ValueError, match="betas is 0"):
        body_files.load(path, betas=0)


def test_npz_of_the_official_layout(tmp_path: Path) -> None:
    fields = smpl_fields()
    # An unused field may be anything: it is not read.
    extra = {"bs_style": np.array("lbs"), "info": np.array({"a": 1}, dtype=object)}
    assert_holds(body_files.load(write_npz({**fields, **extra}, tmp_path / "a.npz")), fields)


def test_npz_of_smplx_buffers(tmp_path: Path) -> None:
    fields = smpl_fields()
    buffers = {name: fields[name] for name in ("v_template", "shapedirs", "J_regressor")}
    buffers["posedirs"] = fields["posedirs"].reshape(-1, 207).T
    buffers["lbs_weights"] = fields["weights"]
    buffers["parents"] = np.array(body_files.PARENTS)
    buffers["faces_tensor"] = fields["f"].astype(np.int64)
    assert_holds(body_files.load(write_npz(buffers, tmp_path / "a.npz")), fields)


@pytest.mark.parametrize("root", [-1, 0, 2**32 - 1, 2**64 - 1])
def test_any_parent_of_the_root(tmp_path: Path, root: int) -> None:
    table = smpl_fields()["kintree_table"].astype(np.uint64 if root > 0 else np.int64)
    table[0, 0] = root
    fields = {**smpl_fields(), "kintree_table": table}
    assert_holds(body_files.load(write_npz(fields, tmp_path / "a.npz")), fields)


def test_landmarks_are_the_files_or_smpls_or_none(tmp_path: Path, body: smpl.BodyModel) -> None:
    few = smpl_fields()
    assert body_files.load(write_npz(few, tmp_path / "a.npz")).landmark_names == ()
    stored = {**few, "landmarks": np.array([3, 7]), "landmark_names": np.array(["nose", "hat"])}
    marked = body_files.load(write_npz(stored, tmp_path / "b.npz"))
    assert marked.landmark_names == ("nose", "hat")
    assert marked.landmarks.tolist() == [3, 7]
    path = tmp_path / "c.npz"
    body_files.save_npz(body.replace(landmarks=body.landmarks[:0], landmark_names=()), path)
    assert body_files.load(path).landmark_names == ()
    with np.load(path) as archive:
        dense = {name: archive[name] for name in archive.files if "landmark" not in name}
    standard = body_files.load(write_npz(dense, path))
    table = dict(zip(standard.landmark_names, standard.landmarks.tolist(), strict=True))
    assert table == body_files.SMPL_LANDMARKS


def test_landmark_table_is_smplxs() -> None:
    vertex_ids = pytest.importorskip("smplx.vertex_ids", reason="needs smplx").vertex_ids["smplh"]
    names = {"eye", "ear", "thumb", "index", "middle", "ring", "pinky"}
    theirs = {"nose": vertex_ids["nose"]}
    for side, letter in [("left", "l"), ("right", "r")]:
        theirs |= {f"{side}_{name}": vertex_ids[letter + name] for name in names}
        for name, ours in [("BigToe", "big_toe"), ("SmallToe", "small_toe"), ("Heel", "heel")]:
            theirs[f"{side}_{ours}"] = vertex_ids[letter.upper() + name]
    assert {**theirs, "head_top": 411} == body_files.SMPL_LANDMARKS


def test_saved_body_comes_back_whole(tmp_path: Path, body: smpl.BodyModel) -> None:
    path = tmp_path / "body.npz"
    body_files.save_npz(body, path)
    again = body_files.load(path)
    for name in ("template", "shape_directions", "pose_directions", "joint_regressor", "weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(body, name), name)
    np.testing.assert_array_equal(again.landmarks, body.landmarks)
    assert again.landmark_names == body.landmark_names
    assert os.listdir(tmp_path) == ["body.npz"]


def test_failed_save_leaves_the_old_file(
    tmp_path: Path, body: smpl.BodyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "body.npz"
    path.write_bytes(b"old")

    def full(file: io.BufferedWriter, **_: object) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left on device.*body.npz"):
        body_files.save_npz(body, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["body.npz"]
    with pytest.raises(OSError, match="cannot write a body model: No such file"):
        body_files.save_npz(body, tmp_path / "absent" / "body.npz")
    with pytest.raises(OSError, match="cannot write a body model: Not a directory"):
        body_files.save_npz(body, path / "body.npz")


# Pickles that would run something, each spelled in opcodes.
MARK = "MARK_FILE"
HOSTILE = {
    "os.system": b"cposix\nsystem\n(S'touch MARK_FILE'\ntR.",
    "os.system, protocol 4": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ftouch MARK_FILE\x85R.",
    "eval": b'c__builtin__\neval\n(S\'open("MARK_FILE", "w")\'\ntR.',
    "exec": b'cbuiltins\nexec\n(S\'open("MARK_FILE", "w")\'\ntR.',
    "open": b"cbuiltins\nopen\n(S'MARK_FILE'\nS'w'\ntR.",
    "subprocess by INST": b"(S'touch MARK_FILE'\nisubprocess\ngetoutput\n.",
    "subprocess by OBJ": b"(csubprocess\ngetoutput\nS'touch MARK_FILE'\no.",
    "getattr of an allowed class": b"c__builtin__\ngetattr\n(cnumpy\nndarray\nS'tofile'\ntR.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
    "module of an allowed module": b"cnumpy.core.multiarray\nos\n.",
    "nested in a state": (
        b"(dS'v_template'\nccopy_reg\n_reconstructor\n(cchumpy.ch\nCh\nc__builtin__\nobject\nNtR"
        b"(dS'x'\ncposix\nsystem\n(S'touch MARK_FILE'\ntRsbs."
    ),
    "in an object array": (
        b"(dS'v_template'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n"
        b"(lcposix\nsystem\n(S'touch MARK_FILE'\ntRatbs."
    ),
    "reduce by copyreg": b"ccopyreg\n__newobj__\n(cposix\nsystem\nS'touch MARK_FILE'\ntR.",
    "extension registry": b"ccopyreg\nadd_extension\n(S'os'\nS'system'\nI1\ntR\x82\x01.",
    "pickle in a pickle": b"c_pickle\nloads\n(S'cos\\nsystem\\n.'\ntR.",
    "numpy's own loader": b"cnumpy\nload\n(S'MARK_FILE'\nNI01\ntR.",
    "scipy's own loader": b"cscipy.sparse._matrix_io\nload_npz\n(S'MARK_FILE'\ntR.",
    "unlisted class of an allowed module": b"cnumpy\nmemmap\n(S'MARK_FILE'\nS'u1'\nS'w+'\ntR.",
    "this library": b"cief_jax.inert_pickle\nload\n(S''\ntR.",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_pickle_is_refused_by_name_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(HOSTILE[attack])
    with pytest.raises(BodyFileError, match=r"SMPL_NEUTRAL\.pkl: it asks for '[\w.]+'"):
        body_files.load(path)
    assert os.listdir(tmp_path) == ["SMPL_NEUTRAL.pkl"]


NUMPY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
DTYPE = b"cnumpy\ndtype\n(S'%s'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
OBJECT = b"ccopy_reg\n_reconstructor\n(c%s\nNNtR"
CHUMPY = OBJECT % b"chumpy.ch\nCh"
SPARSE = OBJECT % b"scipy.sparse.csc\ncsc_matrix"
# Pickles that name allowed things only and put them together in ways that make no sense, and what
# the error says.
NONSENSE = {
    "object dtype": (
        NUMPY + b"(I1\n(I1\nt" + DTYPE % b"O8" + b"I00\nS'12345678'\ntb",
        "dtype '<O8'",
    ),
    "void dtype": (
        NUMPY + b"(I1\n(I1\nt" + DTYPE % b"V8" + b"I00\nS'12345678'\ntb",
        "dtype '<V8'",
    ),
    "array of another class": (
        NUMPY.replace(b"numpy\nndarray", b"__builtin__\nset")
        + b"(I1\n(I1\nt"
        + DTYPE % b"f8"
        + b"I00\nS'12345678'\ntb",
        "_reconstruct' is not a known kind of array",
    ),
    "array without a state": (NUMPY, "a damaged array"),
    "shape larger than the data": (
        NUMPY + b"(I1\n(I1000000000\nI1000000000\nt" + DTYPE % b"f8" + b"I00\nS'12345678'\ntb",
        "cannot reshape array of size 1",
    ),
    "a class": (b"cnumpy\nndarray\n", "type is not an array"),
    "another chumpy class": (
        OBJECT % b"chumpy.ch\nMatVecMult" + b"(dS'x'\nI1\nsb",
        "'chumpy.ch.MatVecMult' is not a known kind of array",
    ),
    "chumpy without a state": (CHUMPY, "a damaged array"),
    "chumpy within itself": (CHUMPY + b"p1\n(dS'x'\ng1\nsb", "RecursionError"),
    "selection out of range": (
        OBJECT % b"chumpy.reordering\nSelect" + b"(dS'a'\n(lI1\nasS'idxs'\n(lI9\nasb",
        "index 9 is out of bounds",
    ),
    "sparse matrix without indices": (
        SPARSE + b"(dS'_shape'\n(I24\nI30\ntsS'data'\n(lI1\nasb",
        "KeyError: 'indices'",
    ),
    "sparse matrix out of bounds": (
        SPARSE
        + b"(dS'_shape'\n(I1\nI1\ntsS'data'\n(lI1\nasS'indices'\n(lI7\nas"
        + b"S'indptr'\n(lI0\naI1\nasb",
        "must be < 1",
    ),
    "ragged list": (b"(l(lI1\naa(lI1\naI2\naa", "inhomogeneous shape"),
    "none": (b"N", "NoneType is not an array"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_damaged_array_is_an_error_that_names_the_field(tmp_path: Path, case: str) -> None:
    path = tmp_path / "smpl.pkl"
    fields = pickle.dumps({k: v for k, v in smpl_fields().items() if k != "v_template"}, 0)
    value, message = NONSENSE[case]
    path.write_bytes(fields[:-1] + b"S'v_template'\n" + value + b"s.")
    with pytest.raises(
        BodyFileError, match=rf"smpl\.pkl: 'v_template' cannot be read: .*{message}"
    ):
        body_files.load(path)


def test_sparse_matrix_too_large_to_be_made_dense(tmp_path: Path) -> None:
    huge = scipy.sparse.coo_matrix(([1.0], ([0], [0])), (10**5, 10**5))
    path = write_python2({**smpl_fields(), "J_regressor": OldCoo(huge)}, tmp_path / "smpl.pkl")
    with pytest.raises(BodyFileError, match=r"'J_regressor'.* sparse matrix of shape \(100000, "):
        body_files.load(path)


def test_state_given_to_an_allowed_class_changes_nothing(tmp_path: Path) -> None:
    before = dict(vars(inert_pickle.Record))
    for opcodes in (
        b"cchumpy.ch\nCh\n(dS'__setstate__'\nI1\nsb.",
        b"cchumpy.ch\nCh\n(N(dS'__new__'\nI1\nstb.",
        b"cnumpy\nndarray\n(N(dS'__init__'\nI1\nstb.",
        b"cchumpy.ch\nCh\nS'key'\nI1\ns.",
    ):
        path = tmp_path / "smpl.pkl"
        path.write_bytes(opcodes)
        with pytest.raises(BodyFileError, match="not a complete pickle|not a body model"):
            body_files.load(path)
    assert dict(vars(inert_pickle.Record)) == before


SPOILED: dict[str, tuple[Callable[[Fields], object], str]] = {
    "missing field": (lambda f: f.pop("posedirs"), "no 'posedirs'"),
    "missing skeleton": (lambda f: f.pop("kintree_table"), "no 'kintree_table'"),
    "no field at all": (lambda f: [f.clear(), f.update(a=np.ones(3))], "not a body model: none of"),
    "template of the wrong shape": (
        lambda f: f.update(v_template=f["v_template"][:, :2]),
        r"'v_template' has shape \(30, 2\), expected \(any, 3\)",
    ),
    "scalar template": (
        lambda f: f.update(v_template=np.ones(())),
        r"'v_template' has shape \(\), expected \(any, 3\)",
    ),
    "text": (
        lambda f: f.update(v_template=np.full((30, 3), "a")),
        "'v_template' is of type <U1, expected real numbers",
    ),
    "no vertices": (
        lambda f: f.update(v_template=np.zeros((0, 3)), weights=np.zeros((0, 24))),
        r"'v_template' has shape \(0, 3\)",
    ),
    "shapes of another mesh": (
        lambda f: f.update(shapedirs=f["shapedirs"][:-1]),
        r"'shapedirs' has shape \(29, 3, 10\), expected \(30, 3, any\)",
    ),
    "no betas": (
        lambda f: f.update(shapedirs=f["shapedirs"][..., :0]),
        r"'shapedirs' has shape \(30, 3, 0\)",
    ),
    "flat pose directions": (
        lambda f: f.update(posedirs=f["posedirs"].reshape(90, 207)),
        r"'posedirs' has shape \(90, 207\), expected \(30, 3, 207\)",
    ),
    "transposed regressor": (
        lambda f: f.update(J_regressor=f["J_regressor"].T),
        r"'J_regressor' has shape \(30, 24\), expected \(24, 30\)",
    ),
    "weights of another mesh": (
        lambda f: f.update(weights=f["weights"][1:]),
        r"'weights' has shape \(29, 24\), expected \(30, 24\)",
    ),
    "SMPL-X": (
        lambda f: f.update(weights=np.ones((30, 55)), J_regressor=np.ones((55, 30))),
        r"'weights' is for 55 joints, as SMPL-X has; expected the 24 of SMPL",
    ),
    "SMPL-H": (
        lambda f: f.update(weights=np.ones((30, 52))),
        "'weights' is for 52 joints, as SMPL-H has",
    ),
    "MANO": (
        lambda f: f.update(weights=np.ones((30, 16))),
        "'weights' is for 16 joints, as MANO has",
    ),
    "another rig": (
        lambda f: f.update(weights=np.ones((30, 7))),
        "'weights' is for 7 joints; expected the 24",
    ),
    "NaN": (
        lambda f: f["posedirs"].__setitem__((1, 2, 3), np.nan),
        "'posedirs' has 1 entries that are not finite",
    ),
    "infinity": (
        lambda f: f["v_template"].__setitem__((1, 2), np.inf),
        "'v_template' has 1 entries that are not finite",
    ),
    "too large for float32": (
        lambda f: f["shapedirs"].__setitem__((1, 2), 1e300),
        "'shapedirs' has 10 entries that are not finite float32",
    ),
    "complex": (
        lambda f: f.update(v_template=f["v_template"] + 0j),
        "'v_template' is of type complex128, expected real numbers",
    ),
    "weights that do not sum to one": (
        lambda f: f["weights"].__setitem__(4, f["weights"][4] * 1.1),
        r"'weights' of vertex 4 sum to 1\.1, expected 1",
    ),
    "wrong parent": (
        lambda f: f["kintree_table"].__setitem__((0, 4), 2),
        r"'kintree_table' gives joint 4 \(left_knee\) the parent 2, expected 1 \(left_hip\)",
    ),
    "cycle": (
        lambda f: f["kintree_table"].__setitem__((0, 1), 4),
        r"'kintree_table' gives joint 1 \(left_hip\) the parent 4, expected 0 \(pelvis\)",
    ),
    "short tree": (
        lambda f: f.update(kintree_table=f["kintree_table"][:, :23]),
        r"'kintree_table' has shape \(2, 23\)",
    ),
    "tree of fractions": (
        lambda f: f.update(kintree_table=f["kintree_table"] * 1.0),
        "'kintree_table' is of type float64, expected integers",
    ),
    "face beyond the vertices": (
        lambda f: f["f"].__setitem__((0, 0), 30),
        "'f' holds vertices 0 to 30, expected 0 to 29",
    ),
    "negative face": (
        lambda f: f.update(f=f["f"].astype(int) - 1),
        "'f' holds vertices -1 to 28",
    ),
    "quadrilaterals": (
        lambda f: f.update(f=np.zeros((9, 4), int)),
        r"'f' has shape \(9, 4\), expected \(any, 3\)",
    ),
    "landmarks without names": (
        lambda f: f.update(landmarks=np.array([1])),
        "'landmarks' and 'landmark_names' go together",
    ),
    "landmark beyond the vertices": (
        lambda f: f.update(landmarks=np.array([30]), landmark_names=np.array(["nose"])),
        "'landmarks' holds vertices 30 to 30",
    ),
    "more landmarks than names": (
        lambda f: f.update(landmarks=np.array([1, 2]), landmark_names=np.array(["nose"])),
        r"'landmarks' has shape \(2,\), expected \(1,\)",
    ),
    "landmark named as a joint": (
        lambda f: f.update(landmarks=np.array([1]), landmark_names=np.array(["pelvis"])),
        "'landmark_names' repeats a name, or a joint's",
    ),
    "landmark twice": (
        lambda f: f.update(landmarks=np.array([1, 2]), landmark_names=np.array(["a", "a"])),
        "'landmark_names' repeats",
    ),
}


@pytest.mark.parametrize("write", [write_npz, write_python2], ids=["npz", "pkl"])
@pytest.mark.parametrize("case", SPOILED)
def test_file_that_is_not_an_smpl_body(
    tmp_path: Path, case: str, write: Callable[[Fields, Path], Path]
) -> None:
    if write is write_python2 and case in (
        "complex",
        "text",
        *(c for c in SPOILED if "landmark" in c),
    ):
        return
    spoil, message = SPOILED[case]
    fields = smpl_fields()
    fields["f"][0], fields["f"][1] = 0, 29
    spoil(fields)
    path = write(fields, tmp_path / ("smpl.npz" if write is write_npz else "smpl.pkl"))
    with pytest.raises(BodyFileError, match=rf"smpl\.(npz|pkl): {message}"):
        body_files.load(path)


def test_npz_with_pickled_objects(tmp_path: Path) -> None:
    fields = {**smpl_fields(), "J_regressor": np.array({"a": 1}, dtype=object)}
    path = write_npz(fields, tmp_path / "a.npz")
    with pytest.raises(BodyFileError, match="a.npz: 'J_regressor' cannot be read: Object arrays"):
        body_files.load(path)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(BodyFileError, match="absent.pkl: cannot be read: No such file"):
        body_files.load(tmp_path / "absent.pkl")
    with pytest.raises(BodyFileError, match="cannot be read: Is a directory"):
        body_files.load(tmp_path)
    for name, content, message in [
        ("empty.pkl", b"", "not a complete pickle"),
        ("empty.npz", b"", "not an .npz archive"),
        ("text.pkl", b"v 0 0 0\nv 1 0 0\n", "not a complete pickle"),
        ("text.npz", b"v 0 0 0\n", "not an .npz archive"),
        ("list.pkl", pickle.dumps([1, 2]), "not a body model"),
        ("array.pkl", pickle.dumps(np.ones(3)), "not a body model"),
        ("persistent.pkl", b"Pname\n.", "not a complete pickle"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BodyFileError, match=f"{name}: {message}"):
            body_files.load(tmp_path / name)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("name", ["a.npz", "a.pkl"])
def test_truncated_file(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    (write_npz if name == "a.npz" else write_python2)(smpl_fields(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BodyFileError, match=name):
        body_files.load(path)


def test_overwritten_bytes_in_an_npz_are_noticed(tmp_path: Path) -> None:
    path = write_npz(smpl_fields(), tmp_path / "a.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BodyFileError, match="a.npz: .* cannot be read: Bad CRC-32"):
        body_files.load(path)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("w_idx", lambda a: a + 24, "do not fit together"),
        ("pd_rows", lambda a: a[1:], "do not fit together"),
        ("pd_cols", lambda a: a[1:], "do not fit together"),
        ("J_col", lambda a: a + np.uint16(6890), "do not fit together"),
        ("J_val", None, "no 'J_val', which the compact layout has"),
        ("v_template", None, "no 'v_template', which the compact layout has"),
    ],
)
def test_damaged_compact_file(
    tmp_path: Path, name: str, spoil: Callable[[np.ndarray], np.ndarray] | None, message: str
) -> None:
    with np.load(Path(body_files.__file__).parent / "assets" / "body.npz") as archive:
        stored = {key: archive[key] for key in archive.files}
    if spoil:
        stored[name] = spoil(stored[name])
    else:
        del stored[name]
    with pytest.raises(BodyFileError, match=message):
        body_files.load(write_npz(stored, tmp_path / "a.npz"))
