"""Reads MATLAB's files; nothing in them is run."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from ief_jax.io.files import InputError, read_bytes


def load(path: Path) -> dict[str, Any]:
    """The variables of a `.mat` file (versions 4 to 7).

    A struct is a dict, an array of structs a list of them; axes of length 1 are left out.

    Raises:
      InputError: the file is missing, damaged, or of another kind.
    """
    read_bytes(path)
    try:
        return scipy.io.loadmat(path, simplify_cells=True)
    except Exception as error:  # loadmat fails in many ways on what is no .mat file
        raise InputError(f"{path}: not a MATLAB file that can be read ({error})") from error


def leeds_joints(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """The array `joints` of LSP's or LSPET's `joints.mat`, of the shape of that release.

    Raises:
      InputError: it is missing, has another shape, or holds NaN.
    """
    joints = load(path).get("joints")
    expected = f"expected the array 'joints' {' x '.join(map(str, shape))}"
    if joints is None:
        raise InputError(f"{path}: {expected}; is this the annotation of another data set?")
    if joints.shape != shape or joints.dtype.kind not in "iuf":
        raise InputError(
            f"{path}: 'joints' is {' x '.join(map(str, joints.shape))} of {joints.dtype}, "
            f"{expected}; is this the annotation of another data set?"
        )
    joints = joints.astype(np.float64)
    if not np.isfinite(joints).all():
        raise InputError(f"{path}: 'joints' has values that are not finite")
    return joints
