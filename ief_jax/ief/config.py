"""How IEF is run: as in the paper, and the ways that the paper compares it with.

Read by the commands and the checkpoints; what computes takes plain values.
"""

from dataclasses import dataclass

from ief_jax.geometry.skeletons import LSP_14
from ief_jax.io.json_config import JsonConfig, require_between, require_names

MAX_CORRECTION = 20 / 224
"""L, as a share of the crop's side."""
CALIBRATION_SIZES = (3, 4)
"""The constant, and a weight for each column of `confidence.disagreement`."""


@dataclass(frozen=True)
class IEFConfig(JsonConfig):
    """What must be known to rebuild a keypoint estimator from its weights.

    Attributes:
      name: of the configuration.
      backbone: a key of `backbones.NAMED`.
      size: of the square crop that the network sees, pixels.
      joints: names of the keypoints that are fed back and corrected.
      sigma: standard deviation of the heatmaps' Gaussians, pixels of the crop.
      max_correction: L, pixels of the crop: what a network output of one stands for, and the
        longest correction where they are bounded.
      bounded: corrections longer than L are cut; in the paper the network is trained on short ones
        and nothing is cut.
      heatmap_gain: factor on the weights of the heatmaps; 1.0 in the paper.
      steps: corrections made at test time.
      heatmap_stage: stage of the backbone that the heatmaps enter before; 0: with the image.
      pool_size: the last feature map is averaged to this many cells a side.
      calibration: constant and weights of the logistic regression from `confidence.disagreement` to
        whether a joint is right; empty where nobody has fitted it.
      calibrated_for: the test-time augmentation that it was fitted with, and holds for alone: a key
        of `augmentation.NAMED`.
    """

    name: str
    backbone: str
    size: int
    joints: tuple[str, ...]
    sigma: float
    max_correction: float
    bounded: bool
    steps: int
    heatmap_stage: int
    pool_size: int
    heatmap_gain: float
    calibration: tuple[float, ...] = ()
    calibrated_for: str = ""

    def check(self) -> None:
        """Sees that the numbers describe a network of a sensible size; see `JsonConfig.check`."""
        require_names("joints", self.joints)
        require_between("size", self.size, 1, 4096)
        require_between("sigma", self.sigma, 1e-3, 4096)
        require_between("max_correction", self.max_correction, 1e-3, 4096)
        require_between("steps", self.steps, 0, 1000)
        require_between("heatmap_stage", self.heatmap_stage, 0, 1000)
        require_between("pool_size", self.pool_size, 1, 1000)
        if len(self.calibration) not in (0, *CALIBRATION_SIZES):
            raise ValueError(
                f"configuration field 'calibration' is {self.calibration}, expected nothing or "
                f"{' or '.join(map(str, CALIBRATION_SIZES))} numbers"
            )


PAPER = IEFConfig(
    name="paper",
    backbone="googlenet",
    size=224,
    joints=LSP_14,
    sigma=10.0,
    max_correction=20.0,
    bounded=False,
    steps=3,
    heatmap_stage=0,
    pool_size=1,
    heatmap_gain=1.0,
)
"""Carreira et al. 2016 on LSP; the Gaussians' width is not in the paper (10 px is between the two
widths that the authors' code names)."""
