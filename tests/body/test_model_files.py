"""Body models in each layout that a file of them has, official and saved."""

import dataclasses
import errno
import io
import os
import pickle
import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from ief_jax.body import joints, model_files, smpl
from ief_jax.geometry import skeletons
from tests.helpers.fabricated import smpl_fields
from tests.helpers.old_pickles import (
    Ch,
    Fields,
    OldCoo,
    OldCsr,
    Reshape,
    official,
    write_npz,
    write_python2,
)


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
    assert body.parents == model_files.PARENTS


def test_embedded_body_is_an_smpl_body_with_every_landmark(body: smpl.BodyModel) -> None:
    assert body.template.shape == (6890, 3)
    assert body.betas == 10
    assert set(body.landmark_names) == set(model_files.SMPL_LANDMARKS)
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
    for name in ("COCO_17", "COCO_18", "BODY_25", "BODY_25B", "HALPE_26", "LSP_14", "MPII_16"):
        layout = skeletons.LAYOUTS[name]
        assert (skeletons.selection(layout, joint_model.names).sum(1) == 1).all(), name


def test_none_is_the_embedded_body(body: smpl.BodyModel) -> None:
    np.testing.assert_array_equal(model_files.load_or_embedded(None).template, body.template)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_official_pickle_of_python_2(tmp_path: Path, protocol: int) -> None:
    fields = smpl_fields()
    path = write_python2(official(fields), tmp_path / "smpl.pkl", protocol)
    assert (b"chumpy" in path.read_bytes()) and (b"numpy.core" in path.read_bytes())
    assert_holds(model_files.load(path), fields)
    assert_holds(model_files.load_or_embedded(path), fields)


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
    assert_holds(model_files.load(path), fields)


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
    assert_holds(model_files.load(write_python2(content, tmp_path / "smpl.pkl")), fields)


def test_betas_are_the_files_or_the_first_few(tmp_path: Path) -> None:
    fields = smpl_fields(betas=300)
    path = write_python2(official(fields), tmp_path / "smpl.pkl")
    for asked, kept in [(10, 10), (3, 3), (None, 300), (500, 300)]:
        assert_holds(model_files.load(path, betas=asked), fields, kept)
    assert model_files.load(path).betas == 10
    with pytest.raises(ValueError, match="betas is 0"):
        model_files.load(path, betas=0)


def test_npz_of_the_official_layout(tmp_path: Path) -> None:
    fields = smpl_fields()
    # An unused field may be anything: it is not read.
    extra = {"bs_style": np.array("lbs"), "info": np.array({"a": 1}, dtype=object)}
    assert_holds(model_files.load(write_npz({**fields, **extra}, tmp_path / "a.npz")), fields)


def test_npz_of_smplx_buffers(tmp_path: Path) -> None:
    fields = smpl_fields()
    buffers = {name: fields[name] for name in ("v_template", "shapedirs", "J_regressor")}
    buffers["posedirs"] = fields["posedirs"].reshape(-1, 207).T
    buffers["lbs_weights"] = fields["weights"]
    buffers["parents"] = np.array(model_files.PARENTS)
    buffers["faces_tensor"] = fields["f"].astype(np.int64)
    assert_holds(model_files.load(write_npz(buffers, tmp_path / "a.npz")), fields)


@pytest.mark.parametrize("root", [-1, 0, 2**32 - 1, 2**64 - 1])
def test_any_parent_of_the_root(tmp_path: Path, root: int) -> None:
    table = smpl_fields()["kintree_table"].astype(np.uint64 if root > 0 else np.int64)
    table[0, 0] = root
    fields = {**smpl_fields(), "kintree_table": table}
    assert_holds(model_files.load(write_npz(fields, tmp_path / "a.npz")), fields)


def test_landmarks_are_the_files_or_smpls_or_none(tmp_path: Path, body: smpl.BodyModel) -> None:
    few = smpl_fields()
    assert model_files.load(write_npz(few, tmp_path / "a.npz")).landmark_names == ()
    stored = {**few, "landmarks": np.array([3, 7]), "landmark_names": np.array(["nose", "hat"])}
    marked = model_files.load(write_npz(stored, tmp_path / "b.npz"))
    assert marked.landmark_names == ("nose", "hat")
    assert marked.landmarks.tolist() == [3, 7]
    path = tmp_path / "c.npz"
    model_files.save_npz(
        dataclasses.replace(body, landmarks=body.landmarks[:0], landmark_names=()), path
    )
    assert model_files.load(path).landmark_names == ()
    with np.load(path) as archive:
        dense = {name: archive[name] for name in archive.files if "landmark" not in name}
    standard = model_files.load(write_npz(dense, path))
    table = dict(zip(standard.landmark_names, standard.landmarks.tolist(), strict=True))
    assert table == model_files.SMPL_LANDMARKS


