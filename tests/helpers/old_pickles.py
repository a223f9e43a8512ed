"""Body models as Python 2, NumPy 1 and chumpy pickled them, byte for byte."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

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

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(pickle._Pickler.dispatch)
    # Of the pickler that is written in Python, which the stubs do not describe.
    write: Callable[[bytes], object]
    memoize: Callable[[object], None]

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj in OLD_NAMES:
            self.write(b"c" + OLD_NAMES[obj].encode() + b"\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)  # type: ignore[misc]

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
