"""Any refinement laid open: `record` runs a `correct` of `ief_jax.loop` and keeps what it did."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from PIL.Image import Image

from ief_jax import checks, loop
from ief_jax.body import smpl
from ief_jax.inspector import drawing
from ief_jax.inspector.content import Arrows, Body, Chart, Picture, Subject
from ief_jax.inspector.page import Page
from ief_jax.loop import State
from ief_jax.viz import keypoint_picture
from ief_jax.viz.colours import GROUPS


class Recording(NamedTuple):
    """T steps of a refinement; in Jupyter it shows itself.

    Attributes:
      states: y_0 .. y_T, the structure of y with a leading axis of T + 1.
      corrections: e_0 .. e_{T-1}, with a leading axis of T.
      error: [T + 1] E(y_t); None where no error was given.
      gradient: dE/dy at y_0 .. y_T, structured as the states; None likewise.
    """

    states: State
    corrections: State
    error: jax.Array | None
    gradient: State | None

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the T + 1 states: start, step N."""
        steps = len(jax.tree.leaves(self.corrections)[0])
        return ("start", *(f"step {step + 1}" for step in range(steps)))

    def _repr_html_(self) -> str:
        return Page([subject(self)])._repr_html_()


class View(NamedTuple):
    """How a state is seen: functions of one state, each None where there is no such thing.

    Attributes:
      joints: y -> [J, 3] metres.
      names: of the J joints.
      bones: int [B, 2] rows of joints to join.
      vertices: y -> [V, 3] metres.
      faces: int [F, 3].
      keypoints: y -> [K, 2] pixels.
      keypoint_names: of the K keypoints.
      observed: [K, 2] what they are compared with, pixels.
      confidence: [K] of the observed.
      photograph: behind the keypoints.
    """

    joints: Callable[[Any], ArrayLike] | None = None
    names: tuple[str, ...] = smpl.JOINT_NAMES
    bones: np.ndarray | None = None
    vertices: Callable[[Any], ArrayLike] | None = None
    faces: ArrayLike | None = None
    keypoints: Callable[[Any], ArrayLike] | None = None
    keypoint_names: tuple[str, ...] = ()
    observed: ArrayLike | None = None
    confidence: ArrayLike | None = None
    photograph: Image | None = None


def record(
    correct: Callable[[State, jax.Array], State],
    start: State,
    steps: int,
    error: Callable[[State], jax.Array] | None = None,
) -> Recording:
    """Runs `loop.refine` and keeps what every step saw and did; pure, as the loop is.

    Args:
      correct: `(y_t, t) -> e_t`, as for `loop.refine`.
      start: y_0, a pytree of arrays.
      steps: T (static).
      error: `y -> E(y)`, []; with it the corrections are compared with its negative gradient.

    Raises:
      ValueError: as `loop.refine` does, or the error is no single number.
    """
    states, corrections = loop.refine_traced(lambda y, t: (correct(y, t),) * 2, start, steps)
    if error is None:
        return Recording(states, corrections, None, None)
    measured = error(jax.tree.map(jnp.asarray, start))
    checks.arrays(("error(y)", measured, "[] a number"))
    values, gradient = jax.lax.map(jax.value_and_grad(error), states)
    return Recording(states, corrections, values, gradient)


def subject(recording: Recording, title: str = "recording", view: View | None = None) -> Subject:
    """A recording for a page.

    Norms and cosines are shown by leaf of the state; bodies and keypoints where `view` says how to
    see them, their arrows being derivatives along the correction and the negative gradient.
    """
    states = len(recording.labels)
    charts = []
    corrections = _by_name(recording.corrections)
    norms = {name: _norm(value) for name, value in corrections.items()}
    if recording.error is not None and recording.gradient is not None:
        gradient = {n: value[: states - 1] for n, value in _by_name(recording.gradient).items()}
        cosines = {
            name: (value * -gradient[name]).sum(-1)
            / np.maximum(_norm(value) * _norm(gradient[name]), 1e-30)
            for name, value in corrections.items()
        }
        whole_gradient = {name: _norm(v) for name, v in _by_name(recording.gradient).items()}
        charts = [
            _chart("Error", {"error": np.asarray(recording.error)}, states),
            _chart("Norm of the gradient", whole_gradient, states),
            _chart("Cosine with descent", cosines, states),
        ]
    charts.append(_chart("Norm of the correction", norms, states))
    body = picture = None
    if view is not None:
        body, picture = _body(recording, view), _picture(recording, view)
    return Subject(title, recording.labels, body, picture, tuple(charts))


def _body(recording: Recording, view: View) -> Body | None:
    if view.joints is None:
        return None
    joints, arrows = _seen(recording, view.joints)
    bones = np.zeros((0, 2), int) if view.bones is None else np.asarray(view.bones)
    vertices = None if view.vertices is None else _each(view.vertices, recording.states)
    faces = None if view.faces is None else np.asarray(view.faces)
    return Body(joints, view.names, bones, vertices, faces, arrows)


def _picture(recording: Recording, view: View) -> Picture | None:
    if view.keypoints is None:
        return None
    estimate, arrows = _seen(recording, view.keypoints)
    names = view.keypoint_names or tuple(f"keypoint {k}" for k in range(estimate.shape[1]))
    return Picture(
        estimate,
        names,
        drawing.colours(names),
        np.array(keypoint_picture.limbs(names), int).reshape(-1, 2),
        None if view.observed is None else np.asarray(view.observed),
        None if view.confidence is None else np.asarray(view.confidence),
        view.photograph,
        arrows,
    )


def _seen(
    recording: Recording, function: Callable[[Any], ArrayLike]
) -> tuple[np.ndarray, tuple[Arrows, ...]]:
    """Points of every state, and where the correction and the negative gradient take them."""
    places = _each(function, recording.states)
    before = jax.tree.map(lambda leaf: leaf[:-1], recording.states)

    def moved(directions: State) -> np.ndarray:
        def along(y: State, direction: State) -> jax.Array:
            return jax.jvp(lambda at: jnp.asarray(function(at)), (y,), (direction,))[1]

        steps = jax.jit(jax.vmap(along))(before, directions)
        return drawing.to_length(steps, len(places))

    update = moved(recording.corrections)
    arrows = [Arrows(drawing.UPDATE, drawing.UPDATE_COLOUR, update)]
    if recording.gradient is not None:
        descent = moved(jax.tree.map(lambda leaf: -leaf[:-1], recording.gradient))
        arrows.append(
            Arrows(drawing.DESCENT, drawing.DESCENT_COLOUR, descent, as_long_as=drawing.UPDATE)
        )
    return places, tuple(arrows)


def _each(function: Callable[[Any], ArrayLike], states: State) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(lambda y: jnp.asarray(function(y))))(states))


def _by_name(tree: State) -> dict[str, np.ndarray]:
    """Leaves [T, ...] as [T, D] by their place in the tree."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "y" for path, _ in leaves]
    return {
        name: np.asarray(leaf).reshape(len(leaf), -1)
        for name, (_, leaf) in zip(names, leaves, strict=True)
    }


def _norm(values: np.ndarray) -> np.ndarray:
    return np.linalg.norm(values, axis=-1)


def _chart(title: str, curves: dict[str, np.ndarray], states: int) -> Chart:
    whole = {name: drawing.to_length(values, states) for name, values in curves.items()}
    return Chart(title, whole, GROUPS)
