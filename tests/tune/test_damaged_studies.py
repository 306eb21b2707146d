"""A damaged study folder ends in one clear error, or in a study that can be shown."""

from collections.abc import Callable
from typing import Any

import pytest
from damage import Harness
from tiny_studies import QUIET, search

from dagnn import tune


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, spectra: Any) -> Any:
    """Give a finished study."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = tmp_path_factory.mktemp("studies")
        monkeypatch.setenv("DAGNN_CACHE", str(root / "cache"))
        search(spectra, root / "study", trials=2)
        yield Harness(root)


@pytest.mark.parametrize(
    "pattern",
    ["study.yaml", "study.db", "trials/*/config.yaml", "trials/*/sealed.json"],
)
def test_files_of_a_study(pattern: str, studied: Harness, spectra: Any) -> None:
    folder = studied.root / "study"
    acts: dict[str, Callable[[], Any]] = {
        "show": lambda: tune.show(folder, draw=False),
        "best": lambda: tune.best(folder, out=studied.root / "best.yaml", console=QUIET),
        "join": lambda: search(spectra, folder, trials=2) and None,
    }
    found = studied.run(next(folder.glob(pattern)), acts)
    assert not found.broken, "\n".join(found.broken)
