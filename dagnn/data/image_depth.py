"""How brightness is stored: integers by the full range of their type, floats as they are."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.errors import MismatchError

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
    """Say what was done to integers, where a reader may have meant something else."""
    found = set(kinds) & _INTEGERS
    if found == {"12-bit"}:
        return [
            "its 16-bit images use at most 4095 of 65535: if they are 12-bit, they are read 16 "
            "times too dark beside other images; multiply them by 16"
        ]
    if len(set(kinds) & (_INTEGERS | {"unit"})) > 1:
        return ["images of different depth were scaled to 0 to 1, integers by their full range"]
    return []
