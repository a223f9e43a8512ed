"""How a scale selector is run."""

from dataclasses import dataclass

from ief_jax.io.json_config import JsonConfig, require_between


@dataclass(frozen=True)
class ScaleSelectorConfig(JsonConfig):
    """What must be known to rebuild a scale selector from its weights.

    Attributes:
      network: a key of `NETWORKS`.
      size: side of the images that it sees, pixels.
    """

    network: str
    size: int

    def check(self) -> None:
        """Sees that the size of the images is sensible; see `JsonConfig.check`."""
        require_between("size", self.size, 1, 4096)


SMALL = ScaleSelectorConfig("small", 48)

PAPER = ScaleSelectorConfig("vgg_s", 224)
