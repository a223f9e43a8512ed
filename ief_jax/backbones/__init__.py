"""Networks that look at an image and at heatmaps, and put out numbers."""

from ief_jax.backbones.backbone import Backbone, Entry
from ief_jax.backbones.efficientnet_lite import EfficientNetLite0

__all__ = ["Backbone", "EfficientNetLite0", "Entry"]
