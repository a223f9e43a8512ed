"""How tall people are, of stick figures whose height is known."""

import numpy as np
import pytest

from ief_jax.geometry.skeletons import MPII_16
from ief_jax.ief import person_height


def test_the_height_is_that_of_the_person_stretched_out() -> None:
    """A person of 100 px, standing, then sitting, then seen to the hips only."""
    y = {"ankle": 96.1, "knee": 71.5, "hip": 47, "shoulder": 18.2, "upper_neck": 16, "head_top": 0}
    y |= {"elbow": 36.8, "wrist": 51.4, "pelvis": 47, "thorax": 18}
    points = np.array(
        [[0, y[name.removeprefix("left_").removeprefix("right_")]] for name in MPII_16]
    )
    points = points.astype(float)
    everything = np.ones(16, bool)
    assert person_height.person_height(points, everything, MPII_16) == pytest.approx(100, abs=4)
    sitting = points.copy()  # the thighs towards the side, the shanks down
    for name, place in {"knee": (24.5, 47), "ankle": (24.5, 71.6)}.items():
        sitting[[MPII_16.index(side + name) for side in ("left_", "right_")]] = place
    assert person_height.person_height(sitting, everything, MPII_16) == pytest.approx(100, abs=4)
    upper = np.array([not name.endswith(("knee", "ankle")) for name in MPII_16])
    assert person_height.person_height(points, upper, MPII_16) == pytest.approx(100, abs=4)
    arm = np.array([name in ("left_shoulder", "left_elbow", "left_wrist") for name in MPII_16])
    assert person_height.person_height(points, arm, MPII_16) == pytest.approx(100, abs=1)
    reaching = points.copy()
    reaching[MPII_16.index("left_wrist")] = [0, -40]
    assert person_height.person_height(reaching, everything, MPII_16) == pytest.approx(136.1)
