"""Files appear whole or not at all, and what an operating system leaves about is none of them."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLUTTER = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__macosx",
    "__pycache__",
    "@eadir",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "icon\r",
}


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is never data: hidden, or left by a system.

    Example:
        >>> [is_clutter(name) for name in (".ipynb_checkpoints", "._a.png", "Thumbs.db", "a.png")]
        [True, True, True, False]
    """
    return (name.startswith(".") and name not in (".", "..")) or name.casefold() in _CLUTTER


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name and without clutter."""
    return sorted(child for child in folder.iterdir() if not is_clutter(child.name))


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return what fits a pattern below a folder, by name and without clutter on the way."""
    found = ((path, path.relative_to(folder)) for path in folder.glob(pattern))
    return sorted(path for path, below in found if not any(map(is_clutter, below.parts)))


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it into place at the end.

    A reader never meets half a file; if the block raises, the old file stays.

    Args:
        path: where the file shall be; its folder is made.

    Yields:
        The path to write to, with the same suffix.
    """
    final = Path(path)
    if final.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(final))
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.stem}-", suffix=final.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are meant to be read by colleagues.
        temporary.chmod(0o644)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> Path:
    """Write a UTF-8 text file atomically and return its path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)
