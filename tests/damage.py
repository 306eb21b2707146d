"""Damage files of every kind, repeatably, and see that nothing but an error of ours comes of it.

``DAGNN_FUZZ_SEED`` and ``DAGNN_FUZZ_CASES`` (per kind of file) run other and more cases.
"""

import io
import json
import math
import os
import re
import shutil
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dagnn.errors import DagnnError

SEED = int(os.environ.get("DAGNN_FUZZ_SEED", "0"))
CASES = int(os.environ.get("DAGNN_FUZZ_CASES", "6"))
ODD_VALUES = (
    None, True, -1, 0, 7, 1e308, -0.5, math.nan, math.inf, "", "x", "Ω", [], [1], ["a"], {},
    {"a": 1}, [[1, 2]], 10**30,
)  # fmt: skip
ODD_CELLS = ("", "nan", "inf", "-1", "x", "1e999", "0", "Ω", '"', "a,b", "\x00")
ODD_BYTES = (b"\x00", b"\xff\xfe", b"\n", b",", b"{", b'"', b"\x89HDF", b"[", b": ", b"\t", b"-")

Random = np.random.Generator


@dataclass
class Damaged:
    """What happened.

    Attributes:
        cases: how many were tried.
        refused: how many ended with an error of ours.
        silent: cases in which another answer came from a file with checksums.
        broken: cases that ended otherwise, with what they ended with.
    """

    cases: int = 0
    refused: int = 0
    silent: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 9))):
        changed[int(random.integers(len(changed)))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def flip_start(content: bytes, random: Random) -> bytes:
    """Change bytes of the header, where most of the meaning is."""
    head = min(len(content), 512)
    return flip(content[:head], random) + content[head:]


def truncate(content: bytes, random: Random) -> bytes:
    return content[: int(random.integers(len(content)))]


def insert(content: bytes, random: Random) -> bytes:
    place = int(random.integers(len(content) + 1))
    odd = ODD_BYTES[int(random.integers(len(ODD_BYTES)))] * int(random.integers(1, 4))
    return content[:place] + odd + content[place:]


def remove(content: bytes, random: Random) -> bytes:
    place = int(random.integers(len(content)))
    return content[:place] + content[place + int(random.integers(1, 65)) :]


def repeat(content: bytes, random: Random) -> bytes:
    return content + content[int(random.integers(len(content))) :]


BYTES = (flip, flip_start, truncate, insert, remove, repeat)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to every value of nested mappings and lists."""
    inner: Any = ()
    if isinstance(tree, dict):
        inner = list(tree.items())
    elif isinstance(tree, list):
        inner = list(enumerate(tree))[:20]
    for key, value in inner:
        yield (*path, key)
        yield from _places(value, (*path, key))


def change_tree(tree: Any, random: Random, odd: tuple[Any, ...] = ODD_VALUES) -> Any:
    """Replace or drop one value of nested mappings and lists."""
    places = list(_places(tree))
    # Each depth is as likely: most values lie deep.
    depth = int(random.choice(sorted({len(place) for place in places})))
    places = [place for place in places if len(place) == depth]
    *way, last = places[int(random.integers(len(places)))]
    holder = tree
    for key in way:
        holder = holder[key]
    if random.random() < 0.2:
        del holder[last]
    else:
        holder[last] = odd[int(random.integers(len(odd)))]
    return tree


def change_json(content: bytes, random: Random) -> bytes:
    return json.dumps(change_tree(json.loads(content), random)).encode()


def change_lines(content: bytes, random: Random) -> bytes:
    """Change one line of JSON."""
    lines = content.splitlines()
    number = int(random.integers(len(lines)))
    lines[number] = change_json(lines[number], random)
    return b"\n".join(lines) + b"\n"


def change_table(content: bytes, random: Random) -> bytes:
    """Drop, rename, double or move a column; change, drop or double a row."""
    separator = "," if b"," in content.splitlines()[0] else " "
    rows = [line.split(separator) for line in content.decode().splitlines()]
    column, row = int(random.integers(len(rows[0]))), int(random.integers(1, len(rows)))
    act = int(random.integers(8))
    if act == 0:
        rows = [[cell for k, cell in enumerate(cells) if k != column] for cells in rows]
    elif act == 1:
        rows[0][column] += "x"
    elif act == 2:
        rows = [[*cells, cells[min(column, len(cells) - 1)]] for cells in rows]
    elif act == 3:
        rows[row] = rows[row][: int(random.integers(len(rows[row])))]
    elif act == 4:
        rows.append(rows[row])
    elif act == 5:
        del rows[row]
    else:
        place = min(column, len(rows[row]) - 1)
        rows[row][place] = ODD_CELLS[int(random.integers(len(ODD_CELLS)))]
    return "\n".join(separator.join(cells) for cells in rows).encode() + b"\n"


def _odd_array(values: np.ndarray, random: Random) -> np.ndarray:
    acts: list[Callable[[], np.ndarray]] = [
        lambda: values.reshape(-1)[:-1] if values.size else values,
        lambda: values[None],
        lambda: values.astype(str),
        lambda: np.zeros((0, *values.shape[1:]), values.dtype),
        lambda: np.array(3.0),
        lambda: values.T,
        lambda: np.full(values.shape, np.nan),
        lambda: np.full(values.shape, -np.inf),
        lambda: np.array({"a": 1}, dtype=object),
        lambda: values.astype(complex) if values.dtype.kind in "fiu" else values,
        lambda: np.array([b"x"]),
    ]
    return acts[int(random.integers(len(acts)))]()


def change_archive(content: bytes, random: Random) -> bytes:
    """Write an .npz with one array changed, dropped or renamed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = str(random.choice(list(arrays)))
    act = random.random()
    if act < 0.15:
        del arrays[name]
    elif act < 0.25:
        arrays[f"{name}x"] = arrays.pop(name)
    else:
        arrays[name] = _odd_array(arrays[name], random)
    written = io.BytesIO()
    np.savez(written, **arrays)
    return written.getvalue()


def change_array(content: bytes, random: Random) -> bytes:
    """Write an .npy with other values, or a header that does not fit."""
    values = np.load(io.BytesIO(content))
    if random.random() < 0.5:
        written = io.BytesIO()
        np.save(written, _odd_array(values, random))
        return written.getvalue()
    length = struct.unpack("<H", content[8:10])[0]
    header = content[10 : 10 + length].decode()
    swaps = [
        ("'<f8'", "'<f4'"), ("'<f8'", "'|O'"), ("'<f8'", "'<U2'"), ("'<f8'", "'nonsense'"),
        ("'descr'", "'desc'"), ("(", "(-"), (")", ", 9)"), ("(", "(9"), ("{", "["), ("'", '"'),
        ("False", "None"), ("(", "(1e9"), ("{", "__import__('os'){"), ("(", "(10**20, "),
    ]  # fmt: skip
    header = header.replace(*swaps[int(random.integers(len(swaps)))], 1)[:length].ljust(length)
    return content[:10] + header.encode() + content[10 + length :]


def change_torch(content: bytes, random: Random) -> bytes:
    """Write a torch file with one value changed or dropped."""
    tree = torch.load(io.BytesIO(content), weights_only=True)
    odd = (*ODD_VALUES, torch.zeros(0), torch.full((3,), torch.nan), torch.ones(2, 3))
    written = io.BytesIO()
    torch.save(change_tree(tree, random, odd), written)
    return written.getvalue()


STRUCTURED: dict[str, Callable[[bytes, Random], bytes]] = {
    ".json": change_json,
    ".jsonl": change_lines,
    ".log": change_lines,
    ".csv": change_table,
    ".txt": change_table,
    ".npz": change_archive,
    ".npy": change_array,
    ".pt": change_torch,
}
CHECKED = (".npz", ".pt")
"""Files whose own checksums tell that bytes have changed."""


class Harness:
    """Damages files below a folder, one at a time, and restores all of them after each case.

    Args:
        root: the folder.
        structured: further kinds of damage by suffix.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}

    @contextmanager
    def damaged(self, file: Path, random: Random) -> Iterator[tuple[str, bool]]:
        """Damage a file.

        Yields:
            What was done, and whether checksums must tell.
        """
        content = self.before[file]
        kinds: list[Any] = [*BYTES, "empty", "folder", "swap", "absent"]
        kinds += [STRUCTURED[file.suffix]] * 8 if file.suffix in STRUCTURED else []
        kind = kinds[int(random.integers(len(kinds)))]
        name, told = getattr(kind, "__name__", kind), False
        file.unlink()
        if kind == "folder":
            file.mkdir()
        elif kind == "swap":
            others = sorted(path for path in self.before if path != file)
            file.write_bytes(self.before[others[int(random.integers(len(others)))]])
        elif kind == "empty":
            file.write_bytes(b"")
        elif kind != "absent":
            changed = kind(content, random) if content else b"\x00"
            file.write_bytes(changed)
            told = kind in BYTES and file.suffix in CHECKED
        try:
            yield name, told
        finally:
            self.restore()

    def restore(self) -> None:
        """Put back every file as it was, and remove what is new."""
        for path in sorted(self.root.rglob("*"), reverse=True):
            if path in self.before and path.is_dir():
                shutil.rmtree(path)
            elif path not in self.before and path.is_file():
                path.unlink()
        for path, content in self.before.items():
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def run(
        self,
        file: Path,
        acts: dict[str, Callable[[], Any]],
        same: Callable[[Any, Any], bool] = lambda one, other: True,
        cases: int = CASES,
    ) -> Damaged:
        """Try every act on many damages of one file.

        Args:
            file: to be damaged.
            acts: what a user would do, by name.
            same: whether two answers of one act are equal.
            cases: how many damages.
        """
        name = str(file.relative_to(self.root))
        random = np.random.default_rng([SEED, *name.encode()])
        found = Damaged()
        expected = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for act, call in acts.items():
                expected[act] = call()
                self.restore()
            for case in range(cases):
                for act, call in acts.items():
                    with self.damaged(file, random) as (kind, told):
                        where = f"{name}, case {case}, {kind}, {act}"
                        found.cases += 1
                        try:
                            answer = call()
                        except DagnnError as error:
                            found.refused += 1
                            if not str(error).strip():
                                found.broken.append(f"{where}: an error without a word")
                        except Exception as error:
                            if isinstance(error, OSError) and error.filename is not None:
                                found.refused += 1  # the command names file and reason
                                continue
                            found.broken.append(f"{where}: {_last_place(error)}")
                        else:
                            if told and not same(answer, expected[act]):
                                found.silent.append(where)
        return found


def _last_place(error: BaseException) -> str:
    """Say what an exception was, and where dagnn was when it came."""
    place, trace = "", error.__traceback__
    while trace is not None:
        if "dagnn" in trace.tb_frame.f_code.co_filename:
            place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}: {str(error)[:200]}"


def published_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the state dict of a graph network the names of the public programs."""
    swaps = ((r"encoder\.blocks\.(\d+)\.(edge|node)_mlp", r"layers.\1.\2_model.\2_mlp"),
             (r"head\.layers", "outlayer"))  # fmt: skip
    renamed = {}
    for name, value in state.items():
        for ours, theirs in swaps:
            if re.match(ours, name):
                renamed[re.sub(ours, theirs, name)] = value
    return renamed
