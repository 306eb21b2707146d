"""Files of images read as they are: .npy, .npz, HDF5, pictures, and folders of pictures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.hdf5 import datasets_in, open_hdf5, read_values
from dagnn.data.pixels import brightness, kinds_of, require_one_scale, scaled, texts
from dagnn.errors import (
    DagnnError,
    DataError,
    MismatchError,
    MissingDataError,
    MissingFieldError,
    MissingPackageError,
    TruncatedFileError,
    UsageError,
)
from dagnn.files import entries
from dagnn.stored import read_npy, read_text, reason, require_intact

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[Any]

# What arrays are called in an archive, the first that is there.
_IMAGES = ("images", "image", "x", "data", "pixels")
_LABELS = ("labels", "label", "y", "targets", "target", "ans")
_NAMES = ("label_names", "class_names", "classes")
_GROUPS = ("groups", "group", "group_ids", "group_id", "galaxy_id", "object_ids", "object_id")
_IDS = ("ids", "id", "item_ids", "object_ids", "object_id")
_PARTS = ("split", "splits", "part", "parts", "subset")
_SPELLINGS = (("train", "train"), ("valid", "valid"), ("valid", "val"), ("test", "test"))

_PART = re.compile(r"(?<![a-z])(train|valid|val|test)(?:ing|ation|idation)?(?![a-z])")
_FULL = {"val": "valid"}


@dataclass(frozen=True)
class Block:
    """What one file holds of a survey, before shapes and labels are understood.

    Attributes:
        path: where it was read.
        pixels: ``[n, ...]``.
        labels: one per image, of whatever kind; None where the file has none.
        labels_path: where labels were read, if in another file.
        names: names of the classes in the order of the numbers, if the file tells them.
        ids: one per image, if the file tells them.
        groups: what images of one object share, if the file tells it.
        parts: the part of a split that each image belongs to; empty where none is said.
        mock: whether the file says that it is synthetic.
    """

    path: Path
    pixels: Array
    labels: Array | None = None
    names: tuple[str, ...] | None = None
    ids: Array | None = None
    groups: Array | None = None
    parts: tuple[str, ...] = ()
    mock: bool = False
    labels_path: Path | None = None

    def in_part(self, part: str) -> "Block":
        """Return the block as one part of a split, unless it names parts itself."""
        return self if self.parts or not part else replace(self, parts=(part,) * len(self.pixels))


def read_blocks(path: Path, suite: str | None = None) -> list[Block]:
    """Read a file or folder of images.

    Args:
        path: .npy, .npz, .h5, .hdf5, a picture, or a folder with one folder per class.
        suite: name of the survey, where one archive holds several.

    Raises:
        MissingDataError: there is no such file.
        TruncatedFileError: it ends early.
        MissingFieldError: an archive has no array of images; the message lists what it has.
        DataError: it is nothing of the kind.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise MissingDataError(f"There is no file of images {path}.")
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return [Block(path, read_pictures([path]), ids=np.array([path.stem]))]
    if suffix == ".npy":
        return [Block(path, read_array(path))]
    if suffix == ".npz":
        with _readable(path):
            require_intact(path)
            with np.load(path, allow_pickle=False) as archive:
                return _archive(path, archive, suite)
    if suffix in ARCHIVES:
        with open_hdf5(path) as file:
            mock = bool(file.attrs.get("mock", False))
            blocks = _archive(path, datasets_in(file), suite)
            return [replace(block, mock=block.mock or mock) for block in blocks]
    raise DataError(
        f"{path}: images are read from {', '.join(('.npy', *ARCHIVES, *PICTURES))}, or from a "
        "folder with one folder of pictures per class."
    )


def read_array(path: Path) -> Array:
    """Read one array: .npy, or text with one entry per line.

    Raises:
        TruncatedFileError: the file ends before its header says.
        DataError: it holds Python objects, or no array at all.
    """
    if path.suffix.lower() != ".npy":
        return np.array(read_text(path).split())
    with _readable(path):
        return read_npy(path)


def surveys_in(path: Path) -> list[str]:
    """Return the surveys whose images an archive names; one without name where it holds only one.

    Args:
        path: .npz, .h5 or .hdf5.

    Returns:
        Names in small letters; nothing where there is no array of images.

    Raises:
        DataError: the file is damaged.
    """
    if path.suffix.lower() == ".npz":
        with _readable(path), np.load(path, allow_pickle=False) as archive:
            return _affixes(archive)
    with open_hdf5(path) as file:
        return _affixes(datasets_in(file))


def name_inside(path: Path, suite: str | None) -> str | None:
    """Return the name that the wanted images have in a file; None where they need none.

    Args:
        path: as in :func:`read_blocks`.
        suite: name of the survey to read, if it is known.

    Raises:
        UsageError: it is an archive of several surveys, and no name says which to read.
        DataError: the file is damaged.
    """
    there = surveys_in(path) if path.suffix.lower() in ARCHIVES and path.is_file() else []
    if suite in there:
        return suite
    if "" in there:  # beside others that say something of it, such as their errors
        return None
    if len(there) > 1:
        raise UsageError(
            f"{path} holds images of {', '.join(there)}. Say of which with --suite, if the run was "
            "trained on it; else save them as a file of their own."
        )
    return there[0] if there else None


