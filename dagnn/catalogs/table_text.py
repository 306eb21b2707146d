"""The text of a parameter table, whatever program wrote it, and the meaning of its columns."""

import bz2
import codecs
import csv
import gzip
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagnn.catalogs.suites import guess_suite
from dagnn.errors import MissingDataError, TableError
from dagnn.parameters import canonical_name

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
    """Return whether a cell states that it has no finite value.

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


SEED = "seed"
_SEEDS = {"seed", "seeds", "randomseed", "icseed", "seedic", "seedics"}
_NAMES = {
    "", "name", "names", "sim", "sims", "simname", "simid", "simulation", "simulations",
    "simulationname", "simulationid", "box", "boxname", "boxid", "realization", "realisation",
    "realizationname", "realisationname", "run", "runname", "id", "model", "label",
}  # fmt: skip
_TWO_WORDS = [[kind, "name"] for kind in ("sim", "simulation", "box", "run", "realization")]
_DIMENSIONLESS = re.compile(r"[\[(]\s*(?:-|1|none|dimensionless|unitless)?\s*[\])]$", re.IGNORECASE)
_NAMING = re.compile(r"CosmoAstroSeed_(?!params\.)")
_INFO = re.compile(r"Info_(.+?)(?:_(L\d+n\d+))?_\d+params\.")
_VOLUME = re.compile(r"L\d+n\d+")


def canonical_columns(spellings: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return canonical names where there are some and the file's own otherwise.

    Raises:
        TableError: two columns mean the same parameter.
    """
    columns = tuple(canonical_name(spelling) or spelling for spelling in spellings)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise TableError(f"{path} has more than one column for {', '.join(twice)}. Remove one.")
    return columns


def header_spellings(
    above: Sequence[Line], n_numbers: int, seed_last: bool, path: Path
) -> tuple[str, ...] | None:
    """Return the names of the numeric columns that a header gives; None where there is none.

    Of the lines above the rows, that which knows most words is the header; remarks, units and
    rules are not.

    Args:
        above: lines above the rows.
        n_numbers: numbers in every row after the simulation's name.
        seed_last: whether the last column, and no other, holds whole numbers only.
        path: the table.

    Raises:
        TableError: the header does not fit the rows, or can be read in more than one way.
    """
    headers = [line for line in above if all(to_number(cell) is None for cell in line.cells[1:])]
    most = max((_known(line.cells) for line in headers), default=0)
    lost = [line for line in above if line not in headers and _known(line.cells) > most]
    if lost:
        raise TableError(
            f"{path}, line {lost[0].number} names parameters and holds numbers, so that it is "
            "neither a header nor a row. Name all columns in one line, or remove it."
        )
    best = [line for line in headers if _known(line.cells) == most]
    if len(best) < 2:
        return _reading(best[0], n_numbers, seed_last, path) if best else None
    readings = {_fitting(line, n_numbers, seed_last, path): line for line in best}
    readings.pop(None, None)
    if len(readings) > 1:
        lines = " or ".join(f"line {line.number} ({line.text[:60]})" for line in best)
        raise TableError(
            f"{path}: the header may be {lines}. Remove one, or name columns as CAMELS does "
            "(#Name Omega_m sigma_8 ... seed)."
        )
    return _reading(next(iter(readings.values()), best[0]), n_numbers, seed_last, path)


def check_below(
    below: Sequence[Line], spellings: Sequence[str], seed_last: bool, path: Path
) -> None:
    """Refuse comments below the first row that are a header with other columns.

    Raises:
        TableError: there is one, as where tables were written one behind the other.
    """
    for line in below:
        other = _fitting(line, len(spellings), seed_last, path) if _known(line.cells) > 1 else None
        if other and canonical_columns(other, path) != canonical_columns(spellings, path):
            raise TableError(
                f"{path}, line {line.number} is a header with other columns than the rows above "
                f"it ({', '.join(spellings)}). Make one file of each table."
            )


