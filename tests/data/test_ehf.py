"""EHF: a fabricated release, and the way from SMPL-X's mesh to another."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import trimesh

from data.ehf import reader
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

NUMBERS = ("01", "02", "10", "100")


def vertices(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.5, (reader.SMPLX_VERTICES, 3)).astype(np.float32)


def person(shift: float, confidence: float = 0.8) -> dict[str, list[float]]:
    """BODY_25's keypoint k at (shift + k, 2 k + 1), with the hands and the face as OpenPose has."""
    rows = [[shift + k, 2.0 * k + 1, confidence] for k in range(25)]
    return {"pose_keypoints_2d": sum(rows, []), "face_keypoints_2d": [0.0] * 210}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, number in enumerate(NUMBERS):
        mesh = trimesh.Trimesh(vertices(seed), [[0, 1, 2]], process=False)
        (folder / f"{number}_align.ply").write_bytes(trimesh.exchange.ply.export_ply(mesh))
        people = [person(1.0, 0.2), person(100.0 * seed)]
        (folder / f"{number}_2Djnt.json").write_text(json.dumps({"people": people}))
        (folder / f"{number}_img.jpg").write_bytes(b"")
    (folder / "01_2Djnt.png").write_bytes(b"")
    (folder / "EHF_camera.txt").write_text("")


def test_people_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write(tmp_path / "EHF")
    people = reader.read(tmp_path)
    assert people.name == list(NUMBERS)
    assert [path.name for path in people.image] == [f"{n}_img.jpg" for n in NUMBERS]
    for seed in range(len(NUMBERS)):
        np.testing.assert_array_equal(people.vertices[seed], vertices(seed))
    # The person whom OpenPose was surer of, without BODY_25's mid-hip and feet.
    column = skeletons.BODY_25.index("right_knee")
    row = skeletons.COCO_18.index("right_knee")
    np.testing.assert_allclose(people.points[2, row], [200 + column, 2 * column + 1])
    np.testing.assert_allclose(people.confidence, 0.8)


def matrix(rows: int = 30, seed: int = 0) -> scipy.sparse.csc_matrix:
    """Each of some vertices as a mean of three of SMPL-X's."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, reader.SMPLX_VERTICES, (rows, 3))
    weights = rng.dirichlet(np.ones(3), rows)
    at = np.repeat(np.arange(rows), 3), columns.ravel()
    return scipy.sparse.csc_matrix((weights.ravel(), at), (rows, reader.SMPLX_VERTICES))


@pytest.mark.parametrize("kind", ["sparse with normals", "sparse", "dense"])
def test_correspondence(kind: str, tmp_path: Path) -> None:
    expected = matrix()
    normals = scipy.sparse.random(30, reader.SMPLX_VERTICES, 0.01, "csc", random_state=0)
    content = {
        "sparse with normals": {"mtx": scipy.sparse.hstack([expected, normals]).tocsc()},
        "sparse": {"mtx": expected},
        "dense": {"matrix": expected.toarray().astype(np.float32), "valid_vertices": None},
    }[kind]
    path = tmp_path / "smplx2smpl.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    found = reader.correspondence(path, 30)
    np.testing.assert_allclose(found @ vertices(0), expected @ vertices(0), atol=1e-6)
    assert found.nnz == expected.nnz


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"faces": 1}, "has neither 'mtx' nor 'matrix'; it has faces"),
        ({"mtx": matrix(31)}, r"'mtx' is \(31, 10475\), expected \(30, 10475\)"),
        ({"matrix": 3 * matrix()}, "do not sum to about one"),
        ([1, 2], "holds list, expected named fields"),
        ({"mtx": "text"}, "smplx2smpl.pkl: "),
    ],
)
def test_correspondences_of_other_meshes(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "smplx2smpl.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=message):
        reader.correspondence(path, 30)


def test_a_half_downloaded_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        reader.read(tmp_path / "EHF")
    write(tmp_path)
    (tmp_path / "02_img.jpg").rename(tmp_path / "02_img.png")  # either will do
    assert reader.read(tmp_path).image[1].name == "02_img.png"
    (tmp_path / "10_2Djnt.json").unlink()
    (tmp_path / "02_img.png").unlink()
    with pytest.raises(InputError, match=r"2 of 8 files are missing .*02_img.jpg, 10_2Djnt.json"):
        reader.read(tmp_path)
    for path in tmp_path.glob("*.ply"):
        path.unlink()
    with pytest.raises(InputError, match=r"has no meshes \(01_align.ply\); it has"):
        reader.read(tmp_path)


def test_broken_files(tmp_path: Path) -> None:
    write(tmp_path)
    mesh = tmp_path / "02_align.ply"
    whole = mesh.read_bytes()
    mesh.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="02_align.ply"):
        reader.read(tmp_path)
    smaller = trimesh.Trimesh(vertices(0)[:6890], [[0, 1, 2]], process=False)
    mesh.write_bytes(trimesh.exchange.ply.export_ply(smaller))
    with pytest.raises(InputError, match=r"02_align.ply: has vertices \(6890, 3\)"):
        reader.read(tmp_path)
    mesh.write_bytes(whole)
    half = person(100)
    half["pose_keypoints_2d"][9:] = [0.0] * 66
    (tmp_path / "02_2Djnt.json").write_text(json.dumps({"people": [half]}))
    with pytest.raises(InputError, match="02_2Djnt.json: 3 keypoints seen, expected 6"):
        reader.read(tmp_path)
