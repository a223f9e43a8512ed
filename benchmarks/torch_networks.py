"""The backbones in PyTorch, written from the papers' tables: what ours must agree with.

Layers have the names of torchvision's GoogLeNet and VGG-16, and of the EfficientNet-Lite0 on PyPI.
"""

from typing import Any

import torch
from torch import nn


class Convolved(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int = 1, **more: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, bias=False, **more)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu()


class Inception(nn.Module):
    def __init__(self, i: int, ones: int, r3: int, threes: int, r5: int, fives: int, pool: int):
        super().__init__()
        self.branch1 = Convolved(i, ones)
        self.branch2 = nn.Sequential(Convolved(i, r3), Convolved(r3, threes, 3, padding=1))
        self.branch3 = nn.Sequential(Convolved(i, r5), Convolved(r5, fives, 3, padding=1))
        pooling = nn.MaxPool2d(3, 1, padding=1, ceil_mode=True)
        self.branch4 = nn.Sequential(pooling, Convolved(i, pool))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """Szegedy et al. 2015, table 1, with batch normalisation and 3 x 3 for 5 x 5."""

    def __init__(self, outputs: int = 1000, inputs: int = 3) -> None:
        super().__init__()
        self.conv1 = Convolved(inputs, 64, 7, stride=2, padding=3)
        self.conv2 = Convolved(64, 64)
        self.conv3 = Convolved(64, 192, 3, padding=1)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.fc = nn.Linear(1024, outputs)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.pool4 = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.conv1(x))
        x = self.pool(self.conv3(self.conv2(x)))
        x = self.pool(self.inception3b(self.inception3a(x)))
        x = self.inception4c(self.inception4b(self.inception4a(x)))
        x = self.pool4(self.inception4e(self.inception4d(x)))
        x = self.inception5b(self.inception5a(x))
        return self.fc(x.mean((2, 3)))


class VGG16(nn.Module):
    """Simonyan and Zisserman 2015, table 1, column D; `width` is 4096 there."""

    def __init__(self, outputs: int = 1000, width: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for count, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
            for _ in range(count):
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs = channels
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            *(nn.Linear(512 * 49, width), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(width, width), nn.ReLU(), nn.Dropout()),
            nn.Linear(width, outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class Same(nn.Conv2d):
    """A convolution without bias, padded by TensorFlow's rule: the odd entry at the end."""

    def __init__(self, inputs: int, outputs: int, size: int = 1, **more: Any) -> None:
        super().__init__(inputs, outputs, size, bias=False, **more)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def around(extent: int) -> tuple[int, int]:
            size, stride = self.kernel_size[0], self.stride[0]
            total = max((-(-extent // stride) - 1) * stride + size - extent, 0)
            return total // 2, total - total // 2

        padded = nn.functional.pad(x, (*around(x.shape[3]), *around(x.shape[2])))
        return super().forward(padded)


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands, self.adds = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv, self._bn0 = Same(inputs, wide), nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = Same(wide, wide, size, stride=stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = Same(wide, outputs)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Tan and Le 2019, table 1, as for small devices."""

    def __init__(self, outputs: int = 1000) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = Same(3, 32, 3, stride=2), nn.BatchNorm2d(32, eps=1e-3)
        rows = (
            *((16, 3, 1, 1), (24, 3, 2, 6), (24, 3, 1, 6), (40, 5, 2, 6), (40, 5, 1, 6)),
            *((80, 3, 2, 6), (80, 3, 1, 6), (80, 3, 1, 6)),
            *((112, 5, 1, 6), (112, 5, 1, 6), (112, 5, 1, 6)),
            *((192, 5, 2, 6), (192, 5, 1, 6), (192, 5, 1, 6), (192, 5, 1, 6), (320, 3, 1, 6)),
        )
        inputs = (32, *(row[0] for row in rows[:-1]))
        self._blocks = nn.ModuleList(
            InvertedResidual(i, *row) for i, row in zip(inputs, rows, strict=True)
        )
        self._conv_head, self._bn1 = Same(320, 1280), nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = nn.Linear(1280, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = nn.functional.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean((2, 3)))


def randomise(module: nn.Module) -> nn.Module:
    """Random weights under which activations keep their size; for evaluation."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return module.eval()
