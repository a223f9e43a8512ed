"""How LGD is run: as in the paper, the best we know, and direct lifting.

Read by the commands and the checkpoints; what computes takes plain values.
"""

from dataclasses import dataclass

from ief_jax.io.json_config import JsonConfig, require_between, require_names


@dataclass(frozen=True)
class LGDConfig(JsonConfig):
    """What must be known to rebuild a fitter from its weights.

    Attributes:
      name: of the configuration.
      parameterisation: `axis_angle` or `six_d` (`lgd.parameters`).
      inputs: what the network sees, of `gradient`, `theta`, `keypoints`.
      width, blocks: of the network (`lgd.network`).
      steps: N, learned steps.
      second_order_steps: Gauss-Newton steps at the end; 0 for none. With them the network also
        puts out how sure it is (`lgd.gauss_newton`).
      symmetric: fit with the mean of the network's proposals for a person and its mirror image.
    """

    name: str
    parameterisation: str
    inputs: tuple[str, ...]
    width: int
    blocks: int
    steps: int
    second_order_steps: int
    symmetric: bool

    def check(self) -> None:
        """Sees that the numbers describe a network of a sensible size; see `JsonConfig.check`."""
        require_names("inputs", self.inputs)
        require_between("width", self.width, 1, 2**15)
        require_between("blocks", self.blocks, 0, 1000)
        require_between("steps", self.steps, 0, 1000)
        require_between("second_order_steps", self.second_order_steps, 0, 1000)


PAPER = LGDConfig(
    name="paper",
    parameterisation="axis_angle",
    inputs=("gradient", "theta", "keypoints"),
    width=1000,
    blocks=2,
    steps=4,
    second_order_steps=0,
    symmetric=False,
)
"""Song et al. 2020 as far as the paper says: 4.3 M parameters, trained on |Theta - Theta_gt|_1."""

RELEASED = LGDConfig(
    name="released",
    parameterisation="six_d",
    inputs=("gradient", "theta", "keypoints"),
    width=768,
    blocks=2,
    steps=4,
    second_order_steps=3,
    symmetric=True,
)
"""The best we know: 6D rotations, a camera in closed form, losses on joints and reprojection
beside the parameters, and at the end second-order steps under the network's own uncertainty."""

LIFTING = LGDConfig(
    name="lifting",
    parameterisation="axis_angle",
    inputs=("keypoints",),
    width=1000,
    blocks=2,
    steps=1,
    second_order_steps=0,
    symmetric=False,
)
"""Direct lifting with the paper's network (section 4.3): one step, from the keypoints alone."""

NAMED = {configuration.name: configuration for configuration in (PAPER, RELEASED, LIFTING)}
