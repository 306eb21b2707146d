"""Encoders of images: augmentation, what all share, and the small convolutional ones."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dagnn.models.normalize import ChannelNorm, ChannelStandardize
from dagnn.nn import common_row, domain_of


class Augment(nn.Module):
    """Flip and turn every image at random in training; the identity in evaluation.

    Each image draws its own element of the symmetry group of the square (four quarter
    turns, with and without a flip), or of the rectangle (half turn and flips). Like
    dropout it draws from torch's generator, so a resumed run sees the same turns.

    Args:
        height: pixels ``H``.
        width: pixels ``W``.

    Example:
        >>> turned = Augment(2, 2)(torch.arange(4.0).reshape(1, 1, 2, 2))
        >>> sorted(turned.flatten().tolist())
        [0.0, 1.0, 2.0, 3.0]
    """

    maps: Tensor
    # The same in every member of an ensemble, which need not copy it.
    input_statistics = ("maps",)

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("maps", symmetries(height, width), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return images ``[B, C, H, W]``, in training each in an orientation of its own."""
        if not self.training:
            return images
        drawn = torch.randint(len(self.maps), (len(images),), device=images.device)
        source = self.maps[drawn][:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, source).view_as(images)

    def extra_repr(self) -> str:
        """Return the number of orientations as text."""
        return f"orientations={len(self.maps)}"


def symmetries(height: int, width: int) -> Tensor:
    """Return where each pixel comes from under every symmetry, ``[8 or 4, H · W]``."""
    pixels = torch.arange(height * width).reshape(height, width)
    turns = range(4) if height == width else (0, 2)
    turned = [pixels.rot90(quarter) for quarter in turns]
    return torch.stack([view.flatten() for turn in turned for view in (turn, turn.flip(1))])


