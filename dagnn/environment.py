"""What a run ran in, and what this machine can do.

Only the standard library is imported at the top; torch is imported where devices
are listed, so that recording an environment costs nothing.
"""

import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagnn

CORE = (
    "torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "pandas", "h5py", "matplotlib",
    "pydantic", "optuna",
)  # fmt: skip

SCATTER_INSTALL = "pip install --no-build-isolation torch-scatter"


OPTIONAL = MappingProxyType(
    {
        "torch-scatter": (
            "torch_scatter",
            "faster extremes on a GPU in PyG's layers and with kernel='reference'",
            f"{SCATTER_INSTALL}  (after torch; compiles for about 9 minutes)",
        ),
        "colossus": ("colossus", "mock universes", "pip install 'dagnn[mocks]'"),
        "galsim": ("galsim", "mock skies", "pip install 'dagnn[mocks]'"),
        "geomloss": ("geomloss", "optimal-transport check", "pip install 'dagnn[ot]'"),
    }
)
"""Optional package → name to import, what it adds, and the line that installs it."""


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_revision(folder: Path | None = None) -> str | None:
    """Return the git revision of dagnn's own source, or None outside a checkout.

    Uncommitted changes are marked by ``-dirty``. An installed copy that merely
    lies inside another project's checkout does not take that project's revision.

    Args:
        folder: the package folder; by default that of the running dagnn.
    """
    source = folder or Path(dagnn.__file__).parent

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(source), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    revision = git("rev-parse", "HEAD")
    if revision is None:
        return None
    return f"{revision}-dirty" if git("status", "--porcelain", "--untracked-files=no") else revision


def command_line() -> str:
    """Return the command of this process, quoted so that a shell can run it again."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def collect_environment(
    *,
    seed: int,
    device: str = "cpu",
    data: Mapping[str, str] | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Return everything ``environment.json`` records; all of it is plain JSON.

    Args:
        seed: seed of the run.
        device: where it computed.
        data: file or cache → hash of what was read.
        command: the command line, by default that of this process.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line() if command is None else command,
        "seed": seed,
        "device": device,
        "git_revision": git_revision(),
        "platform": platform.platform(),
        "versions": {
            "dagnn": dagnn.__version__,
            "python": platform.python_version(),
            **{name: installed_version(name) for name in (*CORE, *OPTIONAL)},
        },
        "data": dict(data or {}),
    }


@dataclass(frozen=True)
class Fact:
    """One line of ``dagnn doctor``.

    Attributes:
        name: what was looked at.
        value: what was found.
        active: whether it is there and works.
        advice: what to do where it is not.
    """

    name: str
    value: str
    active: bool = True
    advice: str = ""


def _devices() -> Fact:
    import torch

    if not torch.cuda.is_available():
        advice = "a CUDA build of torch and a driver; everything also runs without"
        return Fact("CUDA devices", "none", active=False, advice=advice)
    names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return Fact("CUDA devices", ", ".join(names))


def _pyg_sees_scatter() -> bool:
    from torch_geometric.typing import WITH_TORCH_SCATTER

    return bool(WITH_TORCH_SCATTER)


# Being installed is not enough here: a torch-scatter built for another torch does not load.
_WORKS: Mapping[str, Callable[[], bool]] = MappingProxyType({"torch-scatter": _pyg_sees_scatter})


def _optional(name: str, module: str, purpose: str, install: str) -> Fact:
    if find_spec(module) is None:
        return Fact(name, f"not installed ({purpose})", False, install)
    version = installed_version(name) or "of unknown version"
    if not _WORKS.get(name, lambda: True)():
        value = f"{version}, but it does not load: built for another torch"
        return Fact(name, value, False, f"{install}, with --force-reinstall")
    return Fact(name, f"{version} ({purpose})")


def doctor_facts() -> list[Fact]:
    """Return what ``dagnn doctor`` prints: versions, devices, optional accelerators."""
    import torch

    core = [
        Fact(name, installed_version(name) or "missing", installed_version(name) is not None)
        for name in CORE
    ]
    return [
        Fact("dagnn", f"{dagnn.__version__} ({git_revision() or 'installed package'})"),
        Fact("python", f"{platform.python_version()} on {platform.platform()}"),
        *core,
        _devices(),
        Fact("CPU threads", str(torch.get_num_threads())),
        *(_optional(name, *package) for name, package in OPTIONAL.items()),
    ]


def doctor_lines() -> list[str]:
    """Return :func:`doctor_facts` as aligned text, with the install line of what is absent.

    Example:
        >>> any(line.startswith("✓ torch ") for line in doctor_lines())
        True
    """
    facts = doctor_facts()
    width = max(len(fact.name) for fact in facts)
    return [
        f"{'✓' if fact.active else '·'} {fact.name:<{width}}  {fact.value}"
        + (f"\n  {'':<{width}}  → {fact.advice}" if fact.advice else "")
        for fact in facts
    ]
