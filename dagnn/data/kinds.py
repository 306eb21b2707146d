"""What a loose file seems to hold, to say so where it is not what is wanted."""

from pathlib import Path

import h5py
import numpy as np

CATALOGUES = "galaxy catalogues (HDF5, such as groups_090.hdf5)"
SPECTRA = "galaxy power spectra (.npy [boxes, wavenumbers], such as Pk_galaxies_*.npy)"
IMAGES = "images (.npz, .npy or HDF5 [images, channels, height, width], PNG or JPEG)"
TEXT = "text"

_STARTS = {b"\x89PNG": IMAGES, b"\xff\xd8\xff": IMAGES}
_FEWEST_IMAGE_AXES = 3


def kind_of(path: Path) -> str | None:
    """Return what a file seems to hold, by its content; None where that is not known.

    Args:
        path: any file.
    """
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(b"\x89HDF"):
        return _in_hdf5(path)
    if start.startswith((b"\x93NUMPY", b"PK")):
        return _in_arrays(path)
    known = next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), None)
    plain = start.isascii() and not start.lstrip().startswith(b"<") and b"\x00" not in start
    return known or (TEXT if start and plain else None)


def _in_hdf5(path: Path) -> str | None:
    axes: list[int] = []
    try:
        with h5py.File(path, "r") as file:
            if "Subhalo" in file:
                return CATALOGUES
            file.visititems(lambda _, item: axes.append(getattr(item, "ndim", 0)))
    except (OSError, RuntimeError, KeyError):
        return None
    return IMAGES if max(axes, default=0) >= _FEWEST_IMAGE_AXES else None


def _in_arrays(path: Path) -> str | None:
    """Tell images from spectra by their axes; what is neither has no name here."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = [stored] if isinstance(stored, np.ndarray) else [stored[k] for k in stored.files]
    except (OSError, ValueError, EOFError, KeyError):
        return None
    if any(array.ndim >= _FEWEST_IMAGE_AXES for array in arrays):
        return IMAGES
    alone = isinstance(stored, np.ndarray) and stored.ndim in (1, 2) and stored.dtype.kind in "fiu"
    return SPECTRA if alone else None
