"""What an examination of networks found: kept in two files, drawn again without a network."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dagnn.evaluation.storage import read_table
from dagnn.files import atomic_path
from dagnn.records import FloatArray
from dagnn.robustness.church import ChurchWindow
from dagnn.robustness.figures import attack_figure, church_figure, noise_figure
from dagnn.robustness.gradcam_figures import Example, gradcam_figure
from dagnn.robustness.measures import COLUMNS, NOISES, Robustness, write_robustness
from dagnn.stored import read_arrays, reading

TABLE, PICTURES = "robustness.csv", "robustness.npz"
_WINDOW = ("across", "up", "classes", "noisy", "attacked")


@dataclass(frozen=True)
class Flips:
    """Images whose decision one pixel changes.

    Attributes:
        images: ``[n, C, H, W]``.
        attacked: the same with the pixel.
        pixels: row and column first, ``[n, 2 + C]``.
        titles: what was decided before and after, ``n`` of them.
    """

    images: FloatArray
    attacked: FloatArray
    pixels: FloatArray
    titles: tuple[tuple[str, str], ...]

    @classmethod
    def none(cls) -> "Flips":
        """Return no flips at all."""
        empty = np.zeros((0, 0, 0, 0))
        return cls(empty, empty, np.zeros((0, 0)), ())

    def joined(self, other: "Flips") -> "Flips":
        """Return these and those of another network on images of the same size."""
        if not self.titles or not other.titles:
            return other if other.titles else self
        return Flips(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.attacked, other.attacked]),
            np.concatenate([self.pixels, other.pixels]),
            self.titles + other.titles,
        )


@dataclass(frozen=True)
class Examination:
    """Measurements, and what to look at.

    Attributes:
        rows: pairs, noise sweeps and attacks of every network and suite.
        flips: successful attacks; perhaps none.
        windows: network → church window, of one image for all.
        examples: images with where each network looks; none without feature maps.
        members: networks in each ensemble.
    """

    rows: tuple[Robustness, ...]
    flips: Flips
    windows: Mapping[str, ChurchWindow]
    examples: tuple[Example, ...]
    members: int = 1


def examination_figures(found: Examination, classes: Sequence[str]) -> dict[str, Figure]:
    """Draw everything that there is to draw, in reading order."""
    figures: dict[str, Figure] = {}
    members = found.members
    noisy = [row for row in found.rows if row.change in NOISES]
    if noisy:
        figures["noise"] = noise_figure(noisy, members=members)
    if found.flips.titles:
        flips = found.flips
        figures["attack"] = attack_figure(
            flips.images, flips.attacked, flips.pixels, flips.titles, members=members
        )
    if found.windows:
        figures["church"] = church_figure(found.windows, classes, members=members)
    if found.examples:
        figures["gradcam"] = gradcam_figure(found.examples, members=members)
    return figures


def write_examination(folder: Path, found: Examination, *, mock: bool | None = None) -> None:
    """Write the measurements as CSV, and what figures are drawn from as one archive.

    Args:
        folder: of the run.
        found: measurements and pictures.
        mock: whether mock data were trained on or measured.
    """
    flips = found.flips
    arrays: dict[str, Any] = {f"flips/{k}": getattr(flips, k) for k in _ARRAYS_OF_FLIPS}
    for name, window in found.windows.items():
        arrays |= {f"window/{name}/{key}": getattr(window, key) for key in _WINDOW}
    for number, example in enumerate(found.examples):
        arrays[f"example/{number}/image"] = example.image
        arrays |= {f"example/{number}/{name}": heat for name, heat in example.maps.items()}
    words = {
        "titles": flips.titles,
        "windows": list(found.windows),
        "members": found.members,
        "examples": [{"title": e.title, "said": dict(e.said)} for e in found.examples],
    }
    arrays["words"] = np.array(json.dumps(words))
    with atomic_path(folder / PICTURES) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_robustness(folder / TABLE, found.rows, mock=mock)


_ARRAYS_OF_FLIPS = ("images", "attacked", "pixels")


def read_examination(folder: Path) -> Examination | None:
    """Read what :func:`write_examination` wrote; None where nothing was examined.

    Raises:
        DataError: a file is damaged, or one of the two is missing.
    """
    if not (folder / TABLE).is_file():
        return None
    again = f"Make it again with: dagnn evaluate {quote(str(folder))}"
    with reading(folder / TABLE, again):
        rows = tuple(_row(line) for _, line in read_table(folder / TABLE, COLUMNS))
    stored = read_arrays(folder / PICTURES, again)
    with reading(folder / PICTURES, again):
        return _read(rows, stored)


def _read(rows: tuple[Robustness, ...], stored: Mapping[str, Any]) -> Examination:
    words = json.loads(str(stored["words"]))
    images, attacked, pixels = (stored[f"flips/{key}"] for key in _ARRAYS_OF_FLIPS)
    windows = {name: _window(name, stored) for name in words["windows"]}
    examples = tuple(
        Example(
            stored[f"example/{number}/image"],
            told["title"],
            {name: stored[f"example/{number}/{name}"] for name in told["said"]},
            told["said"],
        )
        for number, told in enumerate(words["examples"])
    )
    titles = tuple((before, after) for before, after in words["titles"])
    flips = Flips(images, attacked, pixels, titles)
    # Runs of before did not tell.
    return Examination(rows, flips, windows, examples, words.get("members", 1))


def _window(name: str, stored: Mapping[str, Any]) -> ChurchWindow:
    across, up, classes, noisy, attacked = (stored[f"window/{name}/{key}"] for key in _WINDOW)
    places = [(float(place[0]), float(place[1])) for place in (noisy, attacked)]
    return ChurchWindow(across, up, classes, *places)


def _row(line: Mapping[str, str]) -> Robustness:
    numbers = {name: float(line[name] or "nan") for name in COLUMNS[5:]}
    level, items = float(line["level"] or "nan"), int(line["items"])
    shares = [numbers[name] for name in ("accuracy", "flip_rate")]
    if items < 1 or any(not math.isnan(share) and not 0 <= share <= 1 for share in shares):
        raise ValueError(f"shares of {items} items should lie from 0 to 1")
    return Robustness(line["model"], line["suite"], line["change"], level, items, **numbers)
