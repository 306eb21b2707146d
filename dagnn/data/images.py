"""Images in memory, with their classes; equal images of several surveys are one object."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, device

from dagnn.data.pixels import brightness, kinds_of
from dagnn.data.requests import Loaded
from dagnn.errors import DataError, MismatchError
from dagnn.records import Dataset, IntArray, TensorBatch, few_names

# Items per step where all images are looked at: float copies stay small.
_CHUNK = 256


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

    def batch(self, index: Tensor) -> TensorBatch:
        """Gather the images at ``index`` (``[B]`` integers)."""
        index = index.to(self.pixels.device)
        return TensorBatch(self._brightness(index), self.y[index], self.domain)

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
        """Describe the pixels."""
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


_SHOWN = 3


def digests(pixels: NDArray[Any]) -> list[bytes]:
    """Return a hash of every image ``[n, ...]``, whatever its depth; blank ones have none."""
    return [
        hashlib.blake2b(brightness(image).tobytes(), digest_size=16).digest()
        if image.min() != image.max()
        else b""
        for image in pixels
    ]


def joined(groups: Sequence[str], contents: Sequence[bytes]) -> list[str]:
    """Return groups such that equal images are in one, named as the first of those it joins.

    Args:
        groups: of each image.
        contents: of each image, from :func:`digests`.

    Example:
        >>> joined(["a", "b", "c", "a", "d"], [b"1", b"2", b"1", b"3", b""])
        ['a', 'b', 'a', 'a', 'd']
    """
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    first: dict[bytes, str] = {}
    for group, content in zip(groups, contents, strict=True):
        one, other = sorted((top(group), top(first.setdefault(content, group))))
        if content and one != other:
            above[other] = one
    return [top(group) for group in groups]


def about_identical(
    ids: Sequence[str], labels: Sequence[str], contents: Sequence[bytes]
) -> list[str]:
    """Return notes on which images are equal, and above all which of them have different classes.

    Args:
        ids: of each image.
        labels: name of the class of each image, empty without label.
        contents: of each image, from :func:`digests`.
    """
    rows: dict[bytes, list[int]] = {}
    for row, content in enumerate(contents):
        if content:
            rows.setdefault(content, []).append(row)
    equal = [found for found in rows.values() if len(found) > 1]
    if not equal:
        return []
    listed = few_names([f"{ids[one[0]]} = {ids[one[1]]}" for one in equal])
    notes = [
        f"{sum(map(len, equal))} images are not unique, pixel by pixel, and stay together in "
        f"{len(equal)} groups: {listed}"
    ]
    at_odds = [found for found in equal if len({labels[row] for row in found} - {""}) > 1]
    if at_odds:
        named = "; ".join(
            ", ".join(f"{ids[row]} is {labels[row]}" for row in found if labels[row])
            for found in at_odds[:_SHOWN]
        )
        more = "; ..." if len(at_odds) > _SHOWN else ""
        notes.append(
            f"LABELS DISAGREE: {len(at_odds)} identical images have two classes: {named}{more}"
        )
    return notes


_SCALED = {"8-bit", "unit"}
_FAR = 10


def together(loaded: Mapping[str, Loaded]) -> dict[str, Loaded]:
    """Return surveys such that an image in two of them is one object in both.

    Args:
        loaded: name of each survey → its images; anything else is returned as it is.

    Raises:
        MismatchError: some lie between 0 and 1 and others are counts, so that the scale would
            tell one survey from the other.
    """
    images = {name: one.dataset for name, one in loaded.items() if isinstance(one.dataset, Images)}
    notes = _scales(images)
    groups = [group for each in images.values() for group in each.objects]
    contents = [content for each in images.values() for content in each.contents]
    names = iter(joined(groups, contents))
    found = dict(loaded)
    for name, each in images.items():
        shared = each.in_groups([next(names) for _ in each.ids])
        found[name] = replace(loaded[name], dataset=shared)
    for (one, left), (other, right) in combinations(images.items(), 2):
        notes.setdefault(other, []).extend(_equal(one, left, right))
    for name, told in notes.items():
        found[name] = replace(found[name], notes=(*found[name].notes, *told))
    return found


def require_trained_scale(dataset: Dataset, seen: Mapping[str, Sequence[float]]) -> None:
    """Refuse images that are counts where training saw fractions of 1, or the reverse.

    Args:
        dataset: new images; anything else is not looked at.
        seen: summary → smallest and largest in training.

    Raises:
        MismatchError: they are, and lie a factor of ten off.
    """
    if not isinstance(dataset, Images):
        return
    low, high = seen["mean brightness"]
    typical = float(dataset.summaries()["mean brightness"].median())
    kinds = kinds_of(dataset.pixels.cpu().numpy())
    counts = "counts" in kinds and not kinds & _SCALED and high <= 1
    scaled = "counts" not in kinds and bool(kinds & _SCALED) and low > 1
    if (counts and typical > _FAR * high) or (scaled and _FAR * typical < low):
        raise MismatchError(
            f"These images have a mean brightness of {typical:.3g}, those that the run was trained "
            f"on {low:.3g} to {high:.3g}: they are on another scale. Give them as training had "
            "them; 8-bit and 16-bit integers are read as 0 to 1, floats as they are."
        )


def _scales(images: Mapping[str, Images]) -> dict[str, list[str]]:
    """Refuse surveys on different scales; return what to note of each."""
    kinds = {name: kinds_of(each.pixels.cpu().numpy()) for name, each in images.items()}
    notes: dict[str, list[str]] = {}
    for one, other in combinations(images, 2):
        for low, high in ((one, other), (other, one)):
            if kinds[low] & _SCALED and "counts" in kinds[high] - kinds[low]:
                raise MismatchError(
                    f"The images of {low} lie between 0 and 1 (8-bit and 16-bit ones are scaled "
                    f"to it), those of {high} are whole numbers above 1: the scale alone would "
                    f"tell the surveys apart. Save {high} as 8-bit or 16-bit integers over their "
                    "full range, or as floats from 0 to 1."
                )
            if "8-bit" in kinds[low] and "flux" in kinds[high]:
                notes.setdefault(high, []).append(
                    f"its brightness is as stored, beyond 0 to 1, and that of {low} is 8-bit, read "
                    "as 0 to 1"
                )
    return notes


def _equal(one: str, left: Images, right: Images) -> list[str]:
    """Note which images of a survey are in another one under another name, or as another class."""
    rows = {content: row for row, content in enumerate(left.contents) if content}
    pairs = [(rows[c], row) for row, c in enumerate(right.contents) if c in rows]
    renamed = [(a, b) for a, b in pairs if left.objects[a] != right.objects[b]]
    classes = (*left.classes, "unknown")
    known = [(a, b) for a, b in pairs if min(int(left.y[a]), int(right.y[b])) >= 0]
    at_odds = [(a, b) for a, b in known if left.y[a] != right.y[b]]
    notes = []
    if renamed:
        listed = few_names([f"{right.ids[b]} = {left.ids[a]}" for a, b in renamed])
        notes.append(
            f"{len(renamed)} images are also in {one} under other names, pixel by pixel, and are "
            f"split as there: {listed}"
        )
    if at_odds:
        listed = "; ".join(
            f"{right.ids[b]} is {classes[int(right.y[b])]}, in {one} {left.ids[a]} is "
            f"{classes[int(left.y[a])]}"
            for a, b in at_odds[:_SHOWN]
        )
        notes.append(
            f"LABELS DISAGREE: {len(at_odds)} images have another class in {one}: {listed}"
        )
    return notes
