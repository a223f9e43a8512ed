"""What a training step costs on several virtual devices of a CPU, beside one, of the same batch.

    python -m benchmarks.devices [--devices 8] [--rounds 8]

They share the same cores and memory, so that 1 is the best there is: what is more is what the
devices do each for themselves, and what they tell one another. They are timed in turns in one
process, and the fastest of each counts, because other work only ever adds to a time.
"""

from typing import Annotated

import jax
import tyro

from benchmarks import timing

STEPS = 4
"""A call."""
SIZES = (
    *(("lgd paper", 256), ("lgd paper", 1024), ("lgd released", 256), ("lgd released", 1024)),
    *(("ief small", 32), ("ief small", 256), ("ief released", 16)),
)
"""Tasks of `accelerator_cases`, and examples a step over all devices."""


def main(
    devices: int = 8,
    rounds: int = 8,
    tasks: Annotated[tuple[tuple[str, int], ...], tyro.conf.arg(metavar="TASK SIZE ...")] = SIZES,
) -> None:
    """Prints a row a task.

    Args:
      devices: virtual ones.
      rounds: of which the fastest counts.
      tasks: what is trained, and examples a step.
    """
    jax.config.update("jax_num_cpu_devices", devices)
    from benchmarks import accelerator_cases as cases  # uses devices when it is imported

    print(f"{'':24}{'one':>10}{devices:>10}   examples a second, and how many times the time")
    for task, count in tasks:
        case = cases.train(task, count, STEPS, task.startswith("lgd"))
        calls = [case(*jax.devices()[:number]) for number in (1, devices)]
        for call in calls:
            jax.block_until_ready(call())  # compiles
        turns = [[timing.milliseconds(call, 1, warm=0) for call in calls] for _ in range(rounds)]
        one, several = (min(times) for times in zip(*turns, strict=True))
        rates = (1e3 * STEPS * count / one, 1e3 * STEPS * count / several)
        print(
            f"{task + ', ' + str(count):24}{rates[0]:10.0f}{rates[1]:10.0f}{several / one:10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    tyro.cli(main)
