"""What `python -m experiments.ief.on_device` is told."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Trains IEF on MoveNet's trunk for so many minutes, all on one accelerator.

    Attributes:
      people: photographs and labels, of `python -m data.keypoints.packed`.
      movenet: MoveNet Thunder's weights.
      output: folder for the checkpoints and the labels.
      state: file that the run goes on from, and is kept in.
      minutes: wall clock, all included.
      share: of the schedule, from where to where this part goes.
      batch_size: people a step.
      learning_rate: at its highest.
      trunk_rate: of the weights that MoveNet has brought, as a share of the others' rate.
      weight_decay: of matrices.
      steps: corrections a person.
      count: of the people, for a trial.
      threads: that read photographs.
      lsp_share: of LSP's people in a batch.
      seed: of the drawing of people, augmentation and first weights.
    """

    people: Path
    movenet: Path
    output: Path
    state: Path | None = None
    minutes: float = 18.0
    share: tuple[float, float] = (0.0, 1.0)
    batch_size: int = 128
    learning_rate: float = 1e-3
    trunk_rate: float = 0.2
    weight_decay: float = 0.02
    steps: int = 3
    count: int | None = None
    threads: int = 16
    lsp_share: float = 0.22
    seed: int = 0
