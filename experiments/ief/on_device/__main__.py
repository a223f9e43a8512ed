"""Trains IEF on MoveNet's trunk for so many minutes, all on one accelerator.

    python -m data.keypoints.packed lsp lspet --output people.npz
    python -m experiments.ief.on_device --people people.npz --movenet thunder.npz --minutes 18 \
        --output runs/thunder

A run may be done in parts: `--share 0 0.5` does the first half of the schedule in its minutes, and
`--share 0.5 1` goes on from `--state`.
"""

import argparse
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
from flax import traverse_util

from data.keypoints import packed
from experiments.ief.on_device import augmentation, pictures, teacher
from experiments.ief.on_device.augmentation import Labels
from experiments.ief.on_device.pictures import Pictures
from ief_jax.geometry.crops import PERSON, WINDOW
from ief_jax.geometry.skeletons import COCO_17, LSP_14, opposite
from ief_jax.ief import build, checkpoints, heatmaps, losses, metrics, training_data
from ief_jax.ief.backbones import movenet, pretrained
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import MAX_CORRECTION, IEFConfig
from ief_jax.io.files import replacing

SIGMA = 10 / 224
TRUNK = ("conv1", "stages", "pyramid")
"""Beginnings of the names of the weights that MoveNet has brought."""
INNER = 10
"""Steps that are dispatched at once."""


def configuration(steps: int) -> IEFConfig:
    """IEF on MoveNet Thunder: whole corrections, on the states that they lead to."""
    size = movenet.THUNDER.size
    return IEFConfig(
        name="movenet_on_policy",
        backbone="movenet_thunder",
        size=size,
        joints=teacher.JOINTS,
        sigma=SIGMA * size,
        max_correction=MAX_CORRECTION * size,
        bounded=False,
        steps=steps,
        heatmap_stage=1,
        pool_size=1,
        heatmap_gain=1.0,
    )


