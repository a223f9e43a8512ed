"""How IEF is run: as in the paper, and the ways that the paper compares it with.

Read by the commands and the checkpoints; what computes takes plain values.
"""

from dataclasses import dataclass

from ief_jax.described import Described
from ief_jax.skeletons import LSP_14


@dataclass(frozen=True)
class Configuration(Described):
    """What must be known to rebuild a keypoint estimator from its weights.

    Attributes:
      name: of the configuration.
      backbone: a key of `backbones.NAMED`.
      size: of the square crop that the network sees, pixels.
      joints: names of the keypoints that are fed back and corrected.
      sigma: standard deviation of the heatmaps' Gaussians, pixels of the crop.
      unit: L, pixels of the crop: what a network output of one stands for, and the longest
        correction where they are bounded.
      bounded: corrections longer than L are cut; in the paper the network is taught short ones and
        nothing is cut.
      steps: corrections made at test time.
      enters: the stage of the backbone that the heatmaps enter before; 0 for the image itself.
      cells: the last feature map is averaged over this many cells a side.
    """

    name: str
    backbone: str
    size: int
    joints: tuple[str, ...]
    sigma: float
    unit: float
    bounded: bool
    steps: int
    enters: int
    cells: int


PAPER = Configuration(
    name="paper",
    backbone="googlenet",
    size=224,
    joints=LSP_14,
    sigma=10.0,
    unit=20.0,
    bounded=False,
    steps=3,
    enters=0,
    cells=1,
)
"""Carreira et al. 2016 on LSP; the Gaussians' width is not in the paper (10 px is between the two
widths that the authors' code names)."""
