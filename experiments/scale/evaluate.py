"""`eval.py scale`: how well the box round a person is found.

The share of people for whom the best of the paper's nine boxes is chosen, or one beside it; and
how far the side is from the best, as the median of its ratio. Beside it what one gets without the
image: always the box that is most often the best among the people that it is measured on.
"""

from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from data.keypoints import sets
from data.keypoints.people import Person, decode
from experiments.scale.arguments import Evaluate
from ief_jax.geometry.crops import LENGTHS, PERSON, candidate_boxes
from ief_jax.ief.scale_selector import checkpoints, selection
from ief_jax.io.files import write_json


def run(arguments: Evaluate) -> None:
    """Evaluates; prints the table, writes the figures that were asked for."""
    selector = checkpoints.load(arguments.checkpoint)
    length = LENGTHS[arguments.length]
    results = {}
    print(f"{'':31} {'best':>7} {'within one':>11} {'ratio':>7} {'off by > 1.25':>14}")
    for name in arguments.dataset:
        people, _ = sets.load(name, arguments.data_dir, arguments.split)
        rows = np.random.default_rng(arguments.seed).permutation(len(people))[: arguments.count]
        results[name] = measure(selector, [people[row] for row in np.sort(rows)], length)
        print(f"{name}, {min(len(rows), len(people))} people, {arguments.split}")
        for method, figures in results[name].items():
            print(
                f"  {method:29} {figures['best']:6.1f}% {figures['within_one']:10.1f}% "
                f"{figures['ratio']:7.3f} {figures['far']:13.1f}%"
            )
    if arguments.json is not None:
        write_json(arguments.json, results)


def measure(
    selector: checkpoints.Selector,
    people: Sequence[Person],
    length: Callable[[tuple[int, int]], int] = min,
) -> dict[str, dict[str, float]]:
    """Figures of each method on some people.

    Returns:
      By method: `best` and `within_one`, percent of the people; `ratio`, the median of the larger
      of side / wanted and its inverse; `far`, percent of the people for whom that is over 1.25.
    """
    wanted = np.array([PERSON * person.height for person in people])
    sides = []  # [N, 9]
    chosen, free = [], []
    for person in tqdm(people, desc="scale", unit="person", leave=False):
        image = decode(person.image, person.name)
        long = length(image.size)
        sides.append([box.side for box in candidate_boxes(person.marked, long)])
        chosen.append(selection.select_box(selector, image, person.marked, long).side)
        free.append(selection.refine_box(selector, image, person.marked).side)
    grid = np.array(sides)
    best = np.abs(grid - wanted[:, None]).argmin(1)
    common = grid[:, np.bincount(best, minlength=grid.shape[1]).argmax()]
    found = {
        "the most frequent box": common,
        "one of nine": np.array(chosen),
        "refined box": np.array(free),
        "the best of nine": grid[np.arange(len(grid)), best],
    }
    return {name: _figures(side, grid, best, wanted) for name, side in found.items()}


def _figures(
    side: np.ndarray, grid: np.ndarray, best: np.ndarray, wanted: np.ndarray
) -> dict[str, float]:
    """Figures of sides [N], against nine boxes [N, 9], the best of them [N], and those wanted."""
    off = np.abs(np.abs(grid - side[:, None]).argmin(1) - best)
    ratio = np.exp(np.abs(np.log(side / wanted)))
    return {
        "best": 100 * float((off == 0).mean()),
        "within_one": 100 * float((off <= 1).mean()),
        "ratio": float(np.median(ratio)),
        "far": 100 * float((ratio > 1.25).mean()),
    }
