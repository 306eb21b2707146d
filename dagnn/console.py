"""Text and progress on terminals and in logs, whatever characters they can show."""

import codecs
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

READABLE = "dagnn.readable"
"""Name of the error handler that writes what an encoding lacks in ASCII."""
_ASCII = MappingProxyType(
    {
        "→": "->", "←": "<-", "↓": "v", "↑": "^", "−": "-", "–": "-", "—": "-", "·": "*",
        "±": "+-", "×": "x", "≤": "<=", "≥": ">=", "≈": "~", "∝": "~", "∞": "inf", "√": "sqrt",
        "∇": "grad", "∫": "int", "⟨": "<", "⟩": ">", "‖": "||", "⊕": "+", "⁻": "^-", "½": "1/2",
        "✓": "+", "█": "#", "λ": "lambda", "Λ": "Lambda", "‘": "'", "’": "'", "“": '"', "”": '"',
    }
)  # fmt: skip
_GREEK = "GREEK {} LETTER "


def in_ascii(character: str) -> str:
    """Write one character in ASCII; a question mark where nothing resembles it.

    Example:
        >>> "".join(map(in_ascii, "Ωₘ=0.3±0.1")), in_ascii("χ") + in_ascii("²"), in_ascii("é")
        ('Omega_m=0.3+-0.1', 'chi2', 'e')
    """
    if character.isascii():
        return character
    if character in _ASCII:
        return _ASCII[character]
    name = unicodedata.name(character, "")
    for size, spell in (("SMALL", str.lower), ("CAPITAL", str.capitalize)):
        if name.startswith(_GREEK.format(size)):
            return spell(name.split()[-1])
    alike = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    below = "_" if unicodedata.decomposition(character).startswith("<sub>") else ""
    return below + alike if alike else "?"


def make_readable(stream: TextIO | None) -> None:
    """Let a stream write in ASCII whatever its encoding lacks, instead of failing.

    Bytes of a file name that are no text are written as they are.

    Args:
        stream: standard output or error. One that is not made of bytes is left as it is.
    """
    codecs.register_error(READABLE, _readable)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=READABLE)


def screen(log_width: int | None = None) -> Console:
    """Return a console on standard output, for results.

    Args:
        log_width: columns where standard output is no terminal and has no width of its own.
    """
    make_readable(sys.stdout)
    console = _Readable()
    return console if console.is_terminal or log_width is None else _Readable(width=log_width)


def log(**options: Any) -> Console:
    """Return a console on standard error, for progress, notes and errors.

    Args:
        options: as :class:`rich.console.Console` takes them.
    """
    make_readable(sys.stderr)
    return _Readable(stderr=True, **options)


class _Readable(Console):
    """A console that lays text out as it will be written, so that columns stay straight."""

    def render_str(self, text: str, **kwargs: Any) -> Text:
        if not self.options.ascii_only:
            return super().render_str(text, **kwargs)
        shown = text.encode(self.encoding, READABLE).decode(self.encoding, "surrogateescape")
        return super().render_str(shown, **kwargs)


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, following = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":  # a byte of a file name, see PEP 383
        return bytes([ord(character) - 0xDC00]), following
    return in_ascii(character), following


def print_line(console: Console, text: str, label: str = "") -> None:
    """Print plain text, which a terminal may wrap and a log keeps on one line.

    Args:
        console: where to.
        text: printed as it is, brackets included.
        label: what stands before it, in rich's markup; for example ``[yellow]Note:[/]``.
    """
    if label:
        console.print(label, end=" ")
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_notes(console: Console, notes: Iterable[str], label: str = "[yellow]Note:[/]") -> None:
    """Print what qualifies results, one line each."""
    for note in notes:
        print_line(console, note, label)


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a job is.

    Yields:
        A function of (done, total) that moves the bar. Without a terminal, a few
        lines say how far it is and what was done; nothing for work of no time.
    """
    started, last = time.perf_counter(), (0, 0)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            nonlocal last
            # A log gets a line at every fifth of a job that takes long enough to wonder.
            fifth = total > 0 and done * 5 // total > last[0] * 5 // total and done < total
            if fifth and not console.is_terminal and time.perf_counter() - started > 5:
                console.print(f"{title}: {done} of {total}", markup=False, highlight=False)
            last = (done, total)
            bar.update(task, completed=done, total=total)

        yield advance
    seconds = time.perf_counter() - started
    if last[1] and seconds > 0.5:
        console.print(
            f"{title}: {last[0]} of {last[1]} in {seconds:.1f} s", markup=False, highlight=False
        )


@contextmanager
def busy(console: Console, title: str) -> Iterator[None]:
    """Say what takes a while: beside a wheel in a terminal, in a line elsewhere."""
    if not console.is_terminal:
        console.print(title, markup=False, highlight=False)
        yield
        return
    with console.status(Text(title)):
        yield
