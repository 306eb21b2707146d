"""Surveys that one run reads: one scale of brightness, and one name for every object."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from dagnn.data.identical import joined
from dagnn.data.image_depth import kinds_of
from dagnn.data.images import Images
from dagnn.data.requests import Loaded
from dagnn.errors import MismatchError
from dagnn.records import Dataset

_SCALED = {"8-bit", "unit"}
_SHOWN = 3
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
    """Tell which images of a survey are in another one under another name, or as another class."""
    rows = {content: row for row, content in enumerate(left.contents) if content}
    pairs = [(rows[c], row) for row, c in enumerate(right.contents) if c in rows]
    renamed = [(a, b) for a, b in pairs if left.objects[a] != right.objects[b]]
    classes = (*left.classes, "unknown")
    known = [(a, b) for a, b in pairs if min(int(left.y[a]), int(right.y[b])) >= 0]
    at_odds = [(a, b) for a, b in known if left.y[a] != right.y[b]]
    notes = []
    if renamed:
        listed = ", ".join(f"{right.ids[b]} = {left.ids[a]}" for a, b in renamed[:_SHOWN])
        notes.append(
            f"{len(renamed)} images are also in {one} under other names, pixel by pixel, and are "
            f"split as there: {listed}{', ...' if len(renamed) > _SHOWN else ''}"
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
