"""One reader of YAML: nothing changes its meaning without a word, and everything comes back."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml as yaml_1_1
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dagnn.catalogs.suites import load_suite_file
from dagnn.cli import app
from dagnn.config import Component, check_options, load_experiment
from dagnn.errors import ConfigError
from dagnn.files import resource_folder
from dagnn.run import load
from dagnn.run.folder import RunFolder
from dagnn.tune.study import read_study
from dagnn.yaml_files import Written, parse_yaml, read_yaml, to_yaml

WORDS = ["no", "on", "yes", "n", "010", "08", "0o10", "0x1F", "1:30", "1_000", "2024-01-01", "+1"]
NUMBERS = {"1e-3": 0.001, "1E3": 1000.0, ".5": 0.5, "5.": 5.0, "-.5e2": -50.0, "1.50": 1.5}
SHIPPED = [
    path
    for name in ("catalogs", "configs", "tuning")
    for path in resource_folder(name).glob("*.yaml")
]


@pytest.mark.parametrize("word", WORDS)
def test_words_stay_words(word: str) -> None:
    assert parse_yaml(f"{{a: {word}, {word}: 1}}", "it") == {"a": word, word: 1}
    experiment = load_experiment("base", [f"name={word}", f"source={word}", f"data.path={word}"])
    assert (experiment.name, experiment.source, experiment.data.path) == (word, [word], Path(word))


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_numbers_are_numbers_but_where_text_stands(text: str, value: float) -> None:
    assert parse_yaml(text, "it") == value
    experiment = load_experiment(
        "base",
        [f"name={text}", f"target=[{text}]", f"data.path={text}", "training.learning_rate=1e-3"],
    )
    assert (experiment.name, experiment.target) == (text, [text])
    assert (experiment.data.path, experiment.training.learning_rate) == (Path(text), 0.001)
    assert str(pickle.loads(pickle.dumps(Written(text)))) == text


def test_years_are_names_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "2024.yaml"
    path.write_text("extends: base\nname: 2024\nsource: 2020\ntarget: [2021]\ndata: {path: 2024}\n")
    experiment = load_experiment(path)
    assert (experiment.name, experiment.source, experiment.target) == ("2024", ["2020"], ["2021"])
    assert experiment.data.path == Path("2024")
    assert load(data=Path("1e3")).data.path == Path("1e3")
    assert load(data=Path("a: b #😀")).data.path == Path("a: b #😀")
    (tmp_path / "2025.yaml").write_text("extends: 2024\n")
    assert load_experiment(tmp_path / "2025.yaml") == experiment


def test_a_pattern_or_a_hash_is_no_yaml_on_the_command_line() -> None:
    given = ["data.images={suite}_X.npy", "data.labels=*_{suite}_y.npy", "name=run #3"]
    experiment = load_experiment("survey", given)
    options = experiment.data.options
    assert (options["images"], options["labels"]) == ("{suite}_X.npy", "*_{suite}_y.npy")
    assert experiment.name == "run #3"


def test_a_word_switches_and_decimals_count() -> None:
    given = ["evaluation.baselines=no", "loss.prior_guard=on", "training.epochs=010"]
    experiment = load_experiment("base", given)
    assert (experiment.evaluation.baselines, experiment.loss.prior_guard) == (False, True)
    assert experiment.training.epochs == 10
    with pytest.raises(ConfigError, match=r"training\.epochs.*'0o10'"):
        load_experiment("base", ["training.epochs=0o10"])
    with pytest.raises(ConfigError, match=r"name: .*True; put .* in quotes"):
        load_experiment("base", ["name=true"])


@pytest.mark.parametrize("value", [".inf", "-.INF", ".nan", "1e400", "inf", "nan"])
@pytest.mark.parametrize(
    "key",
    [
        "loss.terms.mmd.weight",
        "training.learning_rate",
        "training.clip_norm",
        "data.redshifts",
        "data.target_prior.Omega_m",
        "evaluation.robustness.levels",
        "training.epochs",
    ],
)
def test_numbers_are_finite(key: str, value: str) -> None:
    text = f"[0.1, {value}]" if "prior" in key else value
    with pytest.raises(ConfigError, match=r"finite number|valid integer"):
        load_experiment("base", [f"{key}={text}"])


def test_options_are_finite_and_text_stays_as_written() -> None:
    def tool(
        length: float = 1.0, names: list[str] | None = None, step: float | str = ""
    ) -> None: ...

    options = parse_yaml("{name: tool, length: 1e-3, names: [1e-3, 010, 7], step: 1e-3}", "it")
    found = check_options(tool, Component(**options), "tool")
    assert found == {"length": 0.001, "names": ["1e-3", "010", "7"], "step": 0.001}
    with pytest.raises(ConfigError, match=r"tool\.length: .*finite"):
        check_options(tool, Component(name="tool", length=float("nan")), "tool")


def test_suites_and_studies_are_finite(tmp_path: Path) -> None:
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        "inherits: _camels\nname: 2024\nshort_name: 010\nspellings: [1e-3]\nsets: {1: 5}\n"
    )
    found = load_suite_file(suite)
    assert (found.name, found.short_name, found.spellings) == ("2024", "010", ("1e-3",))
    assert found.sets == {"1": 5}
    suite.write_text(suite.read_text() + "priors: {Omega_m: {low: 0.1, high: .inf}}\n")
    with pytest.raises(ConfigError, match=r"priors\.Omega_m\.high: .*finite"):
        load_suite_file(suite)
    study = tmp_path / "study.yaml"
    for space in ("{type: float, low: 0.1, high: .inf}", "[0.1, .nan]"):
        study.write_text(
            f"experiment: {{config: spectra_mmd}}\nspace: {{training.learning_rate: {space}}}\n"
        )
        with pytest.raises(ConfigError, match=r"study\.yaml.*learning_rate[\s\S]*finite"):
            read_study(study)
    study.write_text("space: {training.learning_rate: [1e-3, 3e-3]}\n")
    with pytest.raises(ConfigError, match=r"hours: .*finite"):
        read_study(study, hours=float("inf"))
    default = read_study(study).default()
    assert default == {"training.learning_rate": 0.003}


BROKEN = {
    "seed: 1\nname: a\nseed: 2\n": ["line 3", "'seed' stands twice", "line 1"],
    "training: {epochs: 1, epochs: 2}": ["line 1", "'epochs' stands twice"],
    "1: a\n'1': b": ["line 2", "'1' stands twice"],
    "a: 1\n---\nb: 2\n": ["line 2", "another document"],
    "": ["holds nothing"],
    "# only a comment\n": ["holds nothing"],
    "- a\n- b\n": ["holds a list"],
    "a:\n\tb: 1\n": ["line 2", "spaces"],
    "a: !!python/object/apply:os.getcwd []\n": ["line 1", "tag", "os.getcwd"],
    "a: !mine 1\n": ["line 1", "!mine"],
    "a: !!timestamp 2024-01-01\n": ["tag", "timestamp"],
    "a: *b\n": ["line 1", "undefined alias"],
    "a: &b [*b]\n": ["line 1", "aliases"],
    "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a [{', '.join(['*a'] * 10)}]\n" for n in range(8)): ["aliases"],
    "a: " + "[" * 5000: ["depth"],
    "? [a]\n: 1\n": ["key must be a word"],
    "a: b: c\n": ["line 1", "mapping values"],
    "a: [1, 2\n": ["not valid YAML"],
    "a: \x00\n": ["not valid YAML"],
    "a: " + "9" * 5000: ["not valid YAML"],
}


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: repr(text)[:30])
def test_what_cannot_be_meant_is_refused_by_every_reader(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode())
    for read in (load_experiment, load_suite_file, read_study, _of_run):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert all(word in str(caught.value) for word in ["config.yaml", *BROKEN[text]])


def _of_run(path: Path) -> object:
    return RunFolder(path.parent).read_experiment()


@pytest.mark.parametrize("verb", ["train --config", "tune"])
@pytest.mark.parametrize("content", ["seed: 1\nseed: 2\n".encode("utf-16"), b"name: caf\xe9\n"])
def test_other_encodings_exit_with_2(verb: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    done = CliRunner().invoke(app, [*verb.split(), str(path)])
    assert done.exit_code == 2
    assert "mine.yaml" in done.output and "UTF-8" in done.output


def test_anchors_and_merge_keys_are_read() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {y: 4, <<: [*b, {z: 5}]}\nlist: [*b]"
    found = parse_yaml(text, "it")
    assert found["one"] == {"x": 1, "y": 3}
    assert found["two"] == {"x": 1, "y": 4, "z": 5}
    assert found["list"] == [{"x": 1, "y": 2}]


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfseed: 3\n")
    assert read_yaml(tmp_path / "a.yaml") == {"seed": 3}


@pytest.mark.parametrize("word", [*WORDS, *NUMBERS, "true", "null", "~", "", "=", "<<", "a: b"])
def test_old_runs_are_read_and_new_ones_written_for_old_readers(word: str, tmp_path: Path) -> None:
    experiment = load_experiment("base", source=[word, "tng"]).model_copy(update={"name": word})
    folder = RunFolder(tmp_path)
    old = yaml_1_1.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, width=100)
    for text in (old, experiment.to_yaml()):
        folder.config.write_text(text)
        assert folder.read_experiment() == experiment
        assert yaml_1_1.safe_load(text) == experiment.model_dump(mode="json")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_mean_the_same_in_both_versions(path: Path) -> None:
    assert read_yaml(path) == yaml_1_1.safe_load(path.read_text())


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
)


@settings(deadline=None)
@given(TREES)
def test_what_is_written_is_read_back(tree: Any) -> None:
    assert parse_yaml(to_yaml(tree), "it") == tree
