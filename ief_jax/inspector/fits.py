"""What a page shows of LGD: the steps of fits, as `lgd.trace` lays them open."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from PIL.Image import Image

from ief_jax import compiling, stored_programs
from ief_jax.body import smpl
from ief_jax.geometry.skeletons import UNION_27
from ief_jax.inspector import drawing
from ief_jax.inspector.content import Arrows, Body, Chart, Matrix, Picture, Subject
from ief_jax.lgd.fitting import Trace
from ief_jax.lgd.sensitivity import Jacobian
from ief_jax.viz import fit_picture
from ief_jax.viz.colours import GROUPS


def subject(
    trace: Trace,
    body: smpl.BodyModel,
    points: ArrayLike,
    confidence: ArrayLike,
    title: str,
    person: int = 0,
    photograph: Image | None = None,
    jacobian: Jacobian | None = None,
) -> Subject:
    """One person's fit.

    Args:
      trace: of N people.
      body: the model that was fitted, whose mesh is shown.
      points: [N, 27, 2] UNION_27 keypoints found, pixels.
      confidence: [N, 27].
      title: for the page's menu.
      person: which of the N.
      photograph: that the keypoints are of.
      jacobian: of the same people, for the heat map of which keypoint moves which joint.
    """
    one = jax.tree.map(lambda part: np.asarray(part)[person], trace)
    states = len(one.error)
    return Subject(
        title,
        trace.labels,
        _body(one, body),
        _picture(one, np.asarray(points)[person], np.asarray(confidence)[person], photograph),
        (
            _chart("Reprojection error, px", {"error": one.bodies.error}, states),
            _chart("L, the robust error", {"L": one.error}, states, logarithmic=True),
            _chart("Norm of the gradient", _norms(one.gradient), states, logarithmic=True),
            _chart("Norm of the update", _norms(one.update), states, logarithmic=True),
            _chart("Cosine with descent", one.cosine, states),
        ),
        () if jacobian is None else (_sensitivity(jacobian, person),),
    )


def _body(one: Trace, body: smpl.BodyModel) -> Body:
    states, places = len(one.error), np.asarray(one.bodies.joints)
    return Body(
        places,
        smpl.JOINT_NAMES,
        drawing.bones(body.parents),
        vertices(body, one.bodies.poses, one.bodies.betas),
        np.asarray(body.faces),
        _arrows(one.moved_by_update.joints, one.moved_by_descent.joints, states, places),
        None if one.deviation is None else _covariance(np.asarray(one.deviation), states),
    )


def _covariance(deviation: np.ndarray, states: int) -> np.ndarray:
    """[24, 2] deviations of the last of the states to covariances [S, 24, 3, 3]."""
    whole = np.full((states, len(deviation), 3, 3), np.nan, np.float32)
    # diag(s_image^2, s_image^2, s_depth^2)
    whole[-1] = np.square(deviation[:, [0, 0, 1], None]) * np.eye(3)
    return whole


def _picture(
    one: Trace, points: np.ndarray, confidence: np.ndarray, photograph: Image | None
) -> Picture:
    states, places = len(one.error), np.asarray(one.bodies.keypoints)
    return Picture(
        places,
        UNION_27,
        drawing.colours(UNION_27),
        fit_picture.LIMB_ROWS,
        points,
        confidence,
        photograph,
        _arrows(one.moved_by_update.keypoints, one.moved_by_descent.keypoints, states, places),
    )


def _arrows(
    update: ArrayLike, descent: ArrayLike, states: int, places: np.ndarray
) -> tuple[Arrows, ...]:
    """Of the update, and of the negative gradient, at each of the places."""
    return (
        Arrows(
            drawing.UPDATE,
            drawing.UPDATE_COLOUR,
            drawing.to_length(update, states, places),
        ),
        Arrows(
            drawing.DESCENT,
            drawing.DESCENT_COLOUR,
            drawing.to_length(descent, states),
            as_long_as=drawing.UPDATE,
        ),
    )


def vertices(body: smpl.BodyModel, poses: ArrayLike, betas: ArrayLike) -> np.ndarray:
    """The posed vertices [S, V, 3] of axis-angle poses [S, 72] and betas [S, B]."""
    return np.asarray(_vertices(body, jnp.asarray(poses), jnp.asarray(betas)))


_vertices = stored_programs.jit(smpl.posed_vertices, compiling.QUICK)


def _sensitivity(jacobian: Jacobian, person: int) -> Matrix:
    by_joint = np.asarray(jacobian.joints, np.float64)[person]
    # |d X_j / d x_k|_F, mm per pixel
    values = 1000 * np.sqrt(np.square(by_joint).sum((1, 3)))
    return Matrix(
        "Which keypoint moves which joint, through the whole fit: mm per pixel",
        smpl.JOINT_NAMES,
        UNION_27,
        values.astype(np.float32),
        "joint of the body",
        "keypoint",
    )


def _norms(groups: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.linalg.norm(values, axis=-1) for name, values in groups.items()}


def _chart(
    title: str, curves: Mapping[str, np.ndarray], states: int, logarithmic: bool = False
) -> Chart:
    whole = {name: drawing.to_length(values, states) for name, values in curves.items()}
    return Chart(title, whole, GROUPS, logarithmic)


def subjects(
    trace: Trace,
    body: smpl.BodyModel,
    points: ArrayLike,
    confidence: ArrayLike,
    titles: Sequence[str],
    photographs: Sequence[Image | None] | None = None,
    jacobian: Jacobian | None = None,
) -> list[Subject]:
    """All N people of a trace, arguments as for `subject`; N titles and photographs."""
    behind = photographs or [None] * len(titles)
    return [
        subject(trace, body, points, confidence, title, row, photograph, jacobian)
        for row, (title, photograph) in enumerate(zip(titles, behind, strict=True))
    ]
