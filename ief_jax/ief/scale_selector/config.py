"""How a scale selector is run."""

from dataclasses import dataclass

from ief_jax.io.json_config import JsonConfig


@dataclass(frozen=True)
class ScaleSelectorConfig(JsonConfig):
    """What must be known to rebuild a scale selector from its weights.

    Attributes:
      network: a key of `NETWORKS`.
      size: side of the images that it sees, pixels.
    """

    network: str
    size: int


SMALL = ScaleSelectorConfig("small", 48)

PAPER = ScaleSelectorConfig("vgg_s", 224)
