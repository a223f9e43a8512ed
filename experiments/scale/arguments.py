"""What the commands of the scale selector are asked with; imports no JAX: help comes at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.options import AdamOptions, KeypointSet, Side
from ief_jax.training.run_options import RunOptions


@dataclass(frozen=True)
class Train:
    """Train the scale selector.

    Attributes:
      dataset: several are trained on together.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released; the synthetic set
        is made there if it is not.
      network: small, or vgg_s (the paper's).
      people: of all data sets together at most, chosen at random; their images are held in memory.
      initial: released, or a folder, to start the weights from.
      seed: of weights and examples.
      threads: that prepare examples.
      evaluate: people of each data set in the evaluation at the end; 0 for none.
    """

    dataset: tuple[KeypointSet, ...] = ("synthetic",)
    data_dir: Path = Path("downloads")
    network: Literal["small", "vgg_s"] = "small"
    people: int = 20000
    initial: str | None = None
    seed: int = 0
    threads: int = 2
    evaluate: int = 300
    run: RunOptions = RunOptions(Path("runs/scale"))
    adam: AdamOptions = AdamOptions(6000, 64, 1e-3)


@dataclass(frozen=True)
class Evaluate:
    """Evaluate the scale selector.

    Attributes:
      checkpoint: released, or a folder that train.py scale wrote.
      dataset: each is measured by itself.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released.
      split: which people.
      count: people of each data set at most.
      seed: which, where there are more.
      length: side of the image that the nine boxes are measured by; the smaller in the paper.
      json: file for the figures.
    """

    checkpoint: str = "released"
    dataset: tuple[KeypointSet, ...] = ("synthetic",)
    data_dir: Path = Path("downloads")
    split: Literal["train", "validation", "test"] = "validation"
    count: int = 500
    seed: int = 0
    length: Side = "smaller"
    json: Path | None = None
