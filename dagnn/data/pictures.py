"""Pictures such as PNG and JPEG as one array."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dagnn.data.image_depth import brightness, kinds_of, require_one_scale, scaled
from dagnn.errors import DataError, MismatchError, MissingPackageError, TruncatedFileError

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
# What Pillow raises of damaged files, beside OSError.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    struct.error,
)
_ORIENTATION = 274
_ON_ITS_SIDE = (5, 6, 7, 8)


def read_pictures(files: Sequence[Path]) -> NDArray[Any]:
    """Read equally large pictures, ``[n, H, W, C]``; grey ones have one channel.

    Pictures of one depth keep it; of several depths they are float32 from 0 to 1, each by the
    full range of its own type.

    Raises:
        MismatchError: they differ in size, or lie on different scales of brightness.
        TruncatedFileError: one ends early.
        DataError: one is no picture, is several, or is transparent somewhere.
        MissingPackageError: pillow is not installed.
    """
    pictures: list[NDArray[Any]] = []
    for file in files:
        picture = _read(file)
        if pictures and picture.shape[:2] != pictures[0].shape[:2]:
            raise MismatchError(
                f"{file} has {picture.shape[0]}×{picture.shape[1]} pixels, {files[0].name} has "
                f"{pictures[0].shape[0]}×{pictures[0].shape[1]}. Pictures of one survey must be "
                "equally large; cut or resample them first."
            )
        pictures.append(picture)
    if len({(picture.dtype.kind, picture.dtype.itemsize) for picture in pictures}) > 1:
        kinds = frozenset().union(*(kinds_of(picture[None]) for picture in pictures))
        require_one_scale(kinds, f"Pictures in {files[0].parent}")
        pictures = [brightness(scaled(picture)) for picture in pictures]
    if all(picture.ndim == 2 for picture in pictures):
        return np.stack(pictures)[..., None]
    return np.stack([p if p.ndim == 3 else np.repeat(p[..., None], 3, -1) for p in pictures])


def _read(file: Path) -> NDArray[Any]:
    """Read one picture upright, grey ``[H, W]`` in its own depth or colour ``[H, W, 3]``."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise MissingPackageError(
            "Reading pictures needs pillow: pip install pillow. Arrays (.npy, .npz, .h5) do not."
        ) from error
    try:
        with Image.open(file) as picture:
            frames = getattr(picture, "n_frames", 1)
            if frames > 1:
                raise DataError(
                    f"{file} holds {frames} pictures (an animation, or pages). Save each as a "
                    "file of its own."
                )
            if picture.format == "TIFF" and picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE:
                # Pillow 13 garbles those that are not compressed.
                raise DataError(f"{file} is stored on its side. Save it upright, or as PNG.")
            picture.load()  # before it is turned: TIFF is turned while it loads
            return _pixels(ImageOps.exif_transpose(picture), file)
    except UnidentifiedImageError as error:
        raise DataError(f"{file} is not a picture that can be read.") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{file} is too large to be a picture of a galaxy: {error}") from error
    except _BROKEN as error:
        raise TruncatedFileError(f"{file} is truncated or damaged ({error}).") from error


def _pixels(picture: "Image", file: Path) -> NDArray[Any]:
    deep = picture.mode.startswith(("I", "F"))
    hidden = _transparent(picture, deep)
    if hidden:
        raise DataError(
            f"{file} is transparent at {hidden} of {picture.width * picture.height} pixels, whose "
            "brightness nobody knows. Put it on a background first (convert A.png -background "
            "black -flatten B.png), or leave it out."
        )
    if deep:
        values = np.asarray(picture)
        # Some versions of Pillow widen 16-bit PNG to 32 bits; PNG has no more than 16.
        return values.astype(np.uint16) if file.suffix.lower() == ".png" else values
    return np.asarray(picture.convert("L" if picture.mode in ("1", "L", "LA", "La") else "RGB"))


def _transparent(picture: "Image", deep: bool) -> int:
    """Return how many pixels are not wholly opaque."""
    if deep:
        clear = picture.info.get("transparency")
        return 0 if clear is None else int((np.asarray(picture) == clear).sum())
    if (
        "A" not in picture.getbands()
        and "a" not in picture.getbands()
        and ("transparency" not in picture.info)
    ):
        return 0
    return int((np.asarray(picture.convert("RGBA").getchannel("A")) < 255).sum())