def headerless_spellings(n_numbers: int, path: Path) -> tuple[str, ...]:
    """Return names for the columns of a table without a header.

    The last column is the seed. An ``Info_*_{n}params`` file of the same suite beside the table
    names the others; without one only the first two are known to be Omega_m and
    sigma_8, because the order of the feedback parameters differs between suites.
    """
    count = n_numbers - 1
    known = ["Omega_m", "sigma_8", *(f"p{k}" for k in range(3, count + 1))]
    return (*(_info_names(count, path) or known[:count]), SEED)


def _fold(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))


def _known(words: Sequence[str]) -> int:
    """Return how many words name the simulation, a parameter or the seed."""
    parameters = sum(canonical_name(word) is not None or _fold(word) in _SEEDS for word in words)
    return parameters + (_fold(words[0]) in _NAMES)


def _fitting(line: Line, n_numbers: int, seed_last: bool, path: Path) -> tuple[str, ...] | None:
    try:
        return _reading(line, n_numbers, seed_last, path)
    except TableError:
        return None


def _reading(line: Line, n_numbers: int, seed_last: bool, path: Path) -> tuple[str, ...]:
    """Return the names of the numeric columns that a header line announces.

    A first word that means "name" stands above the simulations. Any other unknown word may stand
    there or above the first number: it counts as a name only where every column then has a word.
    """
    stripped = [(_DIMENSIONLESS.sub("", word).strip(), word) for word in line.cells]
    words = [bare for bare, word in stripped if bare or not word]
    if [_fold(word) for word in words[:2]] in _TWO_WORDS:
        words = [" ".join(words[:2]), *words[2:]]
    named = _fold(words[0]) in _NAMES
    first_known = canonical_name(words[0]) is not None or _fold(words[0]) in _SEEDS
    later = next((word for word in words[1:] if _fold(word) in _NAMES - {""}), None)
    if later is not None and not named:
        raise TableError(
            f"{path}, line {line.number}: the header names the simulations by {later!r}, which is "
            "not its first word, but rows begin with them. Put that word first."
        )
    if not (named or first_known) and len(words) <= n_numbers:
        raise TableError(
            f"{path}, line {line.number}: the header can be read in two ways. Either {words[0]!r} "
            f"stands above the simulations, and {n_numbers + 1 - len(words)} of the {n_numbers} "
            f"numbers of a row have no name; or {words[0]!r} is the first of the numbers. Begin "
            "the header with 'Name', and name every column, the seed too."
        )
    rest = words if first_known else words[1:]
    spellings = [SEED if _fold(word) in _SEEDS else word for word in rest]
    unnamed_seed = seed_last and all(canonical_name(word) for word in rest)
    if len(rest) == n_numbers - 1 and unnamed_seed:
        spellings.append(SEED)
    if len(spellings) != n_numbers:
        raise TableError(
            f"{path}, line {line.number}: the header names {len(rest)} columns after the "
            f"simulation ({', '.join(rest)[:80]}), the rows hold {n_numbers} numbers. Name every "
            "column in the header line, the seed too."
        )
    if spellings.count(SEED) > 1:
        raise TableError(f"{path}, line {line.number} names more than one seed. Remove one.")
    return tuple(spellings)


def _info_names(count: int, path: Path) -> list[str]:
    """Return the parameters listed by the Info file of the table's suite, or nothing."""
    for file in sorted(path.parent.glob(f"Info_*_{count}params.*")):
        info = _INFO.match(file.name)
        if info is None or not _same_suite(path, info[1]):
            continue
        volume = _VOLUME.search(path.name)
        if volume and info[2] and volume[0] != info[2]:
            continue
        names = [line.cells[0] for line in read_lines(file)][1:]
        if len(names) == count:
            return names
    return []


def _same_suite(path: Path, named: str) -> bool:
    """Return whether a table is of a suite, by its own name or else by that of its folder."""
    by_name = _NAMING.match(path.name) or guess_suite(path.name)
    place = path.name if by_name else path.parent.name
    one, other = guess_suite(place), guess_suite(named)
    if one is not None or other is not None:
        return one is other
    spelled = rf"(?<![a-z0-9]){re.escape(named)}(?![a-z0-9])"
    return re.search(spelled, place, flags=re.IGNORECASE) is not None
