"""Images that are equal pixel by pixel show one object, whatever they are called."""

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from dagnn.data.image_depth import brightness

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
    """Say which images are equal, and above all which of them have different classes.

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
    listed = ", ".join(f"{ids[one[0]]} = {ids[one[1]]}" for one in islice(equal, _SHOWN))
    notes = [
        f"{sum(map(len, equal))} images are not unique, pixel by pixel, and stay together in "
        f"{len(equal)} groups: {listed}{', ...' if len(equal) > _SHOWN else ''}"
    ]
    at_odds = [found for found in equal if len({labels[row] for row in found} - {""}) > 1]
    if at_odds:
        named = "; ".join(
            ", ".join(f"{ids[row]} is {labels[row]}" for row in found if labels[row])
            for found in islice(at_odds, _SHOWN)
        )
        more = "; ..." if len(at_odds) > _SHOWN else ""
        notes.append(
            f"LABELS DISAGREE: {len(at_odds)} identical images have two classes: {named}{more}"
        )
    return notes
