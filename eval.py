"""Evaluates what train.py trains, or what is released.

    python eval.py lgd [--checkpoint released|paper|DIR] [--poses FILE.npz] [--body FILE] ...
    python eval.py lgd --dataset 3dpw|h36m|ehf|amass|cmu --data-dir DIR ...
    python eval.py lgd --ablations [--poses FILE.npz ... --test FILE.npz] ...
    python eval.py ief [--checkpoint released|DIR] [--dataset lsp --data-dir DIR] ...
    python eval.py ief --ablations [--train lsp lspet --test lsp --data-dir DIR] ...
    python eval.py scale [--checkpoint released|DIR] [--dataset lsp --data-dir DIR] ...
"""

import sys
from collections.abc import Callable, Sequence

from commands.ablate_ief import ablations as ief_ablations
from commands.ablate_lgd import ablations as lgd_ablations
from commands.eval_ief import ief
from commands.eval_lgd import lgd
from commands.eval_lgd_dataset import dataset as lgd_dataset
from commands.eval_scale import scale
from ief_jax import command_line

COMMANDS: dict[str, Callable[..., None]] = {
    "lgd": lgd,
    "lgd-dataset": lgd_dataset,
    "lgd-ablations": lgd_ablations,
    "ief": ief,
    "ief-ablations": ief_ablations,
    "scale": scale,
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
