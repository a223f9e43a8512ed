"""Body model files that are hostile, damaged or something else: an error, and nothing is run."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from ief_jax.body import model_files
from ief_jax.body.model_files import BodyFileError
from ief_jax.io import safe_pickle
from tests.helpers.fabricated import smpl_fields
from tests.helpers.old_pickles import Fields, OldCoo, write_npz, write_python2

# Pickles that would run something, each spelled in opcodes.
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
        model_files.load(path)
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
        model_files.load(path)


def test_an_array_within_itself(tmp_path: Path) -> None:
    path = tmp_path / "smpl.pkl"
    path.write_bytes(b"(dS'v_template'\n" + CHUMPY + b"p1\n(dS'x'\ng1\nsbs.")
    with pytest.raises(BodyFileError, match="an object is in itself"):
        model_files.load(path)


def test_sparse_matrix_too_large_to_be_made_dense(tmp_path: Path) -> None:
    huge = scipy.sparse.coo_matrix(
        (np.ones(1), (np.zeros(1, int), np.zeros(1, int))), (10**5, 10**5)
    )
    path = write_python2({**smpl_fields(), "J_regressor": OldCoo(huge)}, tmp_path / "smpl.pkl")
    with pytest.raises(BodyFileError, match=r"'J_regressor'.* sparse matrix of shape \(100000, "):
        model_files.load(path)


def test_state_given_to_an_allowed_class_changes_nothing(tmp_path: Path) -> None:
    before = dict(vars(safe_pickle.Record))
    for opcodes in (
        b"cchumpy.ch\nCh\n(dS'__setstate__'\nI1\nsb.",
        b"cchumpy.ch\nCh\n(N(dS'__new__'\nI1\nstb.",
        b"cnumpy\nndarray\n(N(dS'__init__'\nI1\nstb.",
        b"cchumpy.ch\nCh\nS'key'\nI1\ns.",
    ):
        path = tmp_path / "smpl.pkl"
        path.write_bytes(opcodes)
        with pytest.raises(BodyFileError, match="not a complete pickle|not a body model"):
            model_files.load(path)
    assert dict(vars(safe_pickle.Record)) == before


def without_any(fields: Fields) -> None:
    fields.clear()
    fields.update(a=np.ones(3))


SPOILED: dict[str, tuple[Callable[[Fields], object], str]] = {
    "missing field": (lambda f: f.pop("posedirs"), "no 'posedirs'"),
    "missing skeleton": (lambda f: f.pop("kintree_table"), "no 'kintree_table'"),
    "no field at all": (without_any, "not a body model: none of"),
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
        model_files.load(path)


def test_npz_with_pickled_objects(tmp_path: Path) -> None:
    fields = {**smpl_fields(), "J_regressor": np.array({"a": 1}, dtype=object)}
    path = write_npz(fields, tmp_path / "a.npz")
    with pytest.raises(BodyFileError, match="a.npz: 'J_regressor' cannot be read: dict is"):
        model_files.load(path)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(BodyFileError, match="cannot read .*absent.pkl: No such file"):
        model_files.load(tmp_path / "absent.pkl")
    with pytest.raises(BodyFileError, match="no SMPL model in it"):
        model_files.load(tmp_path)
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
            model_files.load(tmp_path / name)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("name", ["a.npz", "a.pkl"])
def test_truncated_file(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    (write_npz if name == "a.npz" else write_python2)(smpl_fields(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BodyFileError, match=name):
        model_files.load(path)


def test_overwritten_bytes_in_an_npz_are_noticed(tmp_path: Path) -> None:
    path = write_npz(smpl_fields(), tmp_path / "a.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BodyFileError, match="a.npz: .* cannot be read: Bad CRC-32"):
        model_files.load(path)


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
    with np.load(Path(model_files.__file__).parents[1] / "assets" / "body.npz") as archive:
        stored = {key: archive[key] for key in archive.files}
    if spoil:
        stored[name] = spoil(stored[name])
    else:
        del stored[name]
    with pytest.raises(BodyFileError, match=message):
        model_files.load(write_npz(stored, tmp_path / "a.npz"))
