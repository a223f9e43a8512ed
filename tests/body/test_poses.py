"""Poses of many people: who of them is drawn, and how many betas they have."""

import numpy as np
import pytest

from ief_jax.body import poses as body_poses


def test_no_subject_outweighs_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_poses, "LARGEST_SUBJECT", 2)
    subject = np.array(["a"] * 8 + ["b"] * 2)
    found = body_poses.Poses(np.zeros((10, 24, 3), np.float32), None, subject)
    share = body_poses.sampling_weights(found)
    assert share.sum() == pytest.approx(1) and share[:8].sum() == pytest.approx(0.5)


def test_betas_are_cut_or_filled() -> None:
    betas = np.ones((2, 4), np.float32)
    assert body_poses.fit_betas(betas, 3).shape == (2, 3)
    np.testing.assert_array_equal(body_poses.fit_betas(betas, 6)[:, 4:], np.zeros((2, 2)))
