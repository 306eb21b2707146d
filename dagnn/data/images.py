"""Images in memory, with their classes."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, device

from dagnn.data.identical import digests, joined
from dagnn.errors import DataError, MismatchError
from dagnn.records import IntArray

# Items per step where all images are looked at: float copies stay small.
_CHUNK = 256


@dataclass(frozen=True)
class ImageBatch:
    """A batch of images.

    Attributes:
        x: brightness ``[B, C, H, W]``, float; 8-bit images lie in [0, 1].
        y: class ``[B]``; ``K`` for a class that the network does not know, −1 without label.
        domain: number of the domain that all items come from; None where it is not known.
    """

    x: Tensor
    y: Tensor
    domain: int | None = None


class Images:
    """Images with their classes; 8-bit images stay 8-bit in memory.

    Args:
        pixels: ``[n, C, H, W]``, uint8 or float.
        ids: one name per image, each once.
        labels: class number ``[n]``: 0 to ``K − 1``, ``K`` for a class that the network
            does not know, −1 where there is no label.
        classes: names of the ``K`` known classes.
        groups: images with equal group show one object; by default each its own. Images that
            are equal pixel by pixel show one, too.

    Attributes:
        groups: of each image, joined where images are equal.
        objects: groups as they were given.
        contents: hash of each image.

    Attributes:
        domain: number of the domain, which every batch carries; None until it is set.

    Raises:
        DataError: there is no image, or a label is out of range.
        MismatchError: pixels, ids, labels and groups differ in number, or an id is repeated.

    Example:
        >>> Images(np.zeros((2, 3, 8, 8), np.uint8), ["a", "b"], [0, -1], ["spiral", "merger"])
        Images(2 of 3×8×8; 1 spiral, 0 merger, 1 without label)
    """

    def __init__(
        self,
        pixels: ArrayLike,
        ids: Sequence[str],
        labels: ArrayLike,
        classes: Sequence[str],
        groups: Sequence[str] | None = None,
    ) -> None:
        pixels = np.ascontiguousarray(pixels)
        self.pixels = torch.from_numpy(
            pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32, copy=False)
        )
        self.y = torch.from_numpy(np.array(labels, dtype=np.int64))
        self.ids = tuple(ids)
        self.objects = tuple(groups) if groups is not None else self.ids
        self.classes = tuple(classes)
        self.domain: int | None = None
        self._check()
        self.contents = tuple(digests(self.pixels.numpy()))
        self.groups = tuple(joined(self.objects, self.contents))

    def _check(self) -> None:
        if self.pixels.ndim != 4 or len(self.pixels) == 0:
            raise DataError(
                f"Images must have shape [n, channels, height, width] with n > 0; got "
                f"{list(self.pixels.shape)}."
            )
        counts = (len(self.pixels), len(self.ids), len(self.y), len(self.objects))
        if len(set(counts)) > 1:
            raise MismatchError(
                "There are {} images, {} ids, {} labels and {} groups; the numbers must be "
                "equal.".format(*counts)
            )
        if len(set(self.ids)) < len(self.ids):
            raise MismatchError(
                f"{len(self.ids)} images have {len(set(self.ids))} different ids. Every image "
                "needs an id of its own; images of one object share a group instead."
            )
        wrong = (self.y < -1) | (self.y > len(self.classes))
        if wrong.any():
            raise DataError(
                f"Label {int(self.y[wrong][0])} of {self.ids[int(wrong.nonzero()[0])]} is out of "
                f"range: the classes are 0 to {len(self.classes) - 1} ({', '.join(self.classes)})."
            )

    @property
    def sizes(self) -> dict[str, int]:
        """Channels, height and width, which an encoder needs; classes, which a head needs."""
        _, channels, height, width = self.pixels.shape
        classes = len(self.classes)
        return {"channels": channels, "height": height, "width": width, "classes": classes}

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pixels)

    def to(self, where: device | str) -> "Images":
        """Return the dataset with its tensors on a device."""
        moved = copy.copy(self)
        moved.pixels, moved.y = self.pixels.to(where), self.y.to(where)
        return moved

    def in_groups(self, groups: Sequence[str]) -> "Images":
        """Return the same images in other groups."""
        placed = copy.copy(self)
        placed.groups = tuple(groups)
        return placed

    def in_domain(self, domain: int | None) -> "Images":
        """Return the same images as those of a domain, whose number every batch carries."""
        placed = copy.copy(self)
        placed.domain = domain
        return placed

    def batch(self, index: Tensor) -> ImageBatch:
        """Gather the images at ``index`` (``[B]`` integers)."""
        index = index.to(self.pixels.device)
        return ImageBatch(self._brightness(index), self.y[index], self.domain)

    def _brightness(self, index: Tensor) -> Tensor:
        chosen = self.pixels.index_select(0, index)
        return chosen.float() / 255 if chosen.dtype == torch.uint8 else chosen

    @property
    def fingerprint(self) -> str:
        """Hash of pixels and labels."""
        digest = hashlib.blake2b(self.pixels.cpu().numpy().data, digest_size=12)
        digest.update(self.y.cpu().numpy().data)
        return digest.hexdigest()

    def class_counts(self) -> IntArray:
        """Return how many images each known class has ``[K]``."""
        known = self.y[(self.y >= 0) & (self.y < len(self.classes))]
        counts: IntArray = torch.bincount(known, minlength=len(self.classes)).cpu().numpy()
        return counts

    def summaries(self) -> dict[str, Tensor]:
        """Return per image: mean brightness, contrast, central share and graininess."""
        rows = torch.arange(len(self), device=self.pixels.device)
        found = [_summaries(self._brightness(chunk)) for chunk in torch.split(rows, _CHUNK)]
        return {name: torch.cat([each[name] for each in found]) for name in found[0]}

    def describe(self) -> dict[str, str]:
        """Say what the pixels are."""
        _, channels, height, width = self.pixels.shape
        unit = (
            "8-bit, read as 0 to 1"
            if self.pixels.dtype == torch.uint8
            else "as stored in the file, of 16-bit integers read as 0 to 1"
        )
        return {"images": f"{channels} channels of {height}×{width} pixels; brightness {unit}"}

    def __repr__(self) -> str:
        _, channels, height, width = self.pixels.shape
        counts = [f"{n} {name}" for n, name in zip(self.class_counts(), self.classes, strict=True)]
        for number, words in ((len(self.classes), "of unknown class"), (-1, "without label")):
            if count := int((self.y == number).sum()):
                counts.append(f"{count} {words}")
        return f"Images({len(self)} of {channels}×{height}×{width}; {', '.join(counts)})"


def _summaries(x: Tensor) -> dict[str, Tensor]:
    """Describe images ``[B, C, H, W]`` by a few numbers ``[B]`` each.

    ``graininess`` is the scatter between neighbouring pixels in units of the contrast: near
    √2 for pure noise, small for smooth light.
    """
    grey = x.mean(1)
    height, width = grey.shape[1:]
    contrast = grey.flatten(1).std(1, correction=0)
    centre = grey[:, height // 4 : height - height // 4, width // 4 : width - width // 4]
    step = grey.diff(dim=2).square().flatten(1).mean(1).sqrt() if width > 1 else 0 * contrast
    return {
        "mean brightness": grey.flatten(1).mean(1),
        "contrast": contrast,
        "central brightness": centre.flatten(1).mean(1),
        "graininess": step / contrast.clamp(min=1e-12),
    }
