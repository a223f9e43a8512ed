"""Pictures show what is where it should be."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, skeletons
from ief_jax.viz import colours, fit_picture

SCALE, TRANSLATION = 100.0, np.array([150.0, 180.0])


@pytest.fixture(scope="module")
def standing(body: smpl.BodyModel, joint_model: joints.JointModel) -> fit_picture.Fit:
    """The body in its T-pose, its own keypoints as the ones found: a perfect fit."""
    rest = jnp.broadcast_to(jnp.eye(3), (24, 3, 3))
    points = np.asarray(joints.positions(joint_model, rest, jnp.zeros(10)))
    keypoints = skeletons.selection(skeletons.UNION_27, joint_model.names) @ points
    seen = keypoints[:, :2] * camera.FLIP * SCALE + TRANSLATION
    return fit_picture.Fit(
        points=seen,
        confidence=np.ones(27),
        reprojected=seen,
        vertices=np.asarray(body.template),
        view=camera.WeakPerspective(jnp.array(SCALE), jnp.asarray(TRANSLATION)),
        intrinsics=camera.Intrinsics(jnp.zeros(()), jnp.zeros(2)),
        error=np.array(0.0),
        person=0,
        title="a person",
    )


def panels(
    fit: fit_picture.Fit, body: smpl.BodyModel, photograph: Image.Image | None = None
) -> list[np.ndarray]:
    """The three panels [height, width, 3] of a picture."""
    each = fit_picture.panels(fit, np.asarray(body.faces), photograph)
    return [np.asarray(panel, float) for panel in each]


def drawn(panel: np.ndarray) -> np.ndarray:
    """Where a panel differs from the plain canvas."""
    return np.abs(panel - fit_picture._CANVAS).sum(-1) > 30


def test_body_and_keypoints_are_in_the_same_place(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    keypoints, mesh, _ = panels(standing, body)
    covered = drawn(mesh)
    # Limbs and dots lie within the body, but for the thickness of wrists and the eyes' dots.
    skeleton = drawn(keypoints)
    assert skeleton.sum() > 2000
    assert (skeleton & ~covered).sum() < 0.08 * skeleton.sum()


def test_left_is_blue_and_on_the_viewers_right(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    keypoints = panels(standing, body)[0]
    for colour, side in ((colours.LEFT, 1), (colours.RIGHT, 0)):
        columns = np.nonzero((np.abs(keypoints - colour) < 8).all(-1))[1]
        assert len(columns) > 100
        assert ((columns > keypoints.shape[1] / 2) == side).all()


def test_keypoints_not_found_are_not_drawn(standing: fit_picture.Fit, body: smpl.BodyModel) -> None:
    left = [name.startswith("left") for name in skeletons.UNION_27]
    fit = standing._replace(
        confidence=np.where(left, 0.0, 1.0), reprojected=standing.reprojected + 1e4
    )
    keypoints = panels(fit, body)[0]
    assert not (np.abs(keypoints - colours.LEFT) < 8).all(-1).any()
    assert (np.abs(keypoints - colours.RIGHT) < 8).all(-1).any()


def test_from_the_side_the_body_faces_left(standing: fit_picture.Fit, body: smpl.BodyModel) -> None:
    _, mesh, side = panels(standing, body)
    front, side = drawn(mesh), drawn(side)
    ends = [np.flatnonzero(p.any(1))[[0, -1]] for p in (front, side)]
    np.testing.assert_array_equal(ends[0], ends[1])
    # The feet, the lowest 3 %, point forwards: to the left of the ankles above them.
    rows = np.flatnonzero(side.any(1))
    height = len(rows)
    toes = np.flatnonzero(side[rows[-height // 33 :]].any(0)).min()
    ankles = np.flatnonzero(side[rows[-height // 10]]).min()
    assert toes < ankles - 0.02 * height


def test_from_the_side_the_whole_body_is_seen(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    # Only the head was found: the other panels show no more than that, and a little.
    head = [name in ("nose", "left_eye", "right_eye", "neck") for name in skeletons.UNION_27]
    fit = standing._replace(confidence=np.where(head, 1.0, 0.0))
    _, mesh, side = panels(fit, body)
    assert drawn(mesh)[-1].any(), "the body goes on below"
    covered = drawn(side)
    assert not covered[[0, -1]].any() and not covered[:, [0, -1]].any()
    assert covered.any(1).sum() > 0.85 * len(covered)


def test_from_the_side_a_long_body_is_seen_whole(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    fit = standing._replace(vertices=standing.vertices * [1, 1, 12])
    covered = drawn(panels(fit, body)[2])
    assert not covered[:, [0, -1]].any()
    assert covered.any(0).sum() > 0.85 * covered.shape[1]


def test_the_photograph_is_behind_and_in_place(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    # The photograph is red to the left of the person's middle and green to the right of it.
    photograph = Image.new("RGB", (300, 400), (200, 0, 0))
    photograph.paste((0, 200, 0), (int(TRANSLATION[0]), 0, 300, 400))
    fit = standing._replace(points=standing.points + [0.0, 0.0])
    keypoints, mesh, side = panels(fit, body, photograph)
    for panel in (keypoints, mesh):
        middle = panel.shape[1] // 2
        np.testing.assert_array_equal(panel[-20, middle - 25], (200, 0, 0))
        np.testing.assert_array_equal(panel[-20, middle + 25], (0, 200, 0))
    # The middle of the chest: mostly body, a little photograph.
    chest = mesh[mesh.shape[0] // 3, mesh.shape[1] // 2 - 10]
    plain = panels(fit, body)[1]
    behind = plain[mesh.shape[0] // 3, mesh.shape[1] // 2 - 10]
    opacity = fit_picture._OVER_PHOTOGRAPH
    np.testing.assert_allclose(
        chest, opacity * behind + (1 - opacity) * np.array([200, 0, 0]), atol=1
    )
    assert drawn(side).mean() < 0.3, "the side view has no photograph behind it"


def test_beyond_the_edge_of_the_photograph(standing: fit_picture.Fit, body: smpl.BodyModel) -> None:
    photograph = Image.new("RGB", (150, 400), (200, 0, 0))
    keypoints = panels(standing, body, photograph)[0]
    assert keypoints[-20, -20].tolist() == list(fit_picture._OUTSIDE)
    assert keypoints[-20, 20].tolist() == [200, 0, 0]


@pytest.mark.parametrize("zoom", [0.02, 0.2, 20.0])
def test_people_of_any_size_fill_the_picture(
    standing: fit_picture.Fit, body: smpl.BodyModel, zoom: float
) -> None:
    fit = standing._replace(
        points=standing.points * zoom,
        reprojected=standing.reprojected * zoom,
        view=camera.WeakPerspective(*(zoom * part for part in standing.view)),
    )
    size = (math.ceil(300 * zoom), math.ceil(400 * zoom))
    mesh = panels(fit, body, Image.new("RGB", size))[1]
    rows = np.flatnonzero((mesh.max(-1) > 70).any(1))
    assert len(rows) > 0.8 * mesh.shape[0]


def test_a_body_that_went_astray_does_not_hide_the_person(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    astray = camera.WeakPerspective(jnp.array(1e5), jnp.array([-1e6, 1e6]))
    fit = standing._replace(view=astray)
    keypoints = panels(fit, body)[0]
    assert (np.abs(keypoints - colours.LEFT) < 8).all(-1).sum() > 100
    assert keypoints.shape[1] < 1.3 * keypoints.shape[0]


def test_a_picture_and_a_small_one_are_made_of_the_panels(
    standing: fit_picture.Fit, body: smpl.BodyModel
) -> None:
    drawn = fit_picture.panels(standing, np.asarray(body.faces), None)
    picture, left = fit_picture.picture(drawn, standing), 0
    for panel in drawn:
        box = (left, fit_picture._HEADER, left + panel.width, picture.height)
        assert picture.crop(box).tobytes() == panel.tobytes()
        assert np.ptp(np.asarray(picture.crop((left, 0, left + 200, box[1])))) > 100, "no text"
        left += panel.width + fit_picture._GAP
    # As if it had been drawn small.
    small = fit_picture.front_and_side(drawn, 200)
    right = fit_picture.panels(standing, np.asarray(body.faces), None, 200)
    expected = np.concatenate([np.asarray(right.front, float), right.side], 1)
    assert np.abs(np.asarray(small) - expected).mean() < 1
