"""`eval.py ief --ablations`: reruns the comparisons of the IEF paper, on the data at hand.

Table 3: IEF, direct prediction, iterative direct prediction. Figure 4: with and without Fixed Path
Consolidation, step by step. Table 4: one, two or all joints fed back. Every network is trained by
`train.py ief` in a folder of its own, so that a run that was cut off goes on.

All see every lesson, a correction step of a person, equally often: N times in each of the T stages
that it is taught in (Algorithm 1). The first step is in all T of them, so that a network of one
step makes T N passes over the people, IEF (1 + 2 + .. + T) N. `direct_longer` makes as many as IEF.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro

from experiments import checks
from experiments.ief import evaluate, train
from ief_jax.ief import training_methods
from ief_jax.io.files import InputError, write_json
from ief_jax.training import optimisers


class Variant(NamedTuple):
    """One network of the tables.

    Attributes:
      method: how it is taught.
      passes: over all people, for each of the N epochs.
      joints: which it knows; all, if none are named.
    """

    method: str
    passes: int
    joints: tuple[str, ...] = ()


KNEE = "left_knee"
STEPS = training_methods.METHODS["ief"].steps
"""T."""
LESSONS = STEPS * (STEPS + 1) // 2
"""Of a person in all stages, where each is a step by itself: 1 + 2 + .. + T."""
VARIANTS: Mapping[str, Variant] = {
    "ief": Variant("ief", LESSONS),
    "direct": Variant("direct", STEPS),
    "direct_longer": Variant("direct", LESSONS),
    # A pass teaches all steps that are taught so far.
    "iterative_direct": Variant("iterative_direct", STEPS),
    "no_fpc": Variant("no_fpc", LESSONS),
    "knee": Variant("ief", LESSONS, (KNEE,)),
    "knee_and_hip": Variant("ief", LESSONS, (KNEE, "left_hip")),
    "on_policy": Variant("on_policy", STEPS),
}
PAPERS = tuple(name for name in VARIANTS if name != "on_policy")
TABLE_3 = {
    "ief": 81.0,
    "direct": 74.8,
    "direct_longer": None,
    "iterative_direct": 73.4,
    "on_policy": None,
}
"""PCKh@0.5 on MPII's validation set; None: not in the paper."""
TABLE_4 = {"direct": 64.6, "direct_longer": None, "knee": 69.2, "knee_and_hip": 72.8, "ief": 73.8}
"""The same for the left knee alone."""
LABELS = {
    "ief": "IEF",
    "direct": "direct prediction",
    "direct_longer": "the same, as long as IEF",
    "iterative_direct": "iterative direct prediction",
    "no_fpc": "IEF without FPC",
    "on_policy": "on_policy (not in the paper)",
    "knee": "IEF, left knee",
    "knee_and_hip": "IEF, left knee and hip",
}


@dataclass(frozen=True)
class Arguments:
    """Compare iterative error feedback with its rivals.

    By default on stick figures, with a small network that learns them in minutes.

    Attributes:
      workdir: folder for all networks; what is there already is not trained again.
      train: data sets to train on.
      test: data set whose validation people are measured.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released; the synthetic people
        and the stick figures are made there if they are not.
      variants: which networks; on_policy may be named too.
      seeds: networks of each kind.
      backbone, pretrained, imagenet, trunk, size, sigma, heatmap_stage, pool_size, frozen, crops,
        length, batch_size, optimizer, learning_rate, momentum, schedule, clip, heatmap_gain,
        pretrained_rate: as for train.py ief.
      epochs: N of Algorithm 1: how often a lesson is seen in each stage.
      count: people to measure; all by default.
      json: file for the figures.
    """

    workdir: Path = Path("runs/ief-ablations")
    train: tuple[str, ...] = ("figures",)
    test: Literal["lsp", "lspet", "mpii", "coco", "synthetic", "figures"] = "figures"
    data_dir: Path = Path("downloads")
    variants: tuple[str, ...] = PAPERS
    seeds: int = 3
    backbone: train.BackboneName = "small"
    pretrained: bool = False
    imagenet: Path | None = None
    trunk: str | None = None
    size: int = 48
    sigma: float = 16.0
    heatmap_stage: int = 0
    pool_size: int = 1
    frozen: int = 0
    crops: Literal["paper", "augmented"] = "paper"
    length: Literal["smaller", "larger"] = "smaller"
    epochs: float = 2.4
    batch_size: int = 32
    optimizer: optimisers.OptimizerName = "adam"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    schedule: optimisers.ScheduleName = "cosine"
    clip: float = 1.0
    heatmap_gain: float = 0.2
    pretrained_rate: float = 1.0
    count: int | None = None
    json: Path | None = None


