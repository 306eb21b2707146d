"""Terminals, backends, homes, disks and folder names as users have them, not as we wish them."""

import io
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import split

import matplotlib
import pytest
from rich.table import Table
from rich.text import Text

import dagnn.errors
from dagnn.catalogs.cache import default_cache
from dagnn.console import make_readable, screen
from dagnn.evaluation.storage import write_table
from dagnn.files import atomic_path, write_text
from dagnn.records import EpochRecord
from dagnn.report.figures.run import training_figure
from dagnn.report.figures.style import figure_svg
from dagnn.run.folder import RunFolder, require_free
from dagnn.run.trained import load_network
from dagnn.training import Checkpoints
from dagnn.training.callbacks import MetricsLog

SOURCE = Path(dagnn.__file__).parents[1]


def command(*words: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "COLUMNS": "100"} | settings
    words = (sys.executable, "-m", "dagnn", *words)
    return subprocess.run(words, env=environment, capture_output=True, check=False)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond some bytes, which fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_output_is_readable_in_any_encoding(encoding: str, monkeypatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    table = Table("Ω_m → R²", "χ²")
    table.add_row("0.3 ± 0.1", "−2 ≤ σ")
    screen(60).print(table)
    screen().print(Text("Problem: 5 × κ"))
    sys.stdout.write("🙂 \udcff")
    sys.stdout.flush()
    written = raw.getvalue()
    assert written.endswith(b"\xff"), "bytes of a file name stay as they are"
    lines = written[:-1].decode(encoding).splitlines()
    ruled = [line for line in lines if "R" in line or "0.3" in line]
    assert len({len(line) for line in ruled}) == 1, "columns stay straight"
    shown = " ".join(lines)
    if encoding == "utf-8":
        assert all(word in shown for word in ("Ω_m → R²", "χ²", "0.3 ± 0.1", "−2 ≤ σ", "× κ", "🙂"))
    else:
        assert all(word in shown for word in ("Omega_m -> R", "chi", "-2 <= sigma", " kappa ?"))
        assert ("0.3 +- 0.1" if encoding == "ascii" else "0.3 ± 0.1") in shown


def test_a_stream_that_is_not_made_of_bytes_is_left_alone() -> None:
    for stream in (io.StringIO(), None):
        make_readable(stream)


@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_help_and_errors_of_the_command_are_readable(settings: dict[str, str]) -> None:
    shown = command("--help", **settings)
    assert shown.returncode == 0 and b"suite x suite" in shown.stdout, shown.stderr
    failed = command("train", "--Ω", **settings)
    assert failed.returncode == 2 and b"No such option" in failed.stderr
    assert b"Traceback" not in failed.stderr


def test_a_standard_output_that_is_full_is_one_clear_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dagnn", "--help"],
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "Error: No space left on device: standard output."


STRANGE = {
    "text.usetex": True,
    "axes.unicode_minus": False,
    "figure.dpi": 30.0,
    "font.family": ["no such font"],
    "font.size": 40.0,
    "savefig.facecolor": "red",
    "svg.fonttype": "none",
    "axes.prop_cycle": matplotlib.cycler(color=["r"]),
    "path.sketch": (1.0, 100.0, 2.0),
}


@pytest.fixture
def history() -> list[EpochRecord]:
    return [EpochRecord(k, k, 1e-3, 0.1, {"total": 1 / k}, {"source_error": 1 / k}) for k in (1, 2)]


def test_the_matplotlibrc_of_a_user_changes_no_figure(history) -> None:
    def drawn() -> bytes:
        return figure_svg(training_figure({"model": history}))

    plain = drawn()
    with matplotlib.rc_context(STRANGE):
        assert drawn() == plain
        assert matplotlib.rcParams["text.usetex"], "the user's own settings come back"


FIGURES_OF_THE_COMMAND = """
from dagnn.cli import main
try:
    main()
finally:
    import matplotlib
    print(matplotlib.get_backend())
"""


def test_the_command_needs_neither_the_backend_nor_the_matplotlibrc_of_a_user(tmp_path) -> None:
    broken = tmp_path / "matplotlibrc"
    broken.write_bytes(b"\xff\xfe: no text")
    environment = os.environ | {"MPLBACKEND": "no-backend", "MATPLOTLIBRC": str(broken)}
    done = subprocess.run(
        [sys.executable, "-c", FIGURES_OF_THE_COMMAND, "--version"],
        env=environment | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "agg", done.stderr


@pytest.mark.parametrize("home", ["", "/dev/null", "closed"])
def test_without_a_home_the_cache_is_a_temporary_folder_and_says_so(
    home: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv("DAGNN_CACHE", raising=False)
    monkeypatch.setenv("HOME", home if home != "closed" else str(tmp_path))
    if home == "closed":
        monkeypatch.setattr(os, "access", lambda path, _: not tmp_path.is_relative_to(path))
    with pytest.warns(UserWarning, match=r"\$DAGNN_CACHE"):
        found = default_cache()
    assert found.is_absolute() and found.name.startswith("dagnn-")


def test_a_home_that_can_be_written_holds_the_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("DAGNN_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "dagnn"


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path) -> None:
    path = write_text(tmp_path / "report.html", "old")
    with room_for(100), pytest.raises(OSError) as caught:
        write_text(path, "new" * 100)
    assert caught.value.filename == str(path) and caught.value.strerror
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_an_error_about_another_file_keeps_its_name(tmp_path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "new.txt"):
        (tmp_path / "absent").open()
    assert caught.value.filename == str(tmp_path / "absent")


@pytest.mark.parametrize("room", [0, 300, 900, 1300])
def test_a_full_disk_leaves_the_checkpoint_before(room: int, tmp_path) -> None:
    from dagnn.training import load_checkpoint
    from dagnn.training.checkpoint import Checkpoint

    def state(epoch: int) -> Checkpoint:
        return Checkpoint({}, {}, {}, {}, {}, epoch, epoch, 9, {}, [])

    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1), best=True)
    with room_for(room), pytest.raises(OSError) as caught:
        checkpoints.save(state(2), best=True)
    assert caught.value.filename == str(checkpoints.last)
    assert load_checkpoint(checkpoints.last).epoch == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "last.pt"]


