"""An evaluation of fits as a page: tables, curves, and bodies that are fitted well and badly."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ief_jax.body import joints, smpl
from ief_jax.geometry import keypoints2d
from ief_jax.geometry.skeletons import UNION_27
from ief_jax.inspector import drawing
from ief_jax.inspector.content import Body, Chart, Picture, Subject, Table
from ief_jax.lgd import evaluation, metrics, parameters
from ief_jax.lgd.evaluation import Errors, Estimate, Examples
from ief_jax.viz import fit_picture
from ief_jax.viz.fit_report import Steps

COLOURS = {"PA-MPJPE": "#0072B2", "MPJPE": "#E69F00", "vertices": "#009E73"}


def summary(
    title: str,
    names: Sequence[str],
    steps: Steps,
    baselines: Mapping[str, float | None],
    seconds: Mapping[str, float],
) -> Subject:
    """Mean errors by state, and the baselines, above `people`.

    Arguments as of `fit_report.table`.
    """
    each = zip(names, *steps, strict=True)
    rows = [
        (name, f"{pa:.1f}", f"{whole:.1f}", f"{vertex:.1f}", f"{100 * reprojection:.2f}")
        for name, pa, whole, vertex, reprojection in each
    ]
    compared = [
        (
            name,
            "-" if error is None else f"{error:.1f}",
            f"{seconds[name]:.2f}" if name in seconds else "-",
        )
        for name, error in baselines.items()
    ]
    tables = [
        Table(
            "Mean errors",
            ("", "PA-MPJPE, mm", "MPJPE, mm", "vertices, mm", "reprojection, % of box"),
            tuple(rows),
        )
    ]
    if compared:
        columns = ("", "PA-MPJPE, mm", "seconds for all")
        tables.append(Table("Baselines", columns, tuple(compared)))
    return Subject(
        title,
        tuple(names),
        charts=(
            _errors_chart("Mean errors, mm", steps.pa_mpjpe, steps.mpjpe, steps.vertex),
            Chart("Reprojection, share of the box", {"error": np.asarray(steps.reprojection)}, {}),
        ),
        tables=tuple(tables),
        examples=(1, 2, 3),
    )


def people(
    body: smpl.BodyModel,
    model: joints.JointModel,
    names: Sequence[str],
    states: Estimate,
    examples: Examples,
    errors: Errors,
) -> list[Subject]:
    """The best, the median and the worst fit by PA-MPJPE, each beside the truth.

    Args:
      body: the model.
      model: the same, folded.
      names: of the S states.
      states: [N, S, ...].
      examples: [N, ...].
      errors: [N, S].
    """

    def subject(which: str, row: int) -> Subject:
        found, example, error = (
            jax.tree.map(lambda leaf: np.asarray(leaf)[row], tree)
            for tree in (states, examples, errors)
        )
        truth = parameters.Body(example.truth.local[None], example.truth.betas[None])
        return Subject(
            f"{which}: {error.pa_mpjpe[-1]:.0f} mm",
            tuple(names),
            _body(body, model, found.body)._replace(truth=posed(body, model, truth)[0][0]),
            _picture(found.keypoints, example.observed),
            (_errors_chart("Errors, mm", error.pa_mpjpe, error.mpjpe, error.vertex),),
        )

    return [subject(*one) for one in shown(np.asarray(errors.pa_mpjpe)[:, -1]).items()]


def shown(errors: np.ndarray) -> dict[str, int]:
    """Rows of the best, the median and the worst of N errors."""
    order = np.argsort(errors)
    rows = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    return {which: int(row) for which, row in rows.items()}


def of_data_set(
    title: str,
    rows: Sequence[tuple[str, bool, float]],
    quantiles: Mapping[str, float],
    people: Sequence[Subject],
) -> Subject:
    """The table of a data set's protocol, above its `measured_people`.

    Args:
      title: of the protocol, with what is measured, in mm.
      rows: method, whether it learned of images with 3D truth, error; the paper's, then ours.
      quantiles: of our errors, by name.
      people: that follow in the page.
    """
    methods = tuple((name, "yes" if annotated else "no", f"{e:.1f}") for name, annotated, e in rows)
    ours = tuple((name, f"{error:.1f}") for name, error in quantiles.items())
    errors = {one.title.partition(":")[0]: one.charts[0].curves["error"] for one in people}
    colours = dict(zip(errors, COLOURS.values(), strict=True))
    return Subject(
        title,
        people[0].labels,
        charts=(Chart("Errors of these, mm", errors, colours),),
        tables=(
            Table(title, ("", "image + 3D", "error"), methods),
            Table("Errors of all, mm", ("", "error"), ours),
        ),
        examples=tuple(range(1, 1 + len(people))),
    )


class Measured(NamedTuple):
    """One person of a data set.

    Attributes:
      states: [S, ...] bodies, and where their keypoints are seen.
      points: [S, P, 3] what is measured of these, metres.
      truth: [P, 3] what it should be.
      error: [S] mm.
      observed: what was fitted to.
    """

    states: Estimate
    points: np.ndarray
    truth: np.ndarray
    error: np.ndarray
    observed: keypoints2d.Keypoints2D


def measured_people(
    body: smpl.BodyModel,
    names: Sequence[str],
    people: Mapping[str, Measured],
) -> list[Subject]:
    """Fits beside the true points, these moved, turned and scaled onto the last body."""
    model = joints.fold(body)

    align = jax.jit(metrics.procrustes_align)

    def subject(which: str, one: Measured) -> Subject:
        shown = _body(body, model, one.states.body)
        pelvis = joints.positions(model, *(part[-1] for part in one.states.body))[0]
        right = np.asarray(align(jnp.asarray(one.truth), one.points[-1] - pelvis[None]))
        whole = len(right) == len(body.template)
        return Subject(
            f"{which}: {one.error[-1]:.0f} mm",
            tuple(names),
            shown._replace(truth=right) if whole else shown._replace(true_points=right),
            _picture(one.states.keypoints, one.observed),
            (Chart("Error, mm", {"error": one.error}, {}),),
        )

    return [subject(which, one) for which, one in people.items()]


@jax.jit
def posed(
    body: smpl.BodyModel, model: joints.JointModel, bodies: parameters.Body
) -> tuple[jax.Array, jax.Array]:
    """Vertices [S, V, 3] and joints [S, 24, 3] of S bodies, metres, the pelvis at the origin."""

    def one(local: jax.Array, betas: jax.Array) -> tuple[jax.Array, jax.Array]:
        places = joints.positions(model, local, betas)[: smpl.JOINTS]
        vertices = evaluation.pelvis_vertices(body, model, parameters.Body(local, betas))
        return vertices, places - places[:1]

    return jax.vmap(one)(*bodies)


def _body(body: smpl.BodyModel, model: joints.JointModel, states: parameters.Body) -> Body:
    vertices, places = map(np.asarray, posed(body, model, states))
    faces, bones = np.asarray(body.faces), drawing.bones(body.parents)
    return Body(places, smpl.JOINT_NAMES, bones, vertices, faces)


def _picture(keypoints: ArrayLike, observed: keypoints2d.Keypoints2D) -> Picture:
    return Picture(
        np.asarray(keypoints),
        UNION_27,
        drawing.colours(UNION_27),
        fit_picture.LIMB_ROWS,
        np.asarray(observed.points),
        np.asarray(observed.confidence),
    )


def _errors_chart(
    title: str, pa_mpjpe: Sequence[float], mpjpe: Sequence[float], vertex: Sequence[float]
) -> Chart:
    curves = {"PA-MPJPE": pa_mpjpe, "MPJPE": mpjpe, "vertices": vertex}
    return Chart(title, {name: np.asarray(values) for name, values in curves.items()}, COLOURS)