def part_of(name: str) -> str:
    """Return the part of a split that a file name speaks of, or nothing.

    Example:
        >>> part_of("images_Y10_train.npy"), part_of("val"), part_of("latest.npz")
        ('train', 'valid', '')
    """
    found = _PART.search(name.casefold())
    return _FULL.get(found[1], found[1]) if found else ""


def _affixes(archive: Mapping[str, Any]) -> list[str]:
    found: dict[str, None] = {}
    for key in archive:
        for name in _IMAGES:
            match = re.fullmatch(rf"(?:(.+)_)?{name}(?:_(.+))?", key.casefold())
            if match and not (match[1] and match[2]) and len(archive[key].shape) >= 3:
                affix = match[1] or match[2] or ""
                found.setdefault("" if part_of(affix) else affix)
                break
    return list(found)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what numpy says of a broken file into one of our errors."""
    try:
        yield
    except DagnnError:
        raise
    except Exception as error:  # a broken header can raise nearly anything
        with path.open("rb") as file:
            is_numpy = file.read(2) in (b"\x93N", b"PK")
        if "pickle" in str(error) and not is_numpy:
            raise DataError(f"{path} is not a file of arrays. Download it again.") from error
        if any(words in str(error) for words in ("pickle", "Object arrays", "Python objects")):
            raise DataError(
                f"{path} holds Python objects, which are not read for safety. Save plain arrays "
                "(numpy.save with allow_pickle=False)."
            ) from error
        raise TruncatedFileError(
            f"{path} is truncated or damaged ({reason(error)}). Copy or download it again."
        ) from error


def _archive(path: Path, archive: Mapping[str, Any], suite: str | None) -> list[Block]:
    """Read the images of a survey out of named arrays: the survey's own, all, or by part."""
    keys = list(archive)
    for affixes in ([suite] if suite else [], [""]):
        for affix in affixes:
            if _find(keys, _IMAGES, affix):
                return [_block(path, archive, keys, affix)]
    blocks = [
        _block(path, archive, keys, spelling).in_part(part)
        for part, spelling in _SPELLINGS
        if _find(keys, _IMAGES, spelling)
    ]
    if not blocks:
        raise MissingFieldError(
            f"{path} has no array of images"
            f"{f' of {suite}' if suite else ''}: looked for {', '.join(_IMAGES)}, also with the "
            f"name of the survey or of a part before it. It holds: {', '.join(keys) or 'nothing'}."
        )
    return blocks


def _block(path: Path, archive: Mapping[str, Any], keys: Sequence[str], affix: str) -> Block:
    def get(wanted: Sequence[str]) -> Array | None:
        key = _find(keys, wanted, affix)
        return _whole(archive[key]) if key else None

    names = get(_NAMES)
    if names is None and (key := _find(keys, _NAMES, "")):
        names = _whole(archive[key])
    mock = _find(keys, ("mock",), affix) or _find(keys, ("mock",), "")
    parts = get(_PARTS)
    pixels = get(_IMAGES)
    assert pixels is not None
    return Block(
        path,
        pixels,
        labels=get(_LABELS),
        names=None if names is None else tuple(texts(names)),
        ids=get(_IDS),
        groups=get(_GROUPS),
        parts=() if parts is None else tuple(part_of(part) for part in texts(parts)),
        mock=bool(np.any(_whole(archive[mock]))) if mock else False,
    )


def _whole(stored: Array | h5py.Dataset) -> Array:
    """Return an entry of an archive as an array."""
    return read_values(stored) if isinstance(stored, h5py.Dataset) else np.asarray(stored)


def _find(keys: Sequence[str], wanted: Sequence[str], affix: str | None) -> str | None:
    """Return the key that is a wanted name, with an affix before or behind it."""
    by_fold = {key.casefold(): key for key in keys}
    for name in wanted:
        spelled = (f"{affix}_{name}", f"{name}_{affix}") if affix else (name,)
        for spelling in spelled:
            if spelling.casefold() in by_fold:
                return by_fold[spelling.casefold()]
    return None


def _folder(path: Path) -> list[Block]:
    """Read a folder per class, or a folder per part that holds them."""
    folders = [entry for entry in entries(path) if entry.is_dir()]
    if folders and all(part_of(folder.name) for folder in folders):
        return [block.in_part(part_of(f.name)) for f in folders for block in _folder(f)]
    where = folders or [path]
    files = [[f for f in entries(w) if f.suffix.lower() in PICTURES] for w in where]
    flat = [file for of_one in files for file in of_one]
    if not flat:
        raise MissingDataError(
            f"{path} holds no pictures ({', '.join(PICTURES)}), nor folders that hold some."
        )
    labels = [folder.name for folder, of_one in zip(where, files, strict=True) for _ in of_one]
    ids = np.array([str(file.relative_to(path.parent).with_suffix("")) for file in flat])
    return [Block(path, read_pictures(flat), np.array(labels) if folders else None, ids=ids)]


ARCHIVES = (".npz", ".h5", ".hdf5")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
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
    except DagnnError:
        raise
    except Exception as error:  # Pillow raises nearly any type for damaged files
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
