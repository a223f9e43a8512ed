"""An evaluation of fits as a page: tables, curves, and bodies that are fitted well and badly."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import numpy as np

from ief_jax.body import joints, smpl
from ief_jax.geometry.skeletons import UNION_27
from ief_jax.inspector import drawing
from ief_jax.inspector.content import Body, Chart, Picture, Subject, Table
from ief_jax.lgd import evaluation, parameters
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
    """Mean errors by state, and the baselines; arguments as of `fit_report.table`."""
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
    order = np.argsort(np.asarray(errors.pa_mpjpe)[:, -1])
    rows = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    vertices = jax.jit(partial(evaluation.pelvis_vertices, body, model))

    def subject(which: str, row: int) -> Subject:
        found, example, error = (
            jax.tree.map(lambda leaf: np.asarray(leaf)[row], tree)
            for tree in (states, examples, errors)
        )
        bodies = [
            parameters.Body(found.body.local[s], found.body.betas[s]) for s in range(len(names))
        ]
        truth = parameters.Body(example.truth.local, example.truth.betas)
        places = np.stack([_joints(model, posed) for posed in bodies])
        return Subject(
            f"{which}: {error.pa_mpjpe[-1]:.0f} mm",
            tuple(names),
            Body(
                places,
                smpl.JOINT_NAMES,
                drawing.bones(body.parents),
                np.stack([vertices(posed) for posed in bodies]),
                np.asarray(body.faces),
                truth=np.asarray(vertices(truth)),
            ),
            Picture(
                found.keypoints,
                UNION_27,
                drawing.colours(UNION_27),
                fit_picture.LIMB_ROWS,
                example.observed.points,
                example.observed.confidence,
            ),
            (_errors_chart("Errors, mm", error.pa_mpjpe, error.mpjpe, error.vertex),),
        )

    return [subject(which, int(row)) for which, row in rows.items()]


def _joints(model: joints.JointModel, posed: parameters.Body) -> np.ndarray:
    """[24, 3] metres, the pelvis at the origin, as of `evaluation.pelvis_vertices`."""
    places = np.asarray(joints.positions(model, posed.local, posed.betas))[: smpl.JOINTS]
    return places - places[:1]


def _errors_chart(
    title: str, pa_mpjpe: Sequence[float], mpjpe: Sequence[float], vertex: Sequence[float]
) -> Chart:
    curves = {"PA-MPJPE": pa_mpjpe, "MPJPE": mpjpe, "vertices": vertex}
    return Chart(title, {name: np.asarray(values) for name, values in curves.items()}, COLOURS)
