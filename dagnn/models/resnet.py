"""Residual networks in plain torch, with the names that published weights have."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from dagnn.errors import CheckpointError
from dagnn.models.image import ImageEncoder
from dagnn.models.normalize import ChannelNorm
from dagnn.nn import read_weights


def _conv(channels: int, following: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, following, kernel, stride, kernel // 2, bias=False)


class _Residual(nn.Module, ABC):
    """What both blocks share: the sum with the input, projected where shapes differ."""

    expansion: ClassVar[int]

    def __init__(self, channels: int, planes: int, stride: int, domains: int) -> None:
        super().__init__()
        following = planes * self.expansion
        self.downsample: nn.ModuleList | None = None
        if stride != 1 or channels != following:
            projection = _conv(channels, following, 1, stride)
            self.downsample = nn.ModuleList([projection, ChannelNorm(following, domains)])

    def forward(self, maps: Tensor, domain: int | None) -> Tensor:
        """Return ``relu(residual(maps) + maps)``."""
        identity = maps
        if self.downsample is not None:
            identity = self.downsample[1](self.downsample[0](maps), domain)
        return functional.relu(self.residual(maps, domain) + identity)

    @abstractmethod
    def residual(self, maps: Tensor, domain: int | None) -> Tensor:
        """Return what is added to the input."""


class BasicBlock(_Residual):
    """Two 3 × 3 convolutions."""

    expansion = 1

    def __init__(self, channels: int, planes: int, stride: int, domains: int) -> None:
        super().__init__(channels, planes, stride, domains)
        self.conv1 = _conv(channels, planes, 3, stride)
        self.bn1 = ChannelNorm(planes, domains)
        self.conv2 = _conv(planes, planes, 3)
        self.bn2 = ChannelNorm(planes, domains)

    def residual(self, maps: Tensor, domain: int | None) -> Tensor:
        """Return what is added to the input."""
        maps = functional.relu(self.bn1(self.conv1(maps), domain))
        added: Tensor = self.bn2(self.conv2(maps), domain)
        return added


class Bottleneck(_Residual):
    """A 3 × 3 convolution between two of 1 × 1, the stride in the middle."""

    expansion = 4

    def __init__(self, channels: int, planes: int, stride: int, domains: int) -> None:
        super().__init__(channels, planes, stride, domains)
        self.conv1 = _conv(channels, planes, 1)
        self.bn1 = ChannelNorm(planes, domains)
        self.conv2 = _conv(planes, planes, 3, stride)
        self.bn2 = ChannelNorm(planes, domains)
        self.conv3 = _conv(planes, planes * self.expansion, 1)
        self.bn3 = ChannelNorm(planes * self.expansion, domains)

    def residual(self, maps: Tensor, domain: int | None) -> Tensor:
        """Return what is added to the input."""
        maps = functional.relu(self.bn1(self.conv1(maps), domain))
        maps = functional.relu(self.bn2(self.conv2(maps), domain))
        added: Tensor = self.bn3(self.conv3(maps), domain)
        return added


_DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """The convolutional part of a residual network.

    Its state has the names of torchvision's, without the classifier ``fc``.

    Args:
        depth: 18 or 50.
        channels: of the images.
        domains: number of domains that keep statistics of their own.

    Attributes:
        width: number of maps at the end, 512 or 2048.

    References:
        He et al. 2016 (arXiv:1512.03385), table 1.
    """

    def __init__(self, depth: int, channels: int = 3, domains: int = 1) -> None:
        super().__init__()
        block, repeats = _DEPTHS[depth]
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = ChannelNorm(64, domains)
        width = 64
        for stage, count in enumerate(repeats):
            planes = 64 * 2**stage
            layer = nn.ModuleList()
            for number in range(count):
                stride = 2 if stage and not number else 1
                layer.append(block(width, planes, stride, domains))
                width = planes * block.expansion
            self.add_module(f"layer{stage + 1}", layer)
        self.width = width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor, domain: int | None = None) -> Tensor:
        """Return the last maps ``[B, width, H/32, W/32]``."""
        maps = functional.relu(self.bn1(self.conv1(images), domain))
        maps = functional.max_pool2d(maps, 3, 2, 1)
        for stage in range(1, 5):
            layer = self.get_submodule(f"layer{stage}")
            assert isinstance(layer, nn.ModuleList)
            for block in layer:
                maps = block(maps, domain)
        return maps


def load_published_resnet(network: ResNet, path: Path) -> None:
    """Load weights that were trained elsewhere, for example on ImageNet.

    The classifier ``fc`` is left aside. Statistics start the same for every domain. Images
    with another number of channels get the mean of the first convolution's.

    Args:
        network: to fill.
        path: file of a state dictionary with torchvision's names.

    Raises:
        CheckpointError: the file is absent, or holds another network or values that are not
            finite.
    """
    own, weights = network.state_dict(), read_weights(path, without="fc.")
    if set(weights) != set(own):
        odd = sorted(set(weights) ^ set(own))
        raise CheckpointError(
            f"{path} is not such a network: {len(odd)} names differ ({', '.join(odd[:3])}, ...)."
        )
    first = weights["conv1.weight"]
    if first.shape[1] != own["conv1.weight"].shape[1]:
        weights["conv1.weight"] = first.sum(1, keepdim=True) / own["conv1.weight"].shape[1]
    try:
        network.load_state_dict({name: weights[name].expand_as(own[name]) for name in own})
    except RuntimeError as error:
        raise CheckpointError(f"{path} has weights of other shapes: {error}") from error


class ResNetEncoder(ImageEncoder):
    """A residual network, averaged over pixels and projected.

    Args:
        sizes: ``channels``, ``height`` and ``width`` of the images.
        width: latent width ``W``; None takes the averaged maps.
        weights: file of published weights, see :func:`load_published_resnet`.
        standardize: whether channels are standardised by the training data.
        augment: whether images are flipped and turned in training.
        domains: number of domains that keep statistics of their own.
    """

    depth: ClassVar[int]

    def __init__(
        self,
        sizes: Mapping[str, int],
        width: int | None = 256,
        weights: Path | None = None,
        standardize: bool = True,
        augment: bool = True,
        domains: int = 1,
    ) -> None:
        super().__init__(sizes, standardize, augment, domains)
        self.backbone = ResNet(self.depth, sizes["channels"], domains)
        if weights is not None:
            load_published_resnet(self.backbone, weights)
        self.width = width or self.backbone.width
        self.projection = nn.Linear(self.backbone.width, width) if width else nn.Identity()

    def features(self, images: Tensor, domain: int | None) -> Tensor:
        """Return the maps of the last stage."""
        maps: Tensor = self.backbone(images, domain)
        return maps

    def gather(self, maps: Tensor, domain: int | None = None) -> Tensor:
        """Average the maps and project."""
        latent: Tensor = self.projection(maps.mean((2, 3)))
        return latent


class ResNet18Encoder(ResNetEncoder):
    """ResNet-18: 11.2 million weights before the projection."""

    depth = 18


class ResNet50Encoder(ResNetEncoder):
    """ResNet-50: 23.5 million weights before the projection."""

    depth = 50
