"""Rematerialised backbones: the same loss and gradient from far less that is kept for it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.ief import build, config, fpc, on_policy, training_data, training_methods
from ief_jax.ief.backbones.rematerialisation import rematerialised

PEOPLE = 2
START = jnp.linspace(10, 40, 28).reshape(14, 2)


def loss_of(backbone: str, stage: int, method: str) -> tuple[Callable[..., jax.Array], Any, Any]:
    """A loss, and the shapes of weights and examples."""
    size = 64
    configuration = dataclasses.replace(
        config.PAPER,
        backbone=backbone,
        size=size,
        heatmap_stage=stage,
        joints=tuple(f"joint {n}" for n in range(14)),
    )
    weights = jax.eval_shape(lambda: build.initial_weights(configuration, jax.random.key(0)))
    crops = training_data.PersonCrop(
        jnp.full((PEOPLE, size, size, 3), 90, jnp.uint8),
        jnp.broadcast_to(START[::-1], (PEOPLE, 14, 2)),
        jnp.ones((PEOPLE, 14), bool),
        jnp.full((PEOPLE, 2), 30.0),
    )
    how = training_methods.METHODS[method]
    if how.on_policy:
        return on_policy.training_loss(configuration, how, START, 3), weights, crops
    state = jnp.broadcast_to(START, (PEOPLE, 14, 2))
    return fpc.training_loss(configuration, how), weights, fpc.TrainingExample(crops, state, state)


def kept_for_the_gradient(loss: Callable[..., jax.Array], weights: Any, examples: Any) -> int:
    """Bytes between the passes, beside weights and examples."""

    def forward(weights: Any, examples: Any) -> Any:
        return jax.vjp(lambda given: loss(given, examples), weights)[1]

    given = jax.tree.leaves((weights, examples))
    found = jax.tree.leaves(jax.eval_shape(forward, weights, examples))
    return sum(map(_bytes, found)) - sum(map(_bytes, given))


def _bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


@pytest.mark.parametrize(
    ("backbone", "stage", "method"),
    [
        ("small", 0, "ief"),
        ("googlenet", 0, "ief"),
        pytest.param("efficientnet_lite0_pyramid", 1, "on_policy", marks=pytest.mark.slow),
        pytest.param("movenet_thunder", 1, "on_policy", marks=pytest.mark.slow),
    ],
)
def test_less_is_kept(backbone: str, stage: int, method: str) -> None:
    loss, *given = loss_of(backbone, stage, method)
    plain, less = (kept_for_the_gradient(one, *given) for one in (loss, rematerialised(loss)))
    assert 0 < less < 0.6 * plain


def test_loss_and_gradient_are_the_same() -> None:
    loss, shapes, examples = loss_of("small", 0, "ief")
    rng = np.random.default_rng(0)
    weights = jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype(s.dtype), shapes)
    found = [
        jax.jit(jax.value_and_grad(one))(weights, examples) for one in (loss, rematerialised(loss))
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6, rtol=1e-5), *found)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found[0][1])) > 1e-3
