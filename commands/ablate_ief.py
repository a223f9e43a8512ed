"""`eval.py ief --ablations`: reruns the comparisons of the IEF paper, on the data at hand.

Table 3: IEF, direct prediction, iterative direct prediction, and our own pursuit. Figure 4: with
and without Fixed Path Consolidation, step by step. Table 4: one, two or all joints fed back. Every
network is trained by `train.py ief` in a folder of its own, so that a run that was cut off goes on.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro

from commands import checks, eval_ief, train_ief
from ief_jax.files import InputError, write_json


class Variant(NamedTuple):
    """One network of the tables: how it is taught, and which joints it knows (all: none named)."""

    method: str
    joints: tuple[str, ...] = ()


KNEE = "left_knee"
VARIANTS: Mapping[str, Variant] = {
    "ief": Variant("ief"),
    "direct": Variant("direct"),
    "iterative_direct": Variant("iterative_direct"),
    "no_fpc": Variant("no_fpc"),
    "pursuit": Variant("pursuit"),
    "knee": Variant("ief", (KNEE,)),
    "knee_and_hip": Variant("ief", (KNEE, "left_hip")),
}
TABLE_3 = {"ief": 81.0, "direct": 74.8, "iterative_direct": 73.4, "pursuit": None}
"""PCKh@0.5 on MPII's validation set; None: not in the paper."""
TABLE_4 = {"direct": 64.6, "knee": 69.2, "knee_and_hip": 72.8, "ief": 73.8}
"""The same for the left knee alone."""
LABELS = {
    "ief": "IEF",
    "direct": "direct prediction",
    "iterative_direct": "iterative direct prediction",
    "no_fpc": "IEF without FPC",
    "pursuit": "pursuit (not in the paper)",
    "knee": "IEF, left knee",
    "knee_and_hip": "IEF, left knee and hip",
}


@dataclass(frozen=True)
class Arguments:
    """Compare iterative error feedback with its rivals.

    Attributes:
      workdir: folder for all networks; what is there already is not trained again.
      train: data sets to train on.
      test: data set whose validation people are measured.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released.
      variants: which networks.
      seeds: networks of each kind.
      backbone, pretrained, imagenet, trunk, size, enters, cells, frozen, crops, length, epochs,
        batch_size, learning_rate, pretrained_rate: as for train.py ief. By default all start from
        the released checkpoint's conv-1 and stages and leave these as they are.
      count: people to measure; all by default.
      json: file for the figures.
    """

    workdir: Path = Path("runs/ief-ablations")
    train: tuple[str, ...] = ("synthetic",)
    test: Literal["lsp", "lspet", "mpii", "coco", "synthetic"] = "synthetic"
    data_dir: Path = Path("downloads")
    variants: tuple[str, ...] = tuple(VARIANTS)
    seeds: int = 3
    backbone: train_ief.BackboneName = "efficientnet_lite0_pyramid"
    pretrained: bool = True
    imagenet: Path | None = None
    trunk: str | None = "released"
    size: int = 112
    enters: int = 1
    cells: int = 1
    frozen: int = 6
    crops: Literal["paper", "augmented"] = "augmented"
    length: Literal["smaller", "larger"] = "smaller"
    epochs: float = 5.0
    batch_size: int = 32
    learning_rate: float = 2e-3
    pretrained_rate: float = 0.3
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
    train_ief.ief(
        train_ief.Arguments(
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
            enters=arguments.enters,
            cells=arguments.cells,
            frozen=arguments.frozen,
            crops=arguments.crops,
            length=arguments.length,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            pretrained_rate=arguments.pretrained_rate,
            seed=seed,
            evaluate=0,
        )
    )
    result = eval_ief.evaluate(
        eval_ief.Arguments(
            checkpoint=str(workdir),
            dataset=arguments.test,
            data_dir=arguments.data_dir,
            split="validation",
            scale="truth",
            looks=1,
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
        lines.append(f"{title:34}{'ours':>16}{'paper':>8}")
        for name in published:
            if name in found:
                ours = [value(one) for one in found[name]]
                lines.append(f"{LABELS[name]:34}{_spread(ours):>16}{published[name] or '-':>8}")
        lines.append("")
    lines.append("after each step, from the start on (figure 4)")
    for name in ("ief", "no_fpc", "iterative_direct", "pursuit"):
        if name in found:
            path = np.array([one["per_step"] for one in found[name]])
            lines.append(f"{LABELS[name]:34}" + "".join(f"{_spread(step):>14}" for step in path.T))
    return "\n".join(lines)


def _spread(values: Any) -> str:
    return f"{np.mean(values):.1f} +- {np.std(values):.1f}"


def _write(arguments: Arguments, found: Mapping[str, list[dict[str, Any]]]) -> None:
    if arguments.json:
        write_json(arguments.json, found)