def test_landmark_table_is_smplxs() -> None:
    vertex_ids = pytest.importorskip("smplx.vertex_ids", reason="needs smplx").vertex_ids["smplh"]
    names = {"eye", "ear", "thumb", "index", "middle", "ring", "pinky"}
    theirs = {"nose": vertex_ids["nose"]}
    for side, letter in [("left", "l"), ("right", "r")]:
        theirs |= {f"{side}_{name}": vertex_ids[letter + name] for name in names}
        for name, ours in [("BigToe", "big_toe"), ("SmallToe", "small_toe"), ("Heel", "heel")]:
            theirs[f"{side}_{ours}"] = vertex_ids[letter.upper() + name]
    assert {**theirs, "head_top": 411} == model_files.SMPL_LANDMARKS


def test_saved_body_comes_back_whole(tmp_path: Path, body: smpl.BodyModel) -> None:
    path = tmp_path / "body.npz"
    model_files.save_npz(body, path)
    again = model_files.load(path)
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
    with pytest.raises(OSError, match="cannot write .*body.npz: No space left on device"):
        model_files.save_npz(body, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["body.npz"]
    with pytest.raises(OSError, match="cannot write .*body.npz: No such file"):
        model_files.save_npz(body, tmp_path / "absent" / "body.npz")
    with pytest.raises(OSError, match="cannot write .*body.npz: Not a directory"):
        model_files.save_npz(body, path / "body.npz")


def genders(folder: Path, names: dict[str, str]) -> dict[str, Fields]:
    """Models of different genders, and files beside them."""
    found = {}
    for seed, (gender, name) in enumerate(names.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        found[gender] = smpl_fields(seed=seed)
        write_python2(official(found[gender]), path)
    (folder / "readme.txt").write_text("")
    return found


SMPLX = {g: f"smpl/SMPL_{g.upper()}.pkl" for g in ("neutral", "male", "female")}
SITE = {
    "neutral": "smpl/models/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl",
    "male": "smpl/models/basicmodel_m_lbs_10_207_0_v1.1.0.pkl",
    "female": "smpl/models/basicModel_f_lbs_10_207_0_v1.0.0.pkl",
}


@pytest.mark.parametrize("names", [SMPLX, SITE])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_or_zip_of_genders(tmp_path: Path, names: dict[str, str], zipped: bool) -> None:
    folder = tmp_path / "models"
    found = genders(folder, names)
    path = folder
    if zipped:
        path = Path(shutil.make_archive(str(tmp_path / "SMPL"), "zip", folder))
    assert_holds(model_files.load(path), found["neutral"])
    for gender in ("neutral", "male", "female"):
        body = model_files.load_or_embedded(path, gender=gender)
        assert_holds(body, found[gender])


def test_an_npz_in_a_zip(tmp_path: Path) -> None:
    fields = smpl_fields()
    (tmp_path / "models").mkdir()
    np.savez(tmp_path / "models" / "SMPL_NEUTRAL.npz", **fields)  # type: ignore[arg-type]
    path = shutil.make_archive(str(tmp_path / "SMPL"), "zip", tmp_path / "models")
    assert_holds(model_files.load(path), fields)


def test_millimetres_are_refused(tmp_path: Path) -> None:
    fields = smpl_fields()
    fields["v_template"] = 1000 * fields["v_template"]
    np.savez(tmp_path / "a.npz", **fields)  # type: ignore[arg-type]
    with pytest.raises(model_files.BodyFileError, match="'v_template' spans .* expected metres"):
        model_files.load(tmp_path / "a.npz")


def test_a_gender_that_is_not_there(tmp_path: Path) -> None:
    genders(tmp_path, {"male": SMPLX["male"]})
    with pytest.raises(model_files.BodyFileError, match="no neutral SMPL model in it, but male"):
        model_files.load(tmp_path)


def test_npz_with_a_pickled_sparse_regressor_and_faces(tmp_path: Path) -> None:
    fields = smpl_fields()
    regressor = scipy.sparse.csc_matrix(fields["J_regressor"])
    stored = {**fields, "J_regressor": np.array(regressor, dtype=object), "faces": fields["f"]}
    del stored["f"]
    np.savez(tmp_path / "a.npz", allow_pickle=True, **stored)
    assert_holds(model_files.load(tmp_path / "a.npz"), fields)


def test_star_is_named(tmp_path: Path) -> None:
    fields = smpl_fields()
    fields["posedirs"] = fields["posedirs"][..., :93]
    np.savez(tmp_path / "a.npz", **fields)  # type: ignore[arg-type]
    with pytest.raises(model_files.BodyFileError, match="it is STAR"):
        model_files.load(tmp_path / "a.npz")
