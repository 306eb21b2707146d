"""Where figures become files."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from dagnn.files import atomic_path
from dagnn.report.figures.style import STYLE

# Dates and program versions are left out, so that equal figures are equal files.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def _settle(figure: Figure) -> None:
    """Lay the panels out once and for all.

    The layout engine moves panels a little at every drawing; without this the
    same figure written twice would give different files.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def save_figure(figure: Figure, folder: Path | str, name: str) -> list[Path]:
    """Write a figure as PNG (for screens) and PDF (for papers).

    Args:
        figure: what to write.
        folder: where; it is made.
        name: file name without suffix.

    Returns:
        The paths of both files.
    """
    written = []
    with matplotlib.rc_context(STYLE):
        _settle(figure)
    for suffix in ("png", "pdf"):
        path = Path(folder) / f"{name}.{suffix}"
        with atomic_path(path) as temporary, matplotlib.rc_context(STYLE):
            figure.savefig(temporary, format=suffix, metadata=_METADATA[suffix])
        written.append(path)
    return written


def figure_svg(figure: Figure) -> bytes:
    """Return a figure as SVG with its letters as shapes, so that it needs no fonts."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        _settle(figure)
        figure.savefig(buffer, format="svg", metadata=_METADATA["svg"])
    return buffer.getvalue()