class ImageEncoder(nn.Module, ABC):
    """What encoders of images share: the way from pixels to standardised, turned images.

    A subclass sets ``width`` and gives ``maps`` and ``gather``; between the two lie the
    feature maps that Grad-CAM looks at.

    Args:
        sizes: ``channels``, ``height`` and ``width`` of the images.
        standardize: whether channels are standardised by the training data.
        augment: whether images are flipped and turned in training.
        domains: number of domains that keep statistics of their own.
    """

    width: int

    def __init__(
        self, sizes: Mapping[str, int], standardize: bool, augment: bool, domains: int
    ) -> None:
        super().__init__()
        self.standardize = standardize
        self.input = ChannelStandardize(sizes["channels"], domains)
        self.augment = Augment(sizes["height"], sizes["width"]) if augment else nn.Identity()

    def fit_inputs(self, *batches: Any) -> None:
        """Fit channel statistics on training images; a no-op without ``standardize``."""
        if self.standardize:
            row = common_row(batches, len(self.input.mean))
            self.input.fit(torch.cat([batch.x for batch in batches]), row)

    def forward(self, batch: Any) -> Tensor:
        """Return latents ``[B, W]`` of a batch with ``x [B, C, H, W]`` and ``domain``.

        Raises:
            UsageError: statistics are per domain, and the batch does not carry one domain.
        """
        return self.gather(self.maps(batch), domain_of(batch))

    def maps(self, batch: Any) -> Tensor:
        """Return the last feature maps ``[B, C', h, w]`` of a batch."""
        domain = domain_of(batch)
        images: Tensor = self.augment(self.input(batch.x, domain))
        # Convolutions and poolings are several times faster with the channels side by side.
        return self.features(images.contiguous(memory_format=torch.channels_last), domain)

    @abstractmethod
    def features(self, images: Tensor, domain: int | None) -> Tensor:
        """Return feature maps ``[B, C', h, w]`` of standardised images."""

    @abstractmethod
    def gather(self, maps: Tensor, domain: int | None = None) -> Tensor:
        """Return latents ``[B, W]`` from feature maps ``[B, C', h, w]``."""


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU, and a maximum over 2 × 2 pixels."""

    def __init__(self, channels: int, following: int, kernel: int, domains: int) -> None:
        super().__init__()
        # The normalisation that follows subtracts any bias.
        self.conv = nn.Conv2d(channels, following, kernel, padding=kernel // 2, bias=False)
        self.norm = ChannelNorm(following, domains)

    def forward(self, maps: Tensor, domain: int | None) -> Tensor:
        """Halve height and width."""
        # The maximum goes first: it commutes with ReLU and leaves a quarter of the work.
        return functional.max_pool2d(self.norm(self.conv(maps), domain), 2).relu_()


class DeepMergeEncoder(ImageEncoder):
    """The convolutional encoder of DeepMerge; the flattened maps are the latent.

    Images of 3 × 75 × 75 pixels give 32 maps of 9 × 9, a latent of 2592 numbers.

    Args:
        sizes: ``channels``, ``height`` and ``width`` of the images, at least 8 pixels.
        channels: of the maps of each block.
        standardize: whether channels are standardised by the training data.
        augment: whether images are flipped and turned in training.
        domains: number of domains that keep statistics of their own.

    References:
        Ćiprijanović et al. 2020 (arXiv:2004.11981), table 1; 2021 (arXiv:2103.01373).
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        channels: Sequence[int] = (8, 16, 32),
        standardize: bool = True,
        augment: bool = True,
        domains: int = 1,
    ) -> None:
        super().__init__(sizes, standardize, augment, domains)
        side = 2 ** len(channels)
        if min(sizes["height"], sizes["width"]) < side:
            raise ValueError(
                f"{len(channels)} blocks halve images {len(channels)} times; images of "
                f"{sizes['height']}×{sizes['width']} pixels are smaller than {side}"
            )
        self.blocks = nn.ModuleList(
            ConvBlock(before, after, 3 if number else 5, domains)
            for number, (before, after) in enumerate(pairwise([sizes["channels"], *channels]))
        )
        self.width = channels[-1] * (sizes["height"] // side) * (sizes["width"] // side)

    def features(self, images: Tensor, domain: int | None) -> Tensor:
        """Return the maps of the last block."""
        for block in self.blocks:
            images = block(images, domain)
        return images

    def gather(self, maps: Tensor, domain: int | None = None) -> Tensor:
        """Flatten the maps."""
        return maps.flatten(1)


class SiddaEncoder(DeepMergeEncoder):
    """The convolutional encoder of DeepAdversaries and SIDDA: a normalised latent of 256.

    Args:
        sizes: ``channels``, ``height`` and ``width`` of the images.
        channels: of the maps of each block.
        width: latent width ``W``.
        standardize: whether channels are standardised by the training data.
        augment: whether images are flipped and turned in training.
        domains: number of domains that keep statistics of their own.

    References:
        Ćiprijanović et al. 2022 (arXiv:2112.14299); Pandya et al. 2025 (arXiv:2501.14048).
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        channels: Sequence[int] = (8, 16, 32),
        width: int = 256,
        standardize: bool = True,
        augment: bool = True,
        domains: int = 1,
    ) -> None:
        super().__init__(sizes, channels, standardize, augment, domains)
        self.projection = nn.Linear(self.width, width)
        self.norm = nn.LayerNorm(width)
        self.width = width

    def gather(self, maps: Tensor, domain: int | None = None) -> Tensor:
        """Project the flattened maps and normalise each latent by itself."""
        latent: Tensor = self.norm(self.projection(maps.flatten(1)))
        return latent


class SurveyEncoder(DeepMergeEncoder):
    """A small convolutional encoder that keeps no position: the default for real surveys.

    Objects are centred but differ in size and orientation, and labelled images are few:
    averaging the last maps leaves little to overfit.

    Args:
        sizes: ``channels``, ``height`` and ``width`` of the images.
        channels: of the maps of each block.
        width: latent width ``W``.
        dropout: probability of dropping an averaged map.
        standardize: whether channels are standardised by the training data.
        augment: whether images are flipped and turned in training.
        domains: number of domains that keep statistics of their own.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        channels: Sequence[int] = (16, 32, 64, 128),
        width: int = 64,
        dropout: float = 0.1,
        standardize: bool = True,
        augment: bool = True,
        domains: int = 1,
    ) -> None:
        super().__init__(sizes, channels, standardize, augment, domains)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(channels[-1], width)
        self.width = width

    def gather(self, maps: Tensor, domain: int | None = None) -> Tensor:
        """Average the maps and project."""
        latent: Tensor = self.projection(self.dropout(maps.mean((2, 3))))
        return latent
