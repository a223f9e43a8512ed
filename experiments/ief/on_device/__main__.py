"""Trains IEF on MoveNet's trunk for so many minutes, all on one accelerator.

    python -m data.keypoints.packed lsp lspet --output people.npz
    python -m experiments.ief.on_device --people people.npz --movenet thunder.npz --minutes 18 \
        --output runs/thunder

A run may be done in parts: `--share 0 0.5` does the first half of the schedule in its minutes, and
`--share 0.5 1` goes on from `--state`.
"""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from flax import traverse_util

from data.keypoints import packed
from experiments.ief.on_device import pictures, teacher
from experiments.ief.on_device.arguments import Options
from experiments.ief.on_device.augmentation import Labels
from experiments.ief.on_device.network import configuration
from experiments.ief.on_device.pictures import Pictures
from experiments.ief.on_device.training import Run
from experiments.ief.on_device.validation import Validation
from ief_jax.cli import command_line
from ief_jax.geometry.crops import PERSON, WINDOW
from ief_jax.ief import training_data
from ief_jax.ief.config import IEFConfig
from ief_jax.io.files import replacing

PROGRAM = "python -m experiments.ief.on_device"


def run(options: Options) -> None:
    """Labels, trains, validates."""
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
    training = Run(options, config, start, thunder)
    lsp = people.dataset == "lsp"
    checks = {
        name: Validation(config, everyone, points, people, rows, options.batch_size)
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
    training.train(everyone, labels, jnp.asarray(train), cumulative, checks, own, began, say)


def _labels(
    options: Options,
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


if __name__ == "__main__":
    sys.exit(command_line.guarded(PROGRAM, lambda: run(tyro.cli(Options, prog=PROGRAM))))
