"""Where keypoints lie: what is shipped is what the builder measures."""

import numpy as np

from data.assets.layouts import build
from ief_jax.formats import layout_evidence


def test_the_shipped_places_are_those_of_bodies_of_the_prior() -> None:
    reference = layout_evidence._reference()
    assert reference.names == build.keypoint_names()
    points, yaw = build.sample(build._BATCH, 5, reference.names)
    view = np.round(yaw / (2 * np.pi / build.VIEWS)).astype(int) % build.VIEWS
    for side in range(build.VIEWS):
        here = points[view == side]
        assert len(here) > 100
        spread = np.sqrt(np.diagonal(reference.covariances[side])).reshape(-1, 2)
        error = np.abs(here.mean(0) - reference.means[side]) / (spread + 1e-3)
        assert error.max() < 6 / np.sqrt(len(here))
        np.testing.assert_allclose(here.std(0), spread, rtol=0.35, atol=5e-3)
    # Facing the camera, the left hand is on the right of the image, and heads are up.
    names = reference.names
    front = reference.means[0]
    assert front[names.index("left_wrist"), 0] > 0.1 > front[names.index("right_wrist"), 0]
    assert front[names.index("head_top"), 1] < -0.5 < front[names.index("left_heel"), 1]