def ablations(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Rerun the IEF paper's comparisons: tables 3 and 4, figure 4."""
    for name in arguments.variants:
        if name not in VARIANTS:
            raise InputError(f"--variants {name}: not one of {', '.join(VARIANTS)}")
    checks.outputs(arguments.json)
    began = time.perf_counter()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.variants}
    for seed in range(arguments.seeds):
        for name in arguments.variants:
            found[name].append(_measure(arguments, name, seed))
            _write(arguments, found)
    print(_tables(found))
    print(f"{arguments.seeds} seeds, {time.perf_counter() - began:.0f} s")


def _measure(arguments: Arguments, name: str, seed: int) -> dict[str, Any]:
    """Trains one network, unless that was done, and measures it after each step."""
    variant = VARIANTS[name]
    workdir = arguments.workdir / f"{name}-{seed}"
    train.ief(
        train.Arguments(
            workdir=workdir,
            dataset=arguments.train,
            data_dir=arguments.data_dir,
            method=variant.method,  # type: ignore[arg-type]
            joints=variant.joints,
            backbone=arguments.backbone,
            pretrained=arguments.pretrained,
            imagenet=arguments.imagenet,
            trunk=arguments.trunk,
            size=arguments.size,
            sigma=arguments.sigma,
            heatmap_stage=arguments.heatmap_stage,
            pool_size=arguments.pool_size,
            frozen=arguments.frozen,
            crops=arguments.crops,
            length=arguments.length,
            epochs=arguments.epochs * variant.passes,
            batch_size=arguments.batch_size,
            optimizer=arguments.optimizer,
            learning_rate=arguments.learning_rate,
            momentum=arguments.momentum,
            schedule=arguments.schedule,
            clip=arguments.clip,
            heatmap_gain=arguments.heatmap_gain,
            pretrained_rate=arguments.pretrained_rate,
            seed=seed,
            evaluate=0,
        )
    )
    result = evaluate.evaluate(
        evaluate.Arguments(
            checkpoint=str(workdir),
            dataset=arguments.test,
            data_dir=arguments.data_dir,
            split="validation",
            scale="truth",
            box_refinements=0,
            count=arguments.count,
        )
    ).to_dict()
    return {
        "measure": result["measure"],
        "per_step": result["per_step"],
        "knee": result["per_joint"][KNEE],
    }


def _tables(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """Means and spreads over the seeds beside the paper's figures, in percent."""
    measure = next(iter(found.values()))[0]["measure"]
    lines = [f"{measure}, mean +- standard deviation over seeds", ""]
    for title, published, value in (
        ("all joints (table 3)", TABLE_3, lambda one: one["per_step"][-1]),
        ("left knee (table 4)", TABLE_4, lambda one: one["knee"]),
    ):
        rows = []
        for name in published:
            if name in found:
                ours = [value(one) for one in found[name]]
                rows.append(f"{LABELS[name]:34}{_spread(ours):>16}{published[name] or '-':>8}")
        if rows:
            lines += [f"{title:34}{'ours':>16}{'paper':>8}", *rows, ""]
    rows = []
    for name in ("ief", "no_fpc", "iterative_direct", "on_policy"):
        if name in found:
            path = np.array([one["per_step"] for one in found[name]])
            rows.append(f"{LABELS[name]:34}" + "".join(f"{_spread(step):>14}" for step in path.T))
    if rows:
        lines += ["after each step, from the start on (figure 4)", *rows]
    return "\n".join(lines)


def _spread(values: Any) -> str:
    return f"{np.mean(values):.1f} +- {np.std(values):.1f}"


def _write(arguments: Arguments, found: Mapping[str, list[dict[str, Any]]]) -> None:
    if arguments.json:
        write_json(arguments.json, found)
