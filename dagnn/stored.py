"""Read files that may be damaged: what comes back is whole, or one error names the file."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.errors import CheckpointError, DagnnError, DataError

AGAIN = "Copy or download it again."
_MAPPED_FROM = 1 << 20


@contextmanager
def reading(
    path: Path | str, advice: str, error: type[DataError] = DataError, what: str = "is damaged"
) -> Iterator[None]:
    """Turn whatever a library raises for a broken file into one error.

    Args:
        path: the file.
        advice: what to do, as a sentence.
        error: raised instead.
        what: is wrong with the file.

    Raises:
        DataError: the block has failed; errors of ours pass.
    """
    try:
        yield
    except DagnnError:
        raise
    except Exception as problem:  # libraries raise nearly any type for bytes that they do not know
        if isinstance(problem, FileNotFoundError):
            what = "is missing"
        raise error(f"{path} {what} ({reason(problem)}). {advice}") from problem


def reason(problem: Exception) -> str:
    """Return the first line of the message of an exception, with its type where that is short.

    Example:
        >>> reason(KeyError("mean")), reason(ValueError("too short")), reason(EOFError())
        ("KeyError: 'mean'", 'too short', 'EOFError')
    """
    line = next(iter(str(problem).strip().splitlines()), "")[:200]
    if isinstance(problem, OSError) and problem.strerror:
        line = problem.strerror
    telling = " " in line and not isinstance(problem, KeyError)
    return line if telling else ": ".join(filter(None, (type(problem).__name__, line)))


def read_text(path: Path, advice: str = AGAIN) -> str:
    """Read a UTF-8 text file.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    with reading(path, advice):
        return path.read_text(encoding="utf-8")


def read_json(path: Path, advice: str = AGAIN) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    with reading(path, advice):
        content = json.loads(read_text(path, advice))
        if not isinstance(content, dict):
            raise ValueError(f"expected names and values, got a {type(content).__name__}")
        return content


def read_arrays(path: Path, advice: str = AGAIN) -> dict[str, NDArray[Any]]:
    """Read all arrays of an ``.npz`` file whose checksums are right.

    Raises:
        DataError: it cannot be read, or some bytes have changed.
    """
    with reading(path, advice):
        require_intact(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def require_intact(path: Path) -> None:
    """Compare every member of a zip archive with its checksum.

    Raises:
        ValueError: one differs: bytes have changed since the file was written.
    """
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
        if broken is not None:
            raise ValueError(f"the checksum of {broken} is wrong")


def read_npy(path: Path) -> NDArray[Any]:
    """Read an ``.npy`` file that is as long as its header states; large ones are mapped.

    Raises:
        ValueError: it holds Python objects, or is shorter or longer. A broken header can raise
            nearly anything else; see :func:`reading`.
    """
    size = path.stat().st_size
    if size > _MAPPED_FROM:
        mapped = np.lib.format.open_memmap(path, mode="r")
        end, array = int(mapped.offset) + mapped.nbytes, np.asarray(mapped)
    else:
        with path.open("rb") as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
            end = stream.tell()
    if end != size:
        raise ValueError(f"its header promises {end} bytes, and it has {size}")
    return array


def read_torch(path: Path | str, advice: str = AGAIN) -> Any:
    """Read tensors and plain values onto the CPU; nothing in the file is executed.

    Raises:
        CheckpointError: the file is absent, cannot be read, or some bytes have changed.
    """
    import torch

    path = Path(path)
    try:
        if zipfile.is_zipfile(path):  # as torch writes them since 1.6; it compares no checksums
            require_intact(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # torch's own message advises to run foreign code
        raise CheckpointError(
            f"{path} cannot be read as a weight file of tensors and plain values: it is missing, "
            f"was cut short or changed, or is another kind of file. {advice}"
        ) from problem
