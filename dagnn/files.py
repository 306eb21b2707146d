"""Find files without clutter, and write them whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagnn.errors import MissingDataError

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


def resource_folder(name: str) -> Path:
    """Return the folder of YAML files called ``name``.

    A wheel carries them under ``dagnn/resources``; a checkout keeps them at the
    top level, where a person looks for them.

    Args:
        name: ``catalogs``, ``configs`` or ``tuning``.

    Raises:
        MissingDataError: neither place holds a YAML file; the package is incomplete.
    """
    package = Path(__file__).resolve().parent
    places = (package / "resources" / name, package.parent / name)
    for place in places:
        if matching(place, "*.yaml"):
            return place
    tried = " nor in ".join(str(place) for place in places)
    raise MissingDataError(
        f"The YAML files of {name!r} are neither in {tried}. The installation is "
        "incomplete: install dagnn again, or run it from a full checkout."
    )


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it into place at the end.

    A reader never meets half a file; if the block raises, the old file stays, and an error
    of the system names ``path``.

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
        with named_errors(final, temporary):
            yield temporary
            # mkstemp makes private files; results are meant to be read by colleagues.
            temporary.chmod(0o644)
            temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def named_errors(path: Path, *others: Path) -> Iterator[None]:
    """Let an error of the system, such as a full disk, name the file that was being written.

    Args:
        path: the file.
        others: names that stand for it meanwhile.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(error.filename) in others:
            why = error.strerror or str(error)
            raise OSError(error.errno, why, str(path)) from error
        raise


def is_writable(folder: Path) -> bool:
    """Whether files can be written to a folder that is there or can be made."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def write_text(path: Path | str, text: str) -> Path:
    r"""Write a UTF-8 text file atomically and return its path.

    Names of files that are not UTF-8 stand in it with their bytes written as ``\xff``.
    """
    content = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode())
    return Path(path)