def test_a_full_disk_leaves_whole_lines_of_metrics(history, tmp_path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.on_start(None, history[:1])
    before = log.path.read_text()
    with room_for(len(before) + 20), pytest.raises(OSError) as caught:
        log.on_epoch(history[1])
    assert caught.value.filename == str(log.path) and log.path.read_text() == before


def test_a_mock_catalogue_is_written_whole_or_not_at_all(tmp_path) -> None:
    from dagnn.mocks.suites import SUITES
    from dagnn.mocks.universe import write_box

    suite = next(iter(SUITES.values()))
    place = tmp_path / "groups_090.hdf5"
    fiducial = {"Omega_m": 0.3, "sigma_8": 0.8} | dict.fromkeys(
        ("A_SN1", "A_AGN1", "A_SN2", "A_AGN2"), 1.0
    )
    with room_for(5000), pytest.raises(OSError) as caught:
        write_box(suite.name, fiducial, 0, place)
    assert caught.value.filename == str(place) and list(tmp_path.iterdir()) == []


WITHOUT_GUARD = """
import multiprocessing
from functools import partial
multiprocessing.set_start_method("spawn")
print("the script runs", flush=True)
from dagnn.catalogs.cache import _results
from dagnn.workers import each
print(sorted(result for _, result in each(divmod, [(7, 2), (9, 4)], 2)))
print(list(_results(partial(divmod, 7), [2, 3], 2)))
"""


def test_a_script_without_a_main_guard_is_not_run_again_by_its_workers(tmp_path) -> None:
    script = tmp_path / "train.py"
    script.write_text(WITHOUT_GUARD)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["the script runs", "[(2, 1), (3, 1)]", "[(3, 1), (2, 1)]"]


@pytest.mark.parametrize("name", ["my run [1]", "a [bold]b[/]", "it's; ls", "$HOME"])
def test_printed_commands_can_be_pasted(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("runs") / name)
    write_text(folder.config, "")
    for act in (
        lambda: require_free(folder.path),
        lambda: load_network(folder, None),
    ):
        with pytest.raises(dagnn.errors.DagnnError) as caught:
            act()
        said = str(caught.value).partition("dagnn ")[2]
        assert split(said) == ["train", "--resume", str(folder.path)]
    shown = Checkpoints(folder.checkpoints).resume_command
    assert split(shown) == ["dagnn", "train", "--resume", str(folder.path)]


def test_names_that_are_not_utf8_are_written_into_text(tmp_path) -> None:
    odd, good = "runs/\udcff", "Ω".encode().decode("ascii", "surrogateescape")
    assert write_text(tmp_path / "a", f"{odd} {good}").read_text("utf-8") == "runs/\\xff Ω"
    table = write_table(tmp_path / "b.csv", ["id"], [[odd], [good]])
    assert table.read_text("utf-8") == "id\nruns/\\xff\nΩ\n"
