"""Arrays of any layout and depth as images on one scale, labels of any kind as names."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dagnn.errors import DataError, MismatchError

Array = NDArray[Any]

_FULL_RANGE = {("b", 1): 1.0, ("u", 1): 255.0, ("u", 2): 65535.0}
_DEEP = 4095
_INTEGERS = {"8-bit", "16-bit", "12-bit"}
_WORDS = {
    "8-bit": "8-bit images",
    "16-bit": "16-bit images",
    "12-bit": "16-bit images that use at most 4095 of 65535, as 12-bit ones do",
    "unit": "fractions between 0 and 1",
    "counts": "whole numbers above 1, of a type without a full range",
    "flux": "other floats",
    "counts to 255": "whole numbers up to 255",
    "counts beyond 4095": "whole numbers beyond 4095",
}
# What lies on different scales, of which nothing says how one turns into the other.
_CLASHES = (
    ("unit", "counts"),
    ("counts to 255", "counts beyond 4095"),
    *((depth, other) for depth in sorted(_INTEGERS) for other in ("counts", "flux")),
)
_TOLERANCE = 1e-3


def scaled(pixels: Array) -> Array:
    """Return brightness as uint8, or float32 where 0 to 1 is the full range of 16-bit integers.

    Floats, and integers that are signed or wider than 16 bits, keep their values.
    """
    if pixels.dtype == np.uint8:
        return pixels
    full = _FULL_RANGE.get((pixels.dtype.kind, pixels.dtype.itemsize))
    values = pixels.astype(np.float32)
    return values / np.float32(full) if full else values


def brightness(pixels: Array) -> Array:
    """Return scaled images as float32; 8-bit ones lie between 0 and 1."""
    return pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels


def kinds_of(pixels: Array) -> frozenset[str]:
    """Return what the values of images ``[n, ...]`` can be: depths, fractions, counts, flux.

    Blank images and those that are not finite say nothing.
    """
    stored = (pixels.dtype.kind, pixels.dtype.itemsize)
    if stored == ("u", 1):
        return frozenset({"8-bit"})
    if stored == ("u", 2):
        return frozenset({"16-bit" if pixels.max(initial=0) > _DEEP else "12-bit"})
    if pixels.dtype.kind not in "iuf":
        return frozenset()
    found, top = set(), 0.0
    for image in pixels:
        low, high = float(image.min()), float(image.max())
        if not np.isfinite([low, high]).all() or low == high:
            continue
        top = max(top, high)
        whole = pixels.dtype.kind != "f" or bool((image == np.rint(image)).all())
        if whole and (low < 0 or high > 1):
            found.add("counts")
        elif not whole:
            inside = low >= -_TOLERANCE and high <= 1 + _TOLERANCE
            found.add("unit" if inside else "flux")
    if found == {"counts"}:
        found |= {"counts to 255"} if top == 255 else set()
        found |= {"counts beyond 4095"} if top > _DEEP else set()
    return frozenset(found)


def clash(kinds: Iterable[str]) -> str:
    """Return which two scales of brightness stand side by side; nothing where they agree."""
    found = set(kinds)
    if "16-bit" in found:
        found.discard("12-bit")  # images that happen to be dark
    pairs = (*_CLASHES, ("8-bit", "12-bit"))
    return next((f"{_WORDS[a]} and {_WORDS[b]}" for a, b in pairs if {a, b} <= found), "")


def require_one_scale(kinds: Iterable[str], where: str) -> None:
    """Refuse images of one survey whose depth or unit would be taken for a property of theirs.

    Raises:
        MismatchError: scales differ, and nothing says by how much.
    """
    sides = clash(kinds)
    if sides:
        raise MismatchError(
            f"{where} hold {sides}, which are on different scales of brightness. Save all of them "
            "in one depth: as 8-bit or 16-bit integers over their full range, or as floats from "
            "0 to 1."
        )


def about_depth(kinds: Iterable[str]) -> list[str]:
    """Return notes on how integers are scaled, where something else may be meant."""
    found = set(kinds) & _INTEGERS
    if found == {"12-bit"}:
        return [
            "its 16-bit images use at most 4095 of 65535: if they are 12-bit, they are read 16 "
            "times too dark beside other images; multiply them by 16"
        ]
    if len(set(kinds) & (_INTEGERS | {"unit"})) > 1:
        return ["images of different depth were scaled to 0 to 1, integers by their full range"]
    return []


LAYOUTS = ("auto", "channels_first", "channels_last")
_MOST_CHANNELS = 12
_CHUNK = 256
MOST_CLASSES = 10_000
"""Beyond it, numbers are no labels but something else, such as names of objects."""


def channels_first(pixels: Array, path: Path, layout: str = "auto") -> Array:
    """Return images as ``[n, C, H, W]``, uint8 or float32; see :func:`scaled` for brightness.

    Args:
        pixels: ``[n, H, W]``, ``[n, C, H, W]`` or ``[n, H, W, C]``.
        path: for the error message.
        layout: one of :data:`LAYOUTS`; ``auto`` takes the short axis for the channels.

    Raises:
        DataError: not numbers, or a shape that could be both or neither.
    """
    if pixels.dtype.kind not in "fiub":
        raise DataError(f"{path}: images must be numbers, got {pixels.dtype}.")
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim != 4:
        raise DataError(
            f"{path}: images must have shape [n, channels, height, width], [n, height, width, "
            f"channels] or [n, height, width]; got {list(pixels.shape)}."
        )
    elif _channel_axis(pixels.shape, path, layout) == 3:
        pixels = np.moveaxis(pixels, 3, 1)
    # Writable, because torch shares the memory; a file mapped into memory is not.
    return np.require(scaled(pixels), requirements=["C", "W"])


def _channel_axis(shape: Sequence[int], path: Path, layout: str) -> int:
    if layout != "auto":
        return {"channels_first": 1, "channels_last": 3}[layout]
    first = shape[1] <= _MOST_CHANNELS and shape[1] < min(shape[2:])
    last = shape[3] <= _MOST_CHANNELS and shape[3] < min(shape[1:3])
    if first == last:
        raise DataError(
            f"{path}: cannot tell which axis of shape {list(shape)} counts the channels. Say "
            "data.layout: channels_first ([n, C, H, W]) or channels_last ([n, H, W, C])."
        )
    return 1 if first else 3


def resized(pixels: Array, crop: int | None, size: int | None) -> Array:
    """Cut the central ``crop`` pixels out of images ``[n, C, H, W]`` and resample to ``size``.

    Raises:
        MismatchError: the images are smaller than the cut.
    """
    height, width = pixels.shape[2:]
    if crop is not None:
        if crop > min(height, width):
            raise MismatchError(f"data.crop is {crop}, but the images have {height}×{width}.")
        top, left = (height - crop) // 2, (width - crop) // 2
        pixels = pixels[:, :, top : top + crop, left : left + crop]
    if size is None or pixels.shape[2:] == (size, size):
        return pixels
    chunks = [_resample(pixels[i : i + _CHUNK], size) for i in range(0, len(pixels), _CHUNK)]
    return np.concatenate(chunks)


def _resample(pixels: Array, size: int) -> Array:
    values = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    fine = functional.interpolate(values, (size, size), mode="bilinear", antialias=True)
    if pixels.dtype == np.uint8:
        return fine.round().clamp(0, 255).to(torch.uint8).numpy()
    return fine.numpy()


def label_names(labels: Array | None, names: Sequence[str] | None, count: int, path: Path) -> Array:
    """Return the name of every image's class ``[n]``, empty where there is no label.

    Args:
        labels: one-hot ``[n, K]``, numbers ``[n]`` (−1 or NaN: none), or names ``[n]``.
        names: of the classes, in the order of the numbers; None names them by number.
        count: number of images ``n``.
        path: for the error message.

    Raises:
        MismatchError: labels and images differ in number.
        DataError: labels are not one-hot, not whole numbers, or out of range.
    """
    if labels is None:
        return np.full(count, "")
    if labels.ndim and labels.size == len(labels):
        labels = labels.reshape(-1)
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise MismatchError(
            f"{path}: labels of shape {list(labels.shape)} for {count} images; expected [{count}] "
            f"or one-hot [{count}, classes]."
        )
    if labels.dtype.kind in "USO":
        return np.array(texts(labels))
    numbers = _from_one_hot(labels, path) if labels.ndim == 2 else _whole(labels, path)
    highest = len(names) if names is not None else max(int(numbers.max(initial=-1)) + 1, 1)
    if names is None and highest > MOST_CLASSES:
        raise DataError(
            f"{path}: a label is {highest - 1}; without label_names, labels are numbers of classes "
            f"below {MOST_CLASSES}, −1 means no label."
        )
    wrong = np.flatnonzero((numbers < -1) | (numbers >= highest))
    if len(wrong):
        raise DataError(
            f"{path}: label {numbers[wrong[0]]} of image {wrong[0]} is out of range; "
            f"the classes are 0 to {highest - 1}"
            f"{' (' + ', '.join(names) + ')' if names is not None else ''}, −1 means no label."
        )
    by_number = [*(names if names is not None else map(str, range(highest))), ""]
    return np.array(by_number)[numbers]


def _from_one_hot(labels: Array, path: Path) -> Array:
    ones = (labels == 1).sum(1)
    wrong = np.flatnonzero((ones != 1) | ((labels != 0).sum(1) != 1))
    if len(wrong):
        raise DataError(
            f"{path}: row {wrong[0]} of the labels, {labels[wrong[0]].tolist()}, is not one-hot. "
            "Votes or probabilities must be turned into one class per image first."
        )
    return np.asarray(labels.argmax(1))


def _whole(labels: Array, path: Path) -> Array:
    if labels.dtype.kind not in "fiub":
        raise DataError(f"{path}: labels must be whole numbers, one-hot or names.")
    if labels.dtype.kind == "f":
        labels = np.where(np.isnan(labels), -1, labels)
        if (labels != np.round(labels)).any():
            raise DataError(f"{path}: labels must be whole numbers, one-hot or names.")
    return labels.astype(np.int64)


def usable(pixels: Array) -> NDArray[np.bool_]:
    """Return which images ``[n, ...]`` are finite everywhere."""
    if pixels.dtype.kind != "f":
        return np.ones(len(pixels), dtype=bool)
    return np.array([bool(np.isfinite(image).all()) for image in pixels], dtype=bool)


def texts(values: Array) -> list[str]:
    """Return entries as text, whatever they were stored as."""
    flat = values.reshape(-1).tolist()
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in flat]
