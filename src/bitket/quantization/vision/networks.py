"""Residual networks for images, as plain torch modules: the CIFAR form (3 stages, a 3x3 stem) and the ImageNet form (4 stages).

    y = ReLU(F(x) + x),   F = conv-norm-ReLU-conv-norm (basic) or 1x1-3x3-1x1 (bottleneck)

Where the shape changes, x goes through a strided 1x1 convolution with its own norm. Every module is used once and owns one operation,
so each weight and each activation has one place in the network.

Source: He, Zhang, Ren and Sun 2016, Deep Residual Learning for Image Recognition (CVPR), sections 4.1 and 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from bitket.errors import InvalidInput

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "at_the_head", "resnet8", "resnet18", "resnet20", "resnet50"]


def _normed(inside: int, outside: int, kernel: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outside)


class _Block(nn.Module):
    """A residual block: a main path, a skip path, their sum, and a ReLU after it."""

    expansion = 1
    skip: nn.Module

    def path(self, x: Tensor) -> Tensor:
        """The main path F."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, C', H', W']``."""
        return self.relu(self.path(x) + self.skip(x))

    def _skip(self, inside: int, outside: int, stride: int) -> None:
        changes = stride != 1 or inside != outside
        self.skip = nn.Sequential(*_normed(inside, outside, 1, stride)) if changes else nn.Identity()
        self.relu = nn.ReLU()


class BasicBlock(_Block):
    """Two 3x3 convolutions."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _normed(inside, width, 3, stride)
        self.relu1 = nn.ReLU()
        self.conv2, self.norm2 = _normed(width, width, 3)
        self._skip(inside, width, stride)

    def path(self, x: Tensor) -> Tensor:
        """The main path F."""
        return self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))


class Bottleneck(_Block):
    """A 1x1 convolution to ``width`` channels, a 3x3 with the stride, and a 1x1 to four times as many."""

    expansion = 4

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _normed(inside, width, 1)
        self.relu1 = nn.ReLU()
        self.conv2, self.norm2 = _normed(width, width, 3, stride)
        self.relu2 = nn.ReLU()
        self.conv3, self.norm3 = _normed(width, 4 * width, 1)
        self._skip(inside, 4 * width, stride)

    def path(self, x: Tensor) -> Tensor:
        """The main path F."""
        y = self.relu1(self.norm1(self.conv1(x)))
        return self.norm3(self.conv3(self.relu2(self.norm2(self.conv2(y)))))


class ResNet(nn.Module):
    """A residual network: stem, stages of blocks, mean over the image, a linear layer.

    Parameters
    ----------
    block
        `BasicBlock` or `Bottleneck`.
    depths
        Blocks of each stage; from the second on a stage begins by halving the image and doubling the channels.
    width
        Channels of the first stage.
    classes, channels
        Outputs, and channels of the images.
    stem_stride
        Of the 3x3 stem; 2 halves the image at once and makes everything four times cheaper.
    imagenet
        The 7x7 stem with stride 2 and max pooling instead.
    generator
        Draws the initial weights (He et al. 2015, normal, by outputs); without it torch's global generator.

    Raises
    ------
    InvalidInput
        A size is not positive.
    """

    def __init__(
        self,
        block: type[_Block],
        depths: Sequence[int],
        width: int,
        classes: int = 10,
        channels: int = 3,
        *,
        stem_stride: int = 1,
        imagenet: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not depths or min(*depths, width, classes, channels, stem_stride) < 1:
            raise InvalidInput(
                f"residual network: depths {tuple(depths)}, width {width}, {classes} classes, {channels} channels, "
                f"stride {stem_stride}; all must be at least 1"
            )
        stem = (7, 2) if imagenet else (3, stem_stride)
        self.conv, self.norm = _normed(channels, width, *stem)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(3, 2, 1) if imagenet else nn.Identity()
        inside, stages = width, []
        for k, depth in enumerate(depths):
            blocks = []
            for j in range(depth):
                blocks.append(block(inside, width << k, 2 if k and not j else 1))
                inside = (width << k) * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(inside, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            elif isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[B, channels, H, W]`` to logits ``[B, classes]``."""
        y = self.stages(self.pool(self.relu(self.norm(self.conv(x)))))
        return self.head(self.flatten(self.mean(y)))


def resnet8(
    width: int = 16,
    classes: int = 10,
    channels: int = 3,
    *,
    stem_stride: int = 1,
    generator: torch.Generator | None = None,
) -> ResNet:
    """The CIFAR form with one block a stage."""
    return ResNet(BasicBlock, (1, 1, 1), width, classes, channels, stem_stride=stem_stride, generator=generator)


def resnet20(
    width: int = 16,
    classes: int = 10,
    channels: int = 3,
    *,
    stem_stride: int = 1,
    generator: torch.Generator | None = None,
) -> ResNet:
    """The CIFAR form with three blocks a stage: 0.27 M weights at width 16."""
    return ResNet(BasicBlock, (3, 3, 3), width, classes, channels, stem_stride=stem_stride, generator=generator)


def resnet18(classes: int = 1000) -> ResNet:
    """The ImageNet form of 18 layers: 11.69 M weights, 1814 M multiplications for 224 x 224."""
    return ResNet(BasicBlock, (2, 2, 2, 2), 64, classes, imagenet=True)


def resnet50(classes: int = 1000) -> ResNet:
    """The ImageNet form of 50 layers (stride in the 3x3 convolutions): 25.56 M weights, 4089 M multiplications for 224 x 224."""
    return ResNet(Bottleneck, (3, 4, 6, 3), 64, classes, imagenet=True)


def at_the_head(network: ResNet, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Inputs ``[N, d]`` of the last layer and probabilities ``[N, classes]`` after it, in double precision: its Hessian's closed form."""
    inputs: list[Tensor] = []
    handle = network.head.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0]))
    with torch.no_grad():
        p = torch.cat([network(x).softmax(1) for x in batches]).double()
    handle.remove()
    return torch.cat(inputs).double(), p
