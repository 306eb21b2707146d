"""Arrays of any layout as images, labels of any kind as names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dagnn.data.image_depth import scaled
from dagnn.data.image_files import texts
from dagnn.errors import DataError, MismatchError

Array = NDArray[Any]

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
    """Say which images ``[n, ...]`` are finite everywhere."""
    if pixels.dtype.kind != "f":
        return np.ones(len(pixels), dtype=bool)
    return np.array([bool(np.isfinite(image).all()) for image in pixels], dtype=bool)
