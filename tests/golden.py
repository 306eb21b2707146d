"""Freeze what small runs print and write, and compare it after a redesign.

    python tests/golden.py freeze FOLDER      # with the code before
    python tests/golden.py compare FOLDER     # with the code after; exit code 1 on a difference

Runs every command below in a new folder under FOLDER, with the package of this checkout.
Compared are CSV files byte for byte, and the text of reports, model cards and printed
output without dates, durations, versions and paths. Digits depend on machine and threads, so
frozen outputs are not kept in the repository: freeze and compare on one machine.
"""

import argparse
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
STUDY = """
experiment: {config: spectra_mmd, source: [tng], target: [simba],
  set: {model.members: 1, training.epochs: 2, data.limit: 60}}
space: {training.learning_rate: {type: float, low: 3.0e-4, high: 1.0e-2, log: true}}
objectives: source_error
sampler: {name: random}
pruner: none
budget: {trials: 3}
"""
TINY = "--set training.epochs=2 --set evaluation.bootstrap=200"
SKY = f"{TINY} --set data.mock_boxes=150 --mock"
SPECTRA = f"--config spectra --data {SHARED}/camels --set data.limit=150 {TINY}"
COMMANDS = {
    "demo": f"train --mock --compare-source-only --set data.mock_boxes=24 {TINY} --out demo",
    "oracle": f"train --mock --compare-oracle --seeds 2 "
    f"--set data.mock_boxes=24 {TINY} --out seeds",
    "evaluate": "evaluate demo --suite simba --data MOCKS",
    "spectra": f"train {SPECTRA} --compare-source-only --out spectra",
    "mmd": f"train {SPECTRA} --set 'loss.terms={{mmd: {{weight: 1.0}}}}' --out mmd",
    "sky": f"train --config deepmerge_dann {SKY} --set evaluation.robustness.images=4 --out sky",
    "universal": f"train --config universal {SKY} --compare-source-only --out universal",
    "comparison": "report spectra mmd --out comparison",
    "classes": "report sky universal --out classes",
    "study": f"tune study.yaml --data {SHARED}/camels --out study",
    "show": "tune show study",
    "best": "tune best study --out best.yaml",
}
# What may differ between two runs of one code.
VOLATILE = [
    (r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?(\.\d+)?(\+\d\d:\d\d)?", "DATE"),
    (r"\d+(\.\d+)? ?(s|min|h|seconds|minutes)\b", "DURATION"),
    (r"/[\w./-]*", "PATH"),
    (r"data:image/[^\"')]*", "PICTURE"),
    (r"\b[0-9a-f]{7,64}\b", "HASH"),
    (r"[━╸╺]+.*", "PROGRESS"),
]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", choices=["freeze", "compare"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=COMMANDS)
    return parser.parse_args()


def text_of(path: Path) -> list[str]:
    """Return the lines of a file that must not change."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".csv":
        return text.splitlines()
    if path.suffix == ".html":
        text = re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", "\n", text)
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def outputs(folder: Path) -> dict[str, list[str]]:
    """Return the text of every output, by its path."""
    kept = {".csv", ".html", ".md", ".out"}
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in kept)
    return {
        str(path.relative_to(folder)): text_of(path)
        for path in found
        if path.relative_to(folder).parts[0] != "cache"
    }


def make(folder: Path, only: list[str] | None) -> None:
    """Run the commands in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(STUDY)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DAGNN_CACHE": str(folder.parent / "cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }
    for name, line in COMMANDS.items():
        if only and name not in only:
            continue
        arguments = shlex.split(line.replace("MOCKS", _mocks(folder)))
        command = [sys.executable, "-m", "dagnn", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        (folder / f"{name}.out").write_text(f"exit {done.returncode}\n{done.stdout}")
        print(f"{name}: exit {done.returncode}", *([done.stderr[-500:]] if done.returncode else []))


def _mocks(folder: Path) -> str:
    """Return the folder of mock universes that the first run made."""
    made = sorted((folder.parent / "cache").glob("mock-*-24"))
    return str(made[0]) if made else "none"


def main() -> None:
    """Freeze, or make anew and compare."""
    given = arguments()
    frozen, made = given.folder.resolve() / "frozen", given.folder.resolve() / "made"
    if given.action == "freeze":
        make(frozen, given.only)
        return
    shutil.rmtree(made, ignore_errors=True)
    make(made, given.only)
    before, after = outputs(frozen), outputs(made)
    if given.only:
        before = {path: lines for path, lines in before.items() if path in after}
    differ = 0
    for path in sorted({*before, *after}):
        old, new = before.get(path, []), after.get(path, [])
        if old != new:
            differ += 1
            change = list(
                difflib.unified_diff(old, new, f"before/{path}", f"after/{path}", "", "", 0)
            )
            print(*change[:40], sep="\n")
    print(f"{len(before)} files compared, {differ} differ")
    raise SystemExit(differ > 0)


if __name__ == "__main__":
    main()
