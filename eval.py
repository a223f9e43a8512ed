"""Evaluates: `python eval.py lgd` fits bodies to keypoints of known people and measures errors.

python eval.py lgd [--checkpoint released|paper|DIR] [--poses FILE.npz] [--body FILE] ...
python eval.py lgd --dataset 3dpw|h36m|ehf|amass|cmu --data-dir DIR ...
python eval.py lgd --ablations [--poses FILE.npz ... --test FILE.npz] ...
"""

import sys
from collections.abc import Callable, Sequence

from commands.ablate_ief import ablations
from commands.ablate_lgd import ablations as lgd_ablations
from commands.eval_ief import ief
from commands.eval_lgd import lgd
from commands.eval_lgd_dataset import dataset as lgd_dataset
from ief_jax import command_line

COMMANDS: dict[str, Callable[..., None]] = {
    "lgd": lgd,
    "lgd-dataset": lgd_dataset,
    "lgd-ablations": lgd_ablations,
    "ief": ief,
    "ief-ablations": ablations,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return command_line.run("eval.py", COMMANDS, _variant(words))


def _variant(words: list[str]) -> list[str]:
    """`lgd --dataset` and `lgd --ablations` are commands with options of their own."""
    given = {word.partition("=")[0] for word in words}
    if "--ablations" in given and f"{words[0]}-ablations" in COMMANDS:
        return [f"{words[0]}-ablations", *(word for word in words[1:] if word != "--ablations")]
    if "--dataset" in given and f"{words[0]}-dataset" in COMMANDS:
        return [f"{words[0]}-dataset", *words[1:]]
    return words


if __name__ == "__main__":
    sys.exit(main())
