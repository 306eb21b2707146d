"""Pictures such as PNG and JPEG as one array."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.errors import DataError, MismatchError, MissingPackageError, TruncatedFileError

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")


def read_pictures(files: Sequence[Path]) -> NDArray[Any]:
    """Read equally large pictures, ``[n, H, W, C]``; grey ones have one channel.

    Raises:
        MismatchError: they differ in size.
        TruncatedFileError: one ends early.
        DataError: one is no picture.
        MissingPackageError: pillow is not installed.
    """
    pictures: list[NDArray[Any]] = []
    grey = True
    for file in files:
        picture = _read(file)
        grey = grey and picture.ndim == 2
        if pictures and picture.shape[:2] != pictures[0].shape[:2]:
            raise MismatchError(
                f"{file} has {picture.shape[0]}×{picture.shape[1]} pixels, {files[0].name} has "
                f"{pictures[0].shape[0]}×{pictures[0].shape[1]}. Pictures of one survey must be "
                "equally large; cut or resample them first."
            )
        pictures.append(picture)
    if grey:
        return np.stack(pictures)[..., None]
    return np.stack([p if p.ndim == 3 else np.repeat(p[..., None], 3, -1) for p in pictures])


def _read(file: Path) -> NDArray[Any]:
    """Read one picture, grey ``[H, W]`` in its own depth or colour ``[H, W, 3]``."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingPackageError(
            "Reading pictures needs pillow: pip install pillow. Arrays (.npy, .npz, .h5) do not."
        ) from error
    try:
        with Image.open(file) as picture:
            deep = picture.mode == "L" or picture.mode.startswith(("I", "F"))
            return np.asarray(picture if deep else picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise DataError(f"{file} is not a picture that can be read.") from error
    except OSError as error:
        raise TruncatedFileError(f"{file} is truncated or damaged ({error}).") from error