def main() -> None:
    """Labels, trains, validates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--movenet", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--state", type=Path, default=None, help="file that the run goes on from")
    parser.add_argument("--minutes", type=float, default=18.0, help="wall clock, all included")
    parser.add_argument("--share", type=float, nargs=2, default=(0.0, 1.0))
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--trunk-rate", type=float, default=0.2)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--count", type=int, default=None, help="of the people, for a trial")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--lsp-share", type=float, default=0.22, help="of LSP's people in a batch")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.perf_counter()

    def say(*parts: Any) -> None:
        print(f"[{time.perf_counter() - began:6.1f} s]", *parts, flush=True)

    options.output.mkdir(parents=True, exist_ok=True)
    people = packed.read(options.people)
    if options.count:
        rows = np.random.default_rng(0).permutation(len(people.images))[: options.count]
        people = packed.Packed(
            [people.images[i] for i in rows], *(np.asarray(part)[rows] for part in people[1:])
        )
    everyone, points = pictures.load(people, options.threads)
    say(f"{len(points)} people read; {jax.devices()}")
    with np.load(options.movenet) as file:
        flat = {name: jnp.asarray(file[name], jnp.float32) for name in file.files}
    thunder = traverse_util.unflatten_dict(flat, sep="/")
    validation = people.split == "validation"
    labels = _labels(options, thunder, everyone, points, people, say)

    config = configuration(options.steps)
    train = np.flatnonzero(~validation)
    start = _start(config, everyone, labels, train)
    run = _Run(options, config, start, thunder)
    lsp = people.dataset == "lsp"
    checks = {
        name: _Validation(config, everyone, points, people, rows, options.batch_size)
        for name in ("lsp", "lspet")
        if len(rows := np.flatnonzero(validation & (people.dataset == name)))
    }
    own = {name: check.own_answer(thunder) for name, check in checks.items()}
    for name, value in own.items():
        say(f"{name}: MoveNet Thunder itself, PCK@0.2 of 12 joints {value:.1f}")
    weight = np.where(lsp, options.lsp_share / max(lsp[train].sum(), 1), 0) + np.where(
        ~lsp, (1 - options.lsp_share) / max((~lsp[train]).sum(), 1), 0
    )
    cumulative = jnp.asarray(np.cumsum(weight[train] / weight[train].sum()), jnp.float32)
    run.train(everyone, labels, jnp.asarray(train), cumulative, checks, own, began, say)


def _labels(
    options: argparse.Namespace,
    thunder: Any,
    everyone: Pictures,
    points: np.ndarray,
    people: packed.Packed,
    say: Any,
) -> Labels:
    """The labels as the teacher has repaired them; kept beside the state, for the next part."""
    kept = options.state.with_suffix(".labels.npz") if options.state else None
    if kept and kept.exists():
        with np.load(kept) as file:
            return Labels(*(jnp.asarray(file[name], jnp.float32) for name in Labels._fields))
    answer, agreed = teacher.best_views(thunder, everyone, options.batch_size)
    height = np.asarray(everyone.box) / (WINDOW * PERSON)
    labels = teacher.repaired(
        answer, agreed, points, people.annotated, people.visible, people.dataset == "lsp", height
    )
    moved, weight = np.asarray(labels.points[:, :14]) - points, np.asarray(labels.weight)
    changed = np.linalg.norm(moved, axis=-1) > 0.05 * height[:, None]
    say(
        f"labelled; of the annotated {100 * changed[people.annotated].mean():.1f} % moved, "
        f"of the others {100 * (weight[:, :14] > 0)[~people.annotated].mean():.1f} % found, "
        f"faces {100 * (weight[:, 14:] > 0).mean():.1f} %"
    )
    arrays: dict[str, np.ndarray] = {
        name: np.asarray(part, np.float32 if name == "points" else np.float16)
        for name, part in labels._asdict().items()
    }
    arrays |= {"answer": answer.points.astype(np.float32), "agreed": agreed}
    arrays["score"] = answer.score.astype(np.float16)
    for target in [options.output / "labels.npz", *([kept] if kept else [])]:
        with replacing(target) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return labels


def _start(config: IEFConfig, people: Pictures, labels: Labels, train: np.ndarray) -> np.ndarray:
    """y_0: the median pose in the central crops of the training people."""
    box, marked = np.asarray(people.box)[train], np.asarray(people.marked)[train]
    points = np.asarray(labels.points)[train] - marked[:, None]
    points = points * (config.size / box)[:, None, None] + (config.size - 1) / 2
    sure = np.asarray(labels.weight)[train] >= 0.5
    return training_data.median_pose(points.astype(np.float32), sure)


class _Run:
    """The network, its optimiser, and what is kept of them."""

    def __init__(
        self, options: argparse.Namespace, config: IEFConfig, start: np.ndarray, thunder: Any
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
            correction, numbers = _correction(config, module, weights, encoded, y)
            error = losses.smooth_distance((y + correction - labels.points) / unit)
            # Far outside nobody can say how far.
            error = jnp.minimum(error, 8.0)
            distance = (labels.weight * error).sum() / jnp.maximum(labels.weight.sum(), 1)
            seen = optax.sigmoid_binary_cross_entropy(module.presence(numbers), labels.present)
            unsure = (labels.known * seen).sum() / jnp.maximum(labels.known.sum(), 1)
            total += distance + 0.15 * unsure
            each.append(distance)
            y = jax.lax.stop_gradient(y + correction)
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
        checks: dict[str, "_Validation"],
        own: dict[str, float],
        began: float,
        say: Any,
    ) -> None:
        """To the end of this part."""
        options, (low, high) = self.options, self.options.share
        if options.state and options.state.exists():
            self._restore()
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

    def _validate(self, checks: dict[str, "_Validation"], own: dict[str, float], say: Any) -> None:
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

    def _restore(self) -> None:
        with np.load(self.options.state) as file:
            leaves = [jnp.asarray(file[f"arr_{i}"]) for i in range(len(file.files))]
        self.state = jax.tree.unflatten(jax.tree.structure(self.state), leaves)


class _Validation:
    """People of a data set's validation split in their central crops, as annotated."""

    def __init__(
        self,
        config: IEFConfig,
        everyone: Pictures,
        points: np.ndarray,
        people: packed.Packed,
        rows: np.ndarray,
        batch: int,
    ) -> None:
        self.config, self.batch = config, batch
        self.people = jax.tree.map(lambda a: a[rows], everyone)
        self.points, self.annotated = points[rows], people.annotated[rows]
        torso = metrics.torso_diameter(self.points, self.annotated, LSP_14)
        self.reach = 0.2 * torso

    def _pck(self, found: np.ndarray, joints: int) -> Any:
        """[..., N, 14, 2] or [..., N, 12, 2] to percentages [...]."""
        right = metrics.within(found[..., :joints, :], self.points[:, :joints], self.reach)
        counted = self.annotated[:, :joints] & np.isfinite(self.reach)[:, None]
        return 100 * (right & counted).sum((-2, -1)) / counted.sum()

    def own_answer(self, thunder: Any) -> float:
        """MoveNet's own PCK@0.2, in the wider of two crops that suits it better."""
        order = [COCO_17.index(name) for name in teacher.SHARED]
        return max(
            float(
                self._pck(
                    teacher.answers(thunder, self.people, [0.0], False, scale, self.batch).points[
                        0
                    ][:, order],
                    12,
                )
            )
            for scale in (1.0, 1.2)
        )

    def feedback(self, module: Any, weights: Any, start: jax.Array) -> tuple[Any, Any]:
        """PCK@0.2 after 0, 1, ... steps: of the 12 joints that MoveNet has, and of 14."""
        program = partial(_paths, self.config, module, weights, start)
        (found,) = teacher.in_batches(lambda person: (program(person),), self.people, self.batch)
        found = np.moveaxis(found, 1, 0)
        return self._pck(found, 12), self._pck(found, 14)


@partial(jax.jit, static_argnums=(0, 1))
def _paths(
    config: IEFConfig, module: Any, weights: Any, start: jax.Array, people: Pictures
) -> jax.Array:
    """y_0 .. y_{T + 1} in people's central crops, [N, T + 2, K, 2] pixels of the pictures."""
    size, zero, one = config.size, jnp.float32(0), jnp.float32(1)

    def view(person: Pictures) -> pictures.View:
        return pictures.view(person, size, zero, one, jnp.bool_(False), jnp.zeros(2))

    views = jax.vmap(view)(people)
    images = jax.vmap(partial(pictures.crop, size=size))(people, views)
    encoded = module.apply({"params": weights}, module.normalise(images), method="encode_image")
    y = jnp.broadcast_to(start, (len(images), *start.shape))
    path = [y]
    for _ in range(config.steps + 1):
        y = y + _correction(config, module, weights, encoded, y)[0]
        path.append(y)
    return jax.vmap(partial(pictures.to_picture, size=size))(views, jnp.stack(path, 1))


def _correction(
    config: IEFConfig, module: Any, weights: Any, encoded: jax.Array, y: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """e_t, and what the network has put out; the marked point is the crop's middle."""
    size = config.size
    middle = jnp.full((len(y), 1, 2), (size - 1) / 2)
    factors = heatmaps.profiles(jnp.concatenate([y, middle], 1), (size, size), config.sigma)
    numbers = module.apply(
        {"params": weights}, encoded, factors.rows, factors.columns, method="correct"
    )
    return module.corrections(numbers, y, size, config.max_correction), numbers


if __name__ == "__main__":
    main()
