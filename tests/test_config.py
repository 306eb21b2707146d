"""The configuration refuses early, and names the nearest valid choice."""

from pathlib import Path

import pytest

from dagnn.config import (
    Component,
    build,
    check_options,
    experiment_from,
    load_experiment,
    merge,
    shipped_names,
)
from dagnn.errors import ConfigError
from dagnn.yaml_files import parse_yaml


@pytest.mark.parametrize("name", shipped_names("configs"))
def test_every_shipped_configuration_loads_and_round_trips(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment_from(parse_yaml(experiment.to_yaml(), name)) == experiment


def test_defaults_are_the_sentence_of_the_readme() -> None:
    experiment = load_experiment()
    assert (experiment.source, experiment.target) == (["tng"], ["simba"])
    assert list(experiment.loss.terms) == ["mmd"]


def test_values_win_over_overrides_and_files() -> None:
    experiment = load_experiment("base", ["seed=1", "training.epochs=7"], seed=5, target=["astrid"])
    assert (experiment.seed, experiment.training.epochs) == (5, 7)
    assert experiment.target == ["astrid"]


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0E-3"])
def test_scientific_notation_is_a_number(text: str) -> None:
    experiment = load_experiment("base", [f"training.learning_rate={text}"])
    assert experiment.training.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epoch=3", ["training.epoch", "Did you mean 'epochs'"]),
        ("training.epochs=-1", ["training.epochs", "greater than or equal to 1", "-1"]),
        ("data.parameters=Omega_n", ["Unknown parameter", "Omega_m"]),
        ("data.split=[0.5,0.1,0.1]", ["data.split", "add up to 1"]),
        ("target=tng", ["tng", "source and target at once"]),
        ("loss.terms.mmd.weight=-2", ["loss.terms.mmd.weight", "-2"]),
        ("seed", ["key=value"]),
        ("seed.below=1", ["single value"]),
        ("traning.epochs=1", ["traning", "Did you mean 'training'"]),
    ],
)
def test_errors_of_overrides_name_the_valid_choice(override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment("base", [override])
    for word in words:
        assert word in str(caught.value)


def test_what_the_command_line_gave_is_blamed_on_it_and_not_on_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment("base", ["foo=bar", "training.epochs=7"])
    assert str(caught.value).startswith("--set foo=bar: unknown key 'foo'.")
    assert "base" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"^--source tng --target tng: tng cannot be"):
        load_experiment("base", source=["tng"], target=["tng"])
    (tmp_path / "mine.yaml").write_text("extends: base\ntraining: {epoch: 3}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(tmp_path / "mine.yaml", ["seed=-2"])
    ours, theirs = str(caught.value).split("\n", 1)
    assert ours.startswith("--set seed=-2: ") and "mine.yaml" in theirs and "epoch" in theirs


def test_a_key_at_the_wrong_level_is_found() -> None:
    with pytest.raises(ConfigError, match=r"'batch_size'. Did you mean 'training.batch_size'"):
        load_experiment("base", ["batch_size=8"])


def test_unknown_file_names_the_nearest_shipped_one() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'spectra_mmd'"):
        load_experiment("spectra_mdm")


def test_a_file_extends_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: base\nseed: 3\n")
    (tmp_path / "child.yaml").write_text("extends: mine\nname: child\n")
    experiment = load_experiment(tmp_path / "child.yaml")
    assert (experiment.name, experiment.seed) == ("child", 3)


def test_a_variant_is_selected_by_file_and_name(tmp_path: Path) -> None:
    terms = load_experiment("deepmerge_dann").loss.terms
    assert list(terms) == ["dann"] and load_experiment("deepmerge_dann").name == "deepmerge_dann"
    (tmp_path / "mine.yaml").write_text(
        "extends: spectra_mmd\nvariants: {few_steps: {training: {epochs: 3}}, all: {seed: 2}}\n"
    )
    for source in (tmp_path / "mine_few_steps.yaml", tmp_path / "mine_few_steps"):
        experiment = load_experiment(source)
        assert (experiment.name, experiment.training.epochs) == ("mine_few_steps", 3)
        assert list(experiment.loss.terms) == ["mmd"] and experiment.seed == 0
    (tmp_path / "child.yaml").write_text("extends: mine_all\nname: child\n")
    assert load_experiment(tmp_path / "child.yaml").seed == 2
    with pytest.raises(ConfigError, match="mine_none"):
        load_experiment(tmp_path / "mine_none.yaml")
    (tmp_path / "odd.yaml").write_text("extends: base\nvariants: [a]\n")
    with pytest.raises(ConfigError, match=r"odd\.yaml: variants are names"):
        load_experiment(tmp_path / "odd_a.yaml")


def test_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b\n")
    (tmp_path / "b.yaml").write_text("extends: a\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load_experiment(tmp_path / "a.yaml")
    (tmp_path / "c.yaml").write_text("extends: [base]\n")
    with pytest.raises(ConfigError, match="one configuration"):
        load_experiment(tmp_path / "c.yaml")


@pytest.mark.parametrize("text", ["a: [", "just words", "- 1\n- 2"])
def test_files_that_are_not_mappings_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        load_experiment(path)


def test_merge_forgets_the_options_of_another_choice() -> None:
    base = {"encoder": {"name": "graph", "hidden": 32}, "loss": {"terms": {"mmd": {}}}}
    change = {"encoder": {"name": "spectrum"}, "loss": {"terms": {"none": {}}}}
    assert merge(base, change) == change


def test_without_adaptation_has_no_target_term() -> None:
    alone = load_experiment("base").without_adaptation()
    assert [term.name for term in alone.loss.terms.values()] == ["none"]


class Ruler:
    def __init__(self, length: float, unit: str = "Mpc") -> None:
        if length < 0:
            raise ValueError(f"length must not be negative, got {length}")
        self.length, self.unit = length, unit


def part(**options: object) -> Component:
    return Component.model_validate({"name": "ruler", **options})


def test_build_converts_and_gives() -> None:
    ruler = build({"ruler": Ruler}, part(unit="kpc"), "tool", length=2.0)
    assert (ruler.length, ruler.unit) == (2.0, "kpc")


@pytest.mark.parametrize(
    ("component", "given", "words"),
    [
        (part(units="kpc"), {"length": 1.0}, "Did you mean 'unit'"),
        (part(length="far"), {}, "tool.length"),
        (part(length=2), {"length": 1.0}, "no option 'length'"),
        (part(length=-1), {}, "must not be negative"),
        (Component(name="rular"), {}, "Did you mean 'ruler'"),
    ],
)
def test_build_refuses(component: Component, given: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build({"ruler": Ruler}, component, "tool", **given)


def test_check_options_does_not_construct() -> None:
    assert check_options(Ruler, part(length=-1), "tool") == {"length": -1.0}
