"""`eval.py ief-ablations`: reruns the comparisons of the IEF paper, on the data at hand.

Table 3: IEF, direct prediction, iterative direct prediction. Figure 4: with and without Fixed Path
Consolidation, step by step. Table 4: one, two or all joints fed back. Every network is trained by
`train.py ief` in a folder of its own, so that a run that was cut off goes on.

All train on each example, a correction step of a person, equally often: N times in each of the T
stages that it is part of (Algorithm 1). The first step is in all T of them, so that a network of
one step makes T N passes over the people, IEF (1 + 2 + .. + T) N. `direct_longer` makes as many as
IEF.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments import checks
from experiments.ief import evaluate, train
from experiments.ief.arguments import Ablate, Evaluate, Method, Train
from ief_jax.ief import training_methods
from ief_jax.io.files import write_json
from ief_jax.training.run_options import RunOptions


class Variant(NamedTuple):
    """One network of the tables.

    Attributes:
      method: how it is trained.
      passes: over all people, for each of the N epochs.
      joints: which it knows; all, if none are named.
    """

    method: Method
    passes: int
    joints: tuple[str, ...] = ()


KNEE = "left_knee"
STEPS = training_methods.METHODS["ief"].steps
"""T."""
EXAMPLES = STEPS * (STEPS + 1) // 2
"""Of a person in all stages, where each is a step by itself: 1 + 2 + .. + T."""
VARIANTS: Mapping[str, Variant] = {
    "ief": Variant("ief", EXAMPLES),
    "direct": Variant("direct", STEPS),
    "direct_longer": Variant("direct", EXAMPLES),
    # A pass trains all steps so far.
    "iterative_direct": Variant("iterative_direct", STEPS),
    "no_fpc": Variant("no_fpc", EXAMPLES),
    "knee": Variant("ief", EXAMPLES, (KNEE,)),
    "knee_and_hip": Variant("ief", EXAMPLES, (KNEE, "left_hip")),
    "on_policy": Variant("on_policy", STEPS),
}
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


def run(arguments: Ablate) -> None:
    """Trains and tests every network; prints the tables."""
    checks.outputs(arguments.json)
    began = time.perf_counter()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.variants}
    for seed in range(arguments.seeds):
        for name in arguments.variants:
            found[name].append(_measure(arguments, name, seed))
            _write(arguments, found)
    print(_tables(found))
    print(f"{arguments.seeds} seeds, {time.perf_counter() - began:.0f} s")


def _measure(arguments: Ablate, name: str, seed: int) -> dict[str, Any]:
    """Trains one network, unless that was done, and measures it after each step."""
    variant = VARIANTS[name]
    workdir = arguments.workdir / f"{name}-{seed}"
    train.run(
        Train(
            dataset=arguments.train,
            data_dir=arguments.data_dir,
            method=variant.method,
            joints=variant.joints,
            epochs=arguments.epochs * variant.passes,
            seed=seed,
            evaluate=0,
            run=RunOptions(workdir, log_every=20),
            network=arguments.network,
            learning=arguments.learning,
            optimiser=arguments.optimiser,
        )
    )
    result = evaluate.evaluate(
        Evaluate(
            checkpoint=str(workdir),
            dataset=arguments.test,
            data_dir=arguments.data_dir,
            split="validation",
            box="truth",
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


def _write(arguments: Ablate, found: Mapping[str, list[dict[str, Any]]]) -> None:
    if arguments.json:
        write_json(arguments.json, found)
