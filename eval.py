"""Evaluates what train.py trains, or what is released.

    python eval.py lgd [--checkpoint released|paper|DIR] [--poses FILE.npz] [--body FILE] ...
    python eval.py lgd --dataset 3dpw|h36m|ehf|amass|cmu --data-dir DIR ...
    python eval.py lgd --ablations [--poses FILE.npz ... --test FILE.npz] ...
    python eval.py ief [--checkpoint released|DIR] [--dataset lsp --data-dir DIR] ...
    python eval.py ief --ablations [--train lsp lspet --test lsp --data-dir DIR] ...
    python eval.py scale [--checkpoint released|DIR] [--dataset lsp --data-dir DIR] ...

`python eval.py COMMAND --help` lists everything; with --dataset and --ablations there are other
options.
"""

import sys
from collections.abc import Sequence

import experiments

COMMANDS = {
    "lgd": "experiments.lgd.evaluate:lgd",
    "lgd --dataset": "experiments.lgd.evaluate_dataset:dataset",
    "lgd --ablations": "experiments.lgd.ablate:ablations",
    "ief": "experiments.ief.evaluate:ief",
    "ief --ablations": "experiments.ief.ablate:ablations",
    "scale": "experiments.scale.evaluate:scale",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return experiments.run("eval.py", __doc__ or "", COMMANDS, _variant(words))


def _variant(words: list[str]) -> list[str]:
    """`lgd --dataset` and `lgd --ablations` are commands with options of their own."""
    given = {word.partition("=")[0] for word in words}
    for option, is_switch in (("--ablations", True), ("--dataset", False)):
        command = f"{words[0]} {option}" if words else ""
        if option in given and command in COMMANDS:
            rest = words[1:]
            if is_switch:
                rest.remove(option)
            return [command, *rest]
    return words


if __name__ == "__main__":
    sys.exit(main())
