"""The text of a parameter table, whatever program wrote it: encoding, separators, numbers."""

import bz2
import codecs
import csv
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dagnn.errors import MissingDataError, TableError

_COMPRESSIONS = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
# UTF-32 first: its mark begins with that of UTF-16.
_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Word processors write other dashes, quotes and blanks, and invisible characters.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\ufeff\u200b\u2060", None),
    }
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][+-]?[0-9]+)?")
_MISSING = {"", "-", "--", "---", "nan", "-nan", "+nan", "inf", "-inf", "+inf", "infinity"} | {
    "-infinity", "na", "n/a", "null", "none", "masked", "missing", "?", "*", "."
}  # fmt: skip
_COMMENT_LINE = re.compile(r"\s*(?:[#!%]|//)[#!%/\s]*")
_TRAILING_COMMENT = re.compile(r"(?:^|(?<=[\s,;|]))(?:[#!%]|//).*")
_SEPARATORS = ";|,"


@dataclass(frozen=True)
class Line:
    """A line of a table that holds something.

    Attributes:
        number: of the line in the file, from 1 on.
        text: what it says, without comment mark and trailing comment.
        cells: the text, split.
        comment: whether the whole line is a comment.
    """

    number: int
    text: str
    cells: tuple[str, ...]
    comment: bool

    @property
    def is_row(self) -> bool:
        """Whether the line holds values, good or bad, and not names, units or a remark."""
        name, *rest = self.cells
        if self.comment or not rest:
            return False
        # Split at everything: values with decimal commas are values, too.
        finest = re.split(r"[\s,;|\"']+", self.text.strip(" \t\"'|"))
        missing = any(map(str.isdigit, name)) and all(map(is_missing, rest))
        return missing or any(to_number(cell) is not None for cell in finest[1:])


def read_text(path: Path) -> str:
    """Return the text of a file, decompressed and decoded, with plain dashes, quotes and blanks.

    Raises:
        MissingDataError: there is no such file.
        TableError: it holds no text.
    """
    if not path.is_file():
        raise MissingDataError(f"There is no parameter table {path}. Check the path.")
    content = path.read_bytes()
    try:
        for mark, decompress in _COMPRESSIONS.items():
            content = decompress(content) if content.startswith(mark) else content
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        text = f"{path} is compressed and cannot be unpacked ({error}). Fetch it again."
        raise TableError(text) from error
    encoding = next(
        (name for mark, name in _ENCODINGS.items() if content.startswith(mark)), "utf-8"
    )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path} is not a text file in UTF-8 ({error.reason} at byte {error.start}). Save it "
            "as plain text in UTF-8, or fetch it again."
        ) from error
    if "\0" in text:
        raise TableError(f"{path} is not a text file: it holds zero bytes. Fetch it again.")
    if text.lstrip()[:15].lower().startswith(("<!doctype", "<html", "<?xml")):
        raise TableError(f"{path} looks like a web page, not a table. Fetch the raw file.")
    return text.translate(_PLAIN)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file that hold letters or digits; blank ones and rules do not.

    Raises:
        MissingDataError: there is no such file.
        TableError: it holds no text, or a line cannot be split.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        mark = _COMMENT_LINE.match(line)
        body = _TRAILING_COMMENT.sub("", line[mark.end() :] if mark else line).strip()
        if not any(map(str.isalnum, body)):
            continue
        try:
            yield Line(number, body, split_row(body), comment=mark is not None)
        except csv.Error as error:
            raise TableError(f"{path}, line {number} cannot be split ({error}).") from error


def split_row(line: str) -> tuple[str, ...]:
    r"""Split a line at semicolons, bars or commas where it has some, else at blanks and tabs.

    Quotes around a cell are removed. Empty cells between separators stay, one at the end does not.

    Example:
        >>> split_row("LH_0\t0.3  0.8 67 ")
        ('LH_0', '0.3', '0.8', '67')
        >>> split_row('"LH_0", 0.3,,67,')
        ('LH_0', '0.3', '', '67')
    """
    line = line.strip()
    unquoted = re.sub(r'"[^"]*"', "", line)
    separator = next((mark for mark in _SEPARATORS if mark in unquoted), None)
    if separator is None:
        cells = re.findall(r'"[^"]*"|\S+', line)
    else:
        line = line.strip("|").rstrip() if separator == "|" else line
        (cells,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
        cells = cells[:-1] if len(cells) > 1 and not cells[-1].strip() else cells
    return tuple(cell.strip().strip("\"'").strip() for cell in cells)


def is_missing(cell: str) -> bool:
    """Tell whether a cell says that it has no finite value.

    Example:
        >>> is_missing("NaN"), is_missing("N/A"), is_missing("0.0")
        (True, True, False)
    """
    return cell.casefold() in _MISSING


def to_number(cell: str) -> float | None:
    """Return the number that a cell holds, with Fortran's exponents too, or None.

    Example:
        >>> to_number("3.0D-01"), to_number(".5"), to_number("1_000"), to_number("0,3")
        (0.3, 0.5, None, None)
    """
    if _NUMBER.fullmatch(cell) is None:
        return None
    return float(cell.lower().replace("d", "e"))
