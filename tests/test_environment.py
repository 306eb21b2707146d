"""The recorded environment is plain JSON, and the doctor tells what is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dagnn import environment
from dagnn.environment import (
    OPTIONAL,
    collect_environment,
    doctor_facts,
    doctor_lines,
    git_revision,
)


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def package(tmp_path):
    """A package inside a git checkout of its own, not yet added."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    git(tmp_path, "init")
    return folder


def test_what_is_recorded_is_json():
    record = collect_environment(seed=3, device="cpu", data={"a.hdf5": "00ff"})
    assert json.loads(json.dumps(record)) == record
    assert (record["seed"], record["device"], record["data"]) == (3, "cpu", {"a.hdf5": "00ff"})
    assert record["versions"]["torch"].startswith("2.")
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_command_line_can_be_run_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dagnn", "train", "--set", "a=b c"])
    assert collect_environment(seed=0)["command"] == "dagnn train --set 'a=b c'"
    assert collect_environment(seed=0, command="given")["command"] == "given"


def test_revision_of_a_checkout(package):
    assert git_revision(package) is None, "not tracked: an installed copy in another project"
    git(package, "add", "__init__.py")
    git(package, "commit", "-m", "Begin")
    revision = git_revision(package)
    assert len(revision) == 40
    (package / "__init__.py").write_text("x = 1\n")
    assert git_revision(package) == f"{revision}-dirty"


def test_without_git_there_is_no_revision(package, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_revision(package) is None


def test_doctor_names_everything():
    names = [fact.name for fact in doctor_facts()]
    assert {"dagnn", "python", "torch", "torch-geometric", "CUDA devices", *OPTIONAL} <= set(names)


def test_doctor_tells_how_to_install_what_is_absent(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    text = "\n".join(doctor_lines())
    for _, purpose, install in OPTIONAL.values():
        assert install in text
        assert purpose in text
    assert "pip install --no-build-isolation torch-scatter  (after torch; compiles" in text


def test_doctor_sees_a_torch_scatter_that_does_not_load(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: object())
    monkeypatch.setattr(environment, "_WORKS", {"torch-scatter": lambda: False})
    fact = next(fact for fact in doctor_facts() if fact.name == "torch-scatter")
    assert not fact.active
    assert "does not load" in fact.value
    assert "--force-reinstall" in fact.advice


def test_recording_needs_no_torch():
    code = "import sys; from dagnn.environment import collect_environment; \
        collect_environment(seed=0); print('torch' in sys.modules)"
    root = Path(environment.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "False", done.stderr
