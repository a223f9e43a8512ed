"""Reads MATLAB's files; nothing in them is run.

SciPy's reader ends the interpreter on some damaged files, so it runs in a process of its own.
"""

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.io.files import InputError, read_bytes

SECONDS = 20
"""A file may take this long,"""
SECONDS_PER_MEGABYTE = 10
"""and so much longer for each megabyte of it: MPII's takes about a minute."""
MOST_MEMORY = 8 * 2**30


def load(path: Path) -> dict[str, Any]:
    """The variables of a `.mat` file (versions 4 to 7).

    A struct is a dict, an array of structs a list of them; axes of length 1 are left out.

    Raises:
      InputError: the file is missing, damaged, or of another kind.
    """
    size = len(read_bytes(path))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "data.keypoints.matlab", str(path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            timeout=SECONDS + SECONDS_PER_MEGABYTE * size / 1e6,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{path}: not a MATLAB file that can be read (too slow)") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said and done.returncode > 0 else f"its reader died ({done.returncode})"
        raise InputError(f"{path}: not a MATLAB file that can be read ({why[:300]})")
    found: dict[str, Any] = pickle.loads(done.stdout)  # by the process above, from plain arrays
    return found


def leeds_joints(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """The array `joints` of LSP's or LSPET's `joints.mat`, of the shape of that release.

    Raises:
      InputError: it is missing, has another shape, or holds NaN.
    """
    joints = load(path).get("joints")
    expected = f"expected the array 'joints' {' x '.join(map(str, shape))}"
    if not isinstance(joints, np.ndarray):
        raise InputError(f"{path}: {expected}; is this the annotation of another data set?")
    if joints.shape != shape or joints.dtype.kind not in "iuf":
        raise InputError(
            f"{path}: 'joints' is {' x '.join(map(str, joints.shape))} of {joints.dtype}, "
            f"{expected}; is this the annotation of another data set?"
        )
    joints = joints.astype(np.float64)
    if not (np.abs(joints) < 1e6).all():
        raise InputError(f"{path}: 'joints' has values that are not finite, or no pixels")
    return joints


def _print(path: str) -> None:
    """Writes the variables of a file, pickled, to the standard output."""
    import scipy.io

    with contextlib.suppress(ImportError):  # there is none on Windows
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = MOST_MEMORY if limit < 0 else min(MOST_MEMORY, limit)
        resource.setrlimit(resource.RLIMIT_AS, (most, limit))
    try:
        content = scipy.io.loadmat(path, simplify_cells=True)
        data = pickle.dumps(content, protocol=5)
    except Exception as error:  # loadmat fails in many ways on what is no .mat file
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))
    sys.stdout.buffer.write(data)


if __name__ == "__main__":
    _print(sys.argv[1])
