"""A run on one accelerator: its network, optimiser and steps, and what is kept of them."""

import json
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.ief.on_device import augmentation
from experiments.ief.on_device.arguments import Options
from experiments.ief.on_device.augmentation import Labels
from experiments.ief.on_device.network import TRUNK, correction
from experiments.ief.on_device.pictures import Pictures
from experiments.ief.on_device.validation import Validation
from ief_jax.geometry.skeletons import opposite
from ief_jax.ief import build, checkpoints, losses
from ief_jax.ief.backbones import pretrained
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig
from ief_jax.io.files import replacing

INNER = 10
"""Steps that are dispatched at once."""


class Run:
    """The network, its optimiser, and what is kept of them."""

    def __init__(
        self, options: Options, config: IEFConfig, start: np.ndarray, thunder: Any
    ) -> None:
        self.options, self.config, self.start = options, config, jnp.asarray(start)
        self.module = build.network(config)
        self.opposite = jnp.asarray(opposite(config.joints))
        known = {name: part for name, part in thunder.items() if name.startswith(TRUNK)} | {
            name: thunder[name]["hidden"] for name in ("heat", "regress")
        }
        key = jax.random.key(options.seed)
        weights = pretrained.initialise(self.module, known, key)
        self.optimiser = optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.scale_by_adam(),
            optax.add_decayed_weights(
                options.weight_decay, lambda w: jax.tree.map(lambda a: a.ndim > 1, w)
            ),
            optax.masked(
                optax.scale(options.trunk_rate),
                lambda w: {
                    name: jax.tree.map(lambda _, n=name: n.startswith(TRUNK), part)
                    for name, part in w.items()
                },
            ),
        )
        self.state = {
            # Copies, since a step gives up what it takes.
            "weights": jax.tree.map(jnp.copy, weights),
            "average": jax.tree.map(jnp.copy, weights),
            "memory": self.optimiser.init(weights),
            "step": jnp.int32(0),
        }
        self.best, self.best_step = -math.inf, 0

    def loss(
        self, weights: Any, key: jax.Array, images: jax.Array, labels: Labels
    ) -> tuple[jax.Array, jax.Array]:
        """Mean over the steps of how far the positions are off, and of how wrong the presence."""
        config, module = self.config, self.module
        half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), weights)
        inputs = module.normalise(images).astype(jnp.bfloat16)
        encoded = module.apply({"params": half}, inputs, method="encode_image")
        encoded = jnp.asarray(encoded).astype(jnp.float32)
        unit = config.max_correction
        y = jnp.broadcast_to(self.start, labels.points.shape)
        total, each = jnp.zeros(()), []
        for number in range(config.steps):
            e, numbers = correction(config, module, weights, encoded, y)
            error = losses.smooth_distance((y + e - labels.points) / unit)
            # Far outside nobody can say how far.
            error = jnp.minimum(error, 8.0)
            distance = (labels.weight * error).sum() / jnp.maximum(labels.weight.sum(), 1)
            seen = optax.sigmoid_binary_cross_entropy(module.presence(numbers), labels.present)
            unsure = (labels.known * seen).sum() / jnp.maximum(labels.known.sum(), 1)
            total += distance + 0.15 * unsure
            each.append(distance)
            y = jax.lax.stop_gradient(y + e)
            key_of_step = jax.random.fold_in(key, number)
            y = augmentation.moved_states(key_of_step, y, self.opposite, unit)
        return total / config.steps, jnp.stack([*each, unsure])

    def _steps(self) -> Any:
        options, size, seed = self.options, self.config.size, jax.random.key(self.options.seed + 1)

        def one(state: Any, rate: jax.Array, data: Any) -> tuple[Any, jax.Array]:
            everyone, labels, train, cumulative = data
            keys = jax.random.split(jax.random.fold_in(seed, state["step"]), 4)
            draws = jax.random.uniform(keys[0], (options.batch_size,))
            rows = train[jnp.minimum(jnp.searchsorted(cumulative, draws), len(train) - 1)]
            person, label = jax.tree.map(lambda a: a[rows], (everyone, labels))
            each = jax.random.split(keys[1], options.batch_size)
            make = partial(augmentation.example, opposite=self.opposite, size=size)
            images, label = jax.vmap(make)(each, person, label)
            each = jax.random.split(keys[2], options.batch_size)
            images, label = jax.vmap(augmentation.disturb)(
                each, images, label, jnp.roll(images, 1, 0)
            )
            images, label = jax.lax.stop_gradient((images, label))
            (_, parts), gradient = jax.value_and_grad(self.loss, has_aux=True)(
                state["weights"], keys[3], images, label
            )
            update, memory = self.optimiser.update(gradient, state["memory"], state["weights"])
            weights = jax.tree.map(lambda w, u: w - rate * u, state["weights"], update)
            step = state["step"] + 1
            decay = jnp.minimum(0.9985, (1 + step) / (20 + step))
            average = jax.tree.map(
                lambda a, w: a + (1 - decay) * (w - a), state["average"], weights
            )
            new = {"weights": weights, "average": average, "memory": memory, "step": step}
            return new, parts

        @partial(jax.jit, donate_argnums=0)
        def several(state: Any, rate: jax.Array, *data: Any) -> tuple[Any, jax.Array]:
            return jax.lax.scan(lambda s, _: one(s, rate, data), state, None, INNER)

        return several

    def train(
        self,
        everyone: Pictures,
        labels: Labels,
        train: jax.Array,
        cumulative: jax.Array,
        checks: dict[str, "Validation"],
        own: dict[str, float],
        began: float,
        say: Any,
    ) -> None:
        """To the end of this part."""
        options, (low, high) = self.options, self.options.share
        if options.state and options.state.exists():
            self._restore(options.state)
            say(f"going on from step {int(self.state['step'])}")
        else:
            low = 0.0 if high == 1 else low
        several = self._steps()
        end = began + 60 * options.minutes
        self.state, parts = several(
            self.state, jnp.float32(1e-5), everyone, labels, train, cumulative
        )
        say("compiled, loss", np.asarray(parts).mean(0).round(3))
        self._validate(checks, own, say)
        first, last_kept, number = time.perf_counter(), time.perf_counter(), 0
        margin = min(25.0, 0.1 * 60 * options.minutes)
        recent: list[np.ndarray] = []
        while (now := time.perf_counter()) < end - margin:
            progress = low + (high - low) * (now - first) / max(end - margin - first, 1e-3)
            warm = min(1.0, (int(self.state["step"]) + INNER) / 300)
            rate = options.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * progress))
            self.state, parts = several(
                self.state, jnp.float32(rate), everyone, labels, train, cumulative
            )
            recent.append(np.asarray(parts).mean(0))
            number += INNER
            if now - last_kept > 110:
                each = number * options.batch_size / (time.perf_counter() - first)
                say(
                    f"step {int(self.state['step'])}, {each:.0f} crops/s, rate {rate:.2e}, "
                    f"loss of each step, presence: {np.mean(recent, 0).round(3)}"
                )
                if not np.isfinite(recent[-1]).all():
                    raise FloatingPointError("the loss is no longer finite")
                recent = []
                self._keep_state()
                self._validate(checks, own, say)
                last_kept = time.perf_counter()
        each = number * options.batch_size / (time.perf_counter() - first)
        say(f"step {int(self.state['step'])}, {each:.0f} crops/s; end of this part")
        self._validate(checks, own, say)
        if self.best_step == int(self.state["step"]):
            (self.options.output / "best.npz").unlink()
        self._keep_state()
        say("state kept")

    def _validate(self, checks: dict[str, "Validation"], own: dict[str, float], say: Any) -> None:
        found: dict[str, Any] = {"step": int(self.state["step"])}
        for name, check in checks.items():
            twelve, all_ = check.feedback(self.module, self.state["average"], self.start)
            found[name] = {"12": twelve, "14": all_, "movenet": own[name]}
            say(
                f"{name}: PCK@0.2 of 12 joints after each step {np.round(twelve, 1)} "
                f"(MoveNet {own[name]:.1f}), of 14 {np.round(all_, 1)}"
            )
        self._keep("model.npz")
        score = sum(found[name]["14"][self.config.steps] for name in checks)
        if score > self.best:
            self.best, self.best_step = score, found["step"]
            self._keep("best.npz")
        with open(self.options.output / "validation.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(found, default=lambda a: np.asarray(a).tolist()) + "\n")

    def _keep(self, name: str) -> None:
        """The averaged weights, as a checkpoint that `ief_jax` reads."""
        weights = {"network": {"params": jax.device_get(self.state["average"])}}
        checkpoint = Checkpoint(self.config, {**weights, "start": np.asarray(self.start)})
        checkpoints.write(self.options.output / name, checkpoint, np.float16)

    def _keep_state(self) -> None:
        if self.options.state:
            leaves = jax.device_get(jax.tree.leaves(self.state))
            with replacing(self.options.state) as file:
                np.savez(file, *leaves)

    def _restore(self, path: Path) -> None:
        with np.load(path) as file:
            leaves = [jnp.asarray(file[f"arr_{i}"]) for i in range(len(file.files))]
        self.state = jax.tree.unflatten(jax.tree.structure(self.state), leaves)
