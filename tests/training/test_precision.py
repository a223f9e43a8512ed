"""Networks trained in bf16: only they are, and what is kept and written is float32."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior
from ief_jax.ief import build as ief_build
from ief_jax.ief import fpc, on_policy
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.training_data import PersonCrop
from ief_jax.ief.training_methods import METHODS
from ief_jax.lgd import build, reprojection, training, training_people
from ief_jax.training import mesh, optimisers, state, step
from tests.helpers import tiny

BATCH, STEPS = 8, 4
KEYS = jax.random.split(jax.random.key(0), BATCH)
SMALL = IEFConfig(
    name="ief",
    backbone="small",
    size=24,
    joints=("a", "b", "c"),
    sigma=2.0,
    max_correction=2.0,
    steps=2,
    heatmap_stage=1,
    pool_size=2,
    heatmap_gain=1.0,
    bounded=True,
)
START = jnp.array([[6.0, 6.0], [12.0, 12.0], [18.0, 6.0]])


def crops() -> PersonCrop:
    rng = np.random.default_rng(0)
    return PersonCrop(
        jnp.asarray(rng.integers(0, 255, (BATCH, 24, 24, 3)), jnp.uint8),
        jnp.asarray(rng.uniform(4, 20, (BATCH, 3, 2)), jnp.float32),
        jnp.ones((BATCH, 3), bool),
        jnp.full((BATCH, 2), 12.0),
    )


class Trained:
    """The losses and the state of a few steps, in float32 and in bf16."""

    def __init__(
        self, objective: Callable[[Any], step.Objective], weights: Any, batch: tuple[Any, ...]
    ) -> None:
        self.weights = weights
        adam = optimisers.optimiser("adam", 1e-3, STEPS, schedule="constant")
        average = state.moving_average(0.9)
        self.losses, self.states = [], []
        for compute in (None, jnp.bfloat16):
            advance = step.fused_steps(
                lambda key, example: example,
                objective(compute),
                adam,
                BATCH,
                mesh.device_mesh(),
                average,
                STEPS,
            )
            first = state.initial_state(jax.tree.map(jnp.array, weights), adam, 0, average)
            after, losses = advance(first, [batch] * STEPS)
            self.losses.append(np.asarray(losses))
            self.states.append(after)


def examples(task: reprojection.Problem) -> Callable[[jax.Array], tuple[Any, ...]]:
    """Keys to examples of LGD."""
    draw = training_people.from_prior(pose_prior.embedded(), task.model.betas)
    return jax.vmap(lambda key: training.example(key, None, draw, task))


def lgd(model: joints.JointModel) -> Trained:
    task = build.problem(tiny.CONFIGURATION, model)
    batch = jax.jit(examples(task))(KEYS)
    return Trained(
        lambda compute: training.loss(tiny.CONFIGURATION, task, compute),
        tiny.checkpoint(model).weights,
        batch,
    )


def ief(model: joints.JointModel) -> Trained:
    return Trained(
        lambda compute: on_policy.training_loss(SMALL, METHODS["on_policy"], START, 1, compute),
        ief_build.initial_weights(SMALL, jax.random.key(0)),
        (crops(),),
    )


@pytest.fixture(scope="module", params=[lgd, ief])
def trained(request: pytest.FixtureRequest, joint_model: joints.JointModel) -> Trained:
    found: Trained = request.param(joint_model)
    return found


@pytest.mark.slow
def test_losses_are_close_to_those_of_float32(trained: Trained) -> None:
    exact, rounded = trained.losses
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, exact, rtol=0.02)
    assert (rounded != exact).all()


@pytest.mark.slow
def test_what_is_kept_is_float32(trained: Trained) -> None:
    """So a run may go on in the other precision, and a checkpoint is of none."""
    exact, rounded = trained.states
    for one, other, first in zip(
        jax.tree.leaves(exact.weights),
        jax.tree.leaves(rounded.weights),
        jax.tree.leaves(trained.weights),
        strict=True,
    ):
        assert one.dtype == other.dtype == first.dtype == jnp.float32
        # Smaller changes than bf16 can tell are kept.
        moved = np.asarray(other) - np.asarray(first)
        assert (moved != 0).any() and np.abs(moved).max() < 5e-3
    assert jax.tree.map(jnp.shape, exact) == jax.tree.map(jnp.shape, rounded)
    kept = jax.tree.leaves(rounded)
    assert not any(leaf.dtype == jnp.bfloat16 for leaf in kept)


class Product(NamedTuple):
    """The factors of a matrix product or a convolution."""

    left: Any
    right: Any


def products(jaxpr: Any) -> Iterator[Product]:
    """All of a program."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield Product(equation.invars[0].aval, equation.invars[1].aval)
        for inner in jax.tree.leaves(list(equation.params.values())):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from products(inner)


def test_the_network_alone_is_in_bf16(joint_model: joints.JointModel) -> None:
    configuration = dataclasses.replace(tiny.CONFIGURATION, width=13)  # as nothing else is
    task = build.problem(configuration, joint_model)
    batch = jax.eval_shape(examples(task), KEYS)
    weights = jax.eval_shape(partial(build.initial_weights, configuration, task), KEYS[0])
    loss = training.loss(configuration, task, jnp.bfloat16)
    program = jax.make_jaxpr(jax.grad(loss))(weights, *batch)
    assert all(leaf.dtype == jnp.float32 for leaf in program.out_avals)
    found = list(products(program.jaxpr))
    of_network = [13 in product.left.shape + product.right.shape for product in found]
    assert any(of_network) and not all(of_network)
    for product, is_network in zip(found, of_network, strict=True):
        expected = jnp.bfloat16 if is_network else jnp.float32
        assert product.left.dtype == product.right.dtype == expected, product


def test_the_paper_s_loss_takes_it_too() -> None:
    loss = fpc.training_loss(SMALL, METHODS["ief"], jnp.bfloat16)
    taught = fpc.TrainingExample(crops(), jnp.tile(START, (BATCH, 1, 1)), jnp.ones((BATCH, 3, 2)))
    weights = jax.eval_shape(partial(ief_build.initial_weights, SMALL), jax.random.key(0))
    program = jax.make_jaxpr(jax.grad(loss))(weights, taught)
    assert all(leaf.dtype == jnp.float32 for leaf in program.out_avals)
    assert {product.left.dtype for product in products(program.jaxpr)} == {jnp.dtype(jnp.bfloat16)}
