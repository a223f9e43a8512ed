"""Groups of options that several commands have in common; imports no JAX."""

from dataclasses import dataclass
from typing import Literal

KeypointSet = Literal["lsp", "lspet", "mpii", "coco", "synthetic", "figures"]
"""The data sets of people with 2D keypoints, `data.keypoints.sets.SETS`."""
Side = Literal["smaller", "larger"]
"""Side of an image that the paper's boxes are measured by."""


Precision = Literal["float32", "bf16"]
"""What networks are computed in when they are trained."""


@dataclass(frozen=True)
class OptimiserOptions:
    """How weights are trained.

    Attributes:
      optimizer: adam, or sgd, as in the IEF paper; the LGD paper names none.
      learning_rate: at its peak; in neither paper, nor are momentum and schedule.
      momentum: of sgd.
      schedule: of the learning rate: cosine, after a warm-up, to nothing; constant.
      clip: the longest gradient of the weights that is followed; 0 for any, as in the papers.
      ema: decay of the weights' exponential moving average, which takes their place in
        model.npz (0.999 is usual); 0 for none, as in the papers.
    """

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float = 1.0
    ema: float = 0.0


@dataclass(frozen=True)
class AdamOptions:
    """How weights are trained.

    Attributes:
      iterations: training steps.
      batch_size: examples a step, over all devices.
      learning_rate: of Adam, at its peak.
    """

    iterations: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class NoiseOptions:
    """What is wrong with the test keypoints.

    Attributes:
      noise: their standard deviation, as a share of the person's box.
      drop: share of them that is hidden.
    """

    noise: float = 0.0
    drop: float = 0.0
