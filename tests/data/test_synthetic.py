"""Synthetic people: rays against closed forms, joints against the mesh, files."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from PIL import Image

pytest.importorskip("embreex", reason="the synthetic data set is made with embreex")

from data.keypoints.people import Person
from data.synthetic import backdrops, noise, outfits, pictures, rays, reader, scenes
from ief_jax.body import smpl
from ief_jax.geometry import camera
from ief_jax.geometry.skeletons import MPII_16
from ief_jax.io.files import InputError

UP = np.array([0.0, 1.0, 0.0])
VIEW = rays.View(100.0, np.array([49.5, 39.5]), (100, 80))
SUN = pictures.Light(UP, np.ones(3), np.zeros(3), np.zeros(3), UP)


@pytest.fixture(scope="module")
def made() -> scenes.Cast:
    return scenes.cast()


@pytest.fixture(scope="module")
def few() -> list[Person]:
    return list(scenes.people(3, seed=4))


def plain(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full((len(places), 3), 0.8), np.zeros((len(places), 3))


def solid(shape: trimesh.Trimesh, place: tuple[float, float, float]) -> pictures.Thing:
    vertices = np.asarray(shape.vertices) + place
    return pictures.Thing(vertices, np.asarray(shape.faces), vertices, plain)


def test_rays_meet_a_sphere_where_algebra_says() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=1.0)
    mesh = rays.Mesh(np.asarray(ball.vertices) - [0, 0, 5], np.asarray(ball.faces))
    directions = rays.directions(VIEW, rays.grid(VIEW.size)).reshape(-1, 3)
    hits = mesh.first(np.zeros_like(directions), directions)
    # |t d - c|^2 = 1
    a, b, c = (directions**2).sum(1), directions @ [0, 0, -5.0], 24.0
    inside = b**2 - a * c
    clear = np.abs(inside) > 0.05
    np.testing.assert_array_equal((hits.face >= 0)[clear], (inside > 0)[clear])
    met = inside > 0.05
    expected = (b[met] - np.sqrt(inside[met])) / a[met]
    np.testing.assert_allclose(hits.distance[met], expected, atol=5e-3)
    corners = (np.asarray(ball.vertices) - [0, 0, 5])[np.asarray(ball.faces)[hits.face[met]]]
    place = np.einsum("nc,ncd->nd", hits.weights[met], corners)
    np.testing.assert_allclose(place, directions[met] * hits.distance[met, None], atol=1e-5)


def test_things_block_within_a_limit() -> None:
    box = trimesh.creation.box((1, 1, 1))
    mesh = rays.Mesh(np.asarray(box.vertices), np.asarray(box.faces))
    start, towards = np.array([[3.0, 0.1, 0.2]] * 2), np.array([[-1.0, 0, 0], [0, 1, 0]])
    assert mesh.blocked(start, towards).tolist() == [True, False]
    assert mesh.blocked(start, towards, limit=2.4).tolist() == [False, False]
    assert mesh.blocked(start[:0], towards[:0]).shape == (0,)


def test_the_camera_is_the_packages() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)) - [0, 0, 6]
    view = camera.Perspective(jnp.float32(VIEW.focal), jnp.asarray(VIEW.centre), jnp.zeros(3))
    seen = rays.project(VIEW, points)
    np.testing.assert_allclose(
        seen, camera.project_perspective(view, jnp.asarray(points)), atol=1e-3
    )
    back = rays.directions(VIEW, seen) * -points[:, 2:]
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_a_ball_is_lit_from_where_the_sun_is() -> None:
    ball = solid(trimesh.creation.icosphere(subdivisions=4, radius=1.0), (0, 0, -4))
    backdrop = np.zeros((80, 100, 3), np.float32)
    scene = pictures.solids([ball])
    picture = pictures.draw(np.random.default_rng(0), [ball], scene, SUN, VIEW, backdrop)
    # The normal at (x, y) of the ball looks up by y: light is max(0, n . l) of the albedo.
    assert picture[39, 49].mean() < 0.35 and picture[60, 49].mean() < 0.05
    light = 0.8**2.2 * 0.7
    row = 39.5 - 100 * 0.7 / (4 - np.sqrt(1 - 0.7**2))
    assert picture[round(row), 49].mean() == pytest.approx(light ** (1 / 2.2), abs=0.04)
    covered = (picture.sum(-1) > 0).sum() / (np.pi * (100 / np.sqrt(15)) ** 2)
    assert 0.4 < covered < 0.65  # the lower half is dark
    assert not picture[:, :20].any()


def test_things_throw_shadows_on_the_ground() -> None:
    lid = solid(trimesh.creation.box((2, 0.1, 2)), (0, 0.5, -4))
    ground = backdrops.Ground(np.full((4, 4, 3), 0.5, np.float32), 1.0)
    scene = pictures.solids([lid])
    rng, backdrop = np.random.default_rng(0), np.ones((80, 100, 3), np.float32)
    picture = pictures.with_ground(rng, backdrop, ground, -1.0, 50.0, scene, SUN, VIEW)
    column, row = np.round(rays.project(VIEW, np.array([0, -1, -4.0]))).astype(int)
    assert picture[row, column].mean() < 0.15
    assert picture[row, 5].mean() == pytest.approx(0.5, abs=0.05)
    assert (picture[:39] == 1).all(), "the ground reaches over the horizon"


def test_joints_are_inside_the_bodies(made: scenes.Cast) -> None:
    count = 2 * scenes.AT_ONCE  # as everywhere: compiled once
    drawn = made.draw(np.arange(count))
    assert drawn.vertices.shape == (count, 6890, 3) and drawn.points.shape == (count, 16, 3)
    inner = [i for i, name in enumerate(MPII_16) if name != "head_top"]
    for vertices, points in zip(drawn.vertices[:5], drawn.points[:5], strict=True):
        mesh = rays.Mesh(vertices, made.faces)
        for side in (-1, 1):
            towards = np.tile([0, 0, float(side)], (len(inner), 1))
            assert (mesh.first(points[inner], towards).face >= 0).all()
    assert np.allclose(np.linalg.norm(drawn.up, axis=1), 1, atol=1e-5)
    again = made.draw(np.full(count, 3))
    np.testing.assert_allclose(again.points[0], drawn.points[3], atol=1e-5)


def test_what_is_seen_of_a_standing_body(made: scenes.Cast, body: smpl.BodyModel) -> None:
    rest = np.asarray(body.template)
    joints = np.asarray(body.joint_regressor) @ rest
    points = np.stack(
        [
            joints[smpl.JOINT_NAMES.index(name)] if name in smpl.JOINT_NAMES else {
                "thorax": joints[smpl.JOINT_NAMES.index("spine3")] + [0, 0.13, 0.04],
                "upper_neck": joints[[12, 15]].mean(0),
                "head_top": rest[np.asarray(body.landmarks)[body.landmark_names.index("head_top")]],
            }[name]
            for name in MPII_16
        ]
    )  # fmt: skip
    away = np.array([0, 0, -4.0])

    def seen(turn: np.ndarray, more: trimesh.Trimesh | None = None) -> dict[str, bool]:
        things = [pictures.Thing(rest @ turn.T + away, made.faces, rest, plain)]
        if more is not None:
            things.append(solid(more, (0, 0, 0)))
        found = scenes._seen(made, pictures.solids(things).mesh, points @ turn.T + away)
        return dict(zip(MPII_16, found.tolist(), strict=True))

    assert all(seen(np.eye(3)).values())
    from_left = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])  # the left side to -z: away
    side = seen(from_left)
    for joint in ("hip", "knee", "ankle"):
        assert side[f"right_{joint}"] and not side[f"left_{joint}"], joint
    # The right arm points at the camera: its hand hides the rest.
    for joint in ("left_shoulder", "left_elbow", "left_wrist", "right_shoulder"):
        assert not side[joint], joint
    # Skin of another limb hides, however near: the other knee is behind this one's.
    crossed = points.copy()
    crossed[MPII_16.index("left_knee")] = points[MPII_16.index("right_knee")]
    thing = pictures.Thing(rest + away, made.faces, rest, plain)
    found = scenes._seen(made, pictures.solids([thing]).mesh, crossed + away)
    assert [n for n, visible in zip(MPII_16, found, strict=True) if not visible] == ["left_knee"]
    board = trimesh.creation.box((0.2, 0.2, 0.02))
    wrist = points[MPII_16.index("left_wrist")] + away
    board.apply_translation(0.8 * wrist)
    hidden = [name for name, visible in seen(np.eye(3), board).items() if not visible]
    assert hidden == ["left_wrist"]


def test_outfits_cover_both_sides_alike(made: scenes.Cast, body: smpl.BodyModel) -> None:
    rng = np.random.default_rng(0)
    volume = noise.volume(rng)
    for _ in range(20):
        outfit = outfits.draw(rng, made.marks)
        kind = outfits.cover(outfit, made.marks, made.rest)
        mirrored = outfits.cover(outfit, made.marks, made.rest * [-1, 1, 1])
        np.testing.assert_array_equal(kind, mirrored)
        colour, wrinkles = outfits.surface(outfit, made.marks, made.rest, volume)
        assert (colour >= 0).all() and (colour <= 1).all() and np.abs(wrinkles).max() < 0.5
        thick = outfits.thickness(outfit, made.marks, made.rest, volume)
        assert (thick >= 0).all() and thick.max() < 0.06
        hands = np.abs(made.rest[:, 0]) > made.marks.wrist[0] + 0.03
        assert (kind[hands] == outfits.SKIN).all()
        soles = made.rest[:, 1] < made.marks.foot[1]
        assert (kind[soles] == outfits.SHOES).all()


def test_people_are_functions_of_their_number(few: list[Person]) -> None:
    last = next(iter(scenes.people(1, seed=4, first=2)))
    assert last.name == few[2].name == "synthetic/4/2"
    assert last.image == few[2].image
    np.testing.assert_array_equal(last.points, few[2].points)
    assert few[0].image != few[1].image
    assert next(iter(scenes.people(1, seed=5))).image != few[0].image


def test_people_are_as_they_say(few: list[Person]) -> None:
    for person in few:
        assert isinstance(person.image, bytes)
        with Image.open(BytesIO(person.image)) as image:
            size = np.array(image.size)
        assert person.points.shape == (16, 2) and person.points.dtype == np.float32
        assert (person.points[person.annotated] >= -0.5).all()
        assert (person.points[person.annotated] <= size - 0.5).all()
        assert not (person.visible & ~person.annotated).any()
        assert (person.marked >= 0).all() and (person.marked <= size - 1).all()
        assert 0.2 * size.min() < person.height < 1.5 * size.min()
        assert 0.05 < person.head_size / person.height < 0.25


def test_a_prepared_set_is_read_back(tmp_path: Path, few: list[Person]) -> None:
    path = reader.prepare(tmp_path / "new", "train", 2, processes=1)
    assert path == tmp_path / "new" / "synthetic" / "train.npz"
    found = reader.read(tmp_path / "new", "train")
    expected = list(scenes.people(2, reader.SEEDS["train"]))
    assert [p.image for p in found] == [p.image for p in expected]
    for one, other in zip(found, expected, strict=True):
        for field in ("points", "annotated", "visible", "marked", "height", "head_size", "name"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    with pytest.raises(InputError, match="is there already; remove it"):
        reader.prepare(tmp_path / "new", "train", 2)
    with pytest.raises(InputError, match="no split 'all'"):
        reader.read(tmp_path, "all")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="truncated"):
        reader.read(tmp_path / "new", "train")
    np.savez(path, format="ief_jax-synthetic-0")
    with pytest.raises(InputError, match="made by another version"):
        reader.read(tmp_path / "new", "train")


def test_a_set_that_is_not_there_is_made(
    tmp_path: Path, few: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reader.COUNTS, "test", 3)
    monkeypatch.setattr(reader, "_made", lambda seed, count, processes: iter(few[:count]))
    assert [person.name for person in reader.read(tmp_path, "test")] == [p.name for p in few]

    def breaks(seed: int, count: int, processes: int | None) -> Iterator[Person]:
        yield few[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(reader, "_made", breaks)
    with pytest.raises(KeyboardInterrupt):
        reader.read(tmp_path, "validation")
    assert [path.name for path in (tmp_path / "synthetic").iterdir()] == ["test.npz"]


def test_as_shards(tmp_path: Path, few: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow_datasets")
    from data import shards
    from data.keypoints import builder
    from data.synthetic.builder import Synthetic

    monkeypatch.setattr(reader, "read", lambda data_dir, split: few)
    (tmp_path / "synthetic").mkdir()  # TFDS wants a source that is not empty
    folder = shards.prepare(Synthetic, tmp_path, tmp_path / "shards")
    found = builder.Prepared(folder, "train")
    assert len(found) == 3 and found.layout == MPII_16
    person = {p.name: p for p in few}[found[0].name]
    assert found[0].image == person.image
    np.testing.assert_array_equal(found[0].points, person.points)
