"""HDF5 files of keypoints: SLEAP's analysis files, and DeepLabCut's tables."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.formats import deeplabcut, sleap
from ief_jax.formats.content import Content
from ief_jax.io import safe_pickle
from ief_jax.io.files import InputError

_MOST_NUMBERS = 10**8


def read(path: Path) -> Content:
    """The people of an HDF5 file.

    Raises:
      InputError: it is damaged, holds something else, or the package h5py is not installed.
    """
    try:
        h5py: Any = importlib.import_module("h5py")
    except ModuleNotFoundError as error:
        raise InputError(
            "HDF5 needs the package h5py (pip install h5py); or export it as CSV"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            if "tracks" in file and "node_names" in file:
                return sleap.read_arrays(
                    {
                        key: _array(file[key])
                        for key in ("tracks", "node_names", "point_scores")
                        if key in file
                    },
                    _dims(file["tracks"]),
                )
            if "instances" in file and "points" in file:
                raise InputError("a project of SLEAP: export its analysis (HDF5 or CSV)")
            for group in file.values():
                if not isinstance(group, h5py.Group):
                    continue
                if "table" in group and "values_block_0" in (group["table"].dtype.names or ()):
                    return _deeplabcut(group["table"])
    except InputError:
        raise
    except Exception as error:  # h5py has many of its own on damaged files
        raise InputError(f"not an HDF5 file that can be read ({error})") from error
    raise InputError("HDF5, but neither SLEAP's analysis nor DeepLabCut's table")


def _dims(dataset: Any) -> tuple[str, ...]:
    """The names of the axes, which sleap-io writes as JSON."""
    text = dataset.attrs.get("dims", "")
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return ()
    return tuple(found) if isinstance(found, list) else ()


def _array(dataset: Any) -> np.ndarray:
    if dataset.size > _MOST_NUMBERS:
        raise InputError(f"'{dataset.name}' holds {dataset.size} numbers, too many")
    return np.asarray(dataset[()])


def _deeplabcut(table: Any) -> Content:
    """pandas keeps the column labels as a pickled list of tuples; nothing of it is run."""
    rows = _array(table)
    labels: Any = table.attrs["values_block_0_kind"]
    columns: Any = safe_pickle.load(bytes(labels))
    if not isinstance(columns, list) or not all(
        isinstance(c, tuple) and len(c) >= 3 and all(isinstance(t, str) for t in c) for c in columns
    ):
        raise InputError("DeepLabCut's column labels are not scorer, body part and coordinate")
    wanted = [(c[1] if len(c) == 4 else "", c[-2], c[-1]) for c in columns]
    values = rows["values_block_0"].reshape(len(rows), -1)
    index = rows["index"]
    return deeplabcut.content(
        wanted,
        [
            (i.decode(errors="replace") if isinstance(i, bytes) else str(i), list(v.tolist()))
            for i, v in zip(index, values, strict=True)
        ],
    )
