"""Networks that look at an image and at heatmaps, and put out numbers."""

from ief_jax.ief.backbones.backbone import Backbone, HeatmapStage
from ief_jax.ief.backbones.efficientnet_lite import EfficientNetLite0
from ief_jax.ief.backbones.googlenet import GoogLeNet
from ief_jax.ief.backbones.movenet import MoveNetLightning, MoveNetThunder
from ief_jax.ief.backbones.movenet_answer import MoveNetThunderAnswer
from ief_jax.ief.backbones.pyramid import EfficientNetLite0Pyramid
from ief_jax.ief.backbones.small import Small
from ief_jax.ief.backbones.vgg import VGG16

NAMED: dict[str, type[Backbone]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "efficientnet_lite0_pyramid": EfficientNetLite0Pyramid,
    "googlenet": GoogLeNet,
    "movenet_lightning": MoveNetLightning,
    "movenet_thunder": MoveNetThunder,
    "movenet_thunder_answer": MoveNetThunderAnswer,
    "small": Small,
    "vgg16": VGG16,
}

__all__ = [
    "NAMED",
    "Backbone",
    "EfficientNetLite0",
    "EfficientNetLite0Pyramid",
    "HeatmapStage",
    "GoogLeNet",
    "MoveNetLightning",
    "MoveNetThunder",
    "MoveNetThunderAnswer",
    "Small",
    "VGG16",
]
