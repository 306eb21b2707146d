"""From YAML files and overrides to a validated experiment, or to an error that teaches."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dagnn.config.schema import Experiment
from dagnn.errors import ConfigError, nearest
from dagnn.resources import resource_folder

Model = TypeVar("Model", bound=BaseModel)


def load_experiment(
    file: str | Path | None = None, overrides: Sequence[str] = (), **values: Any
) -> Experiment:
    """Load, merge, override and validate an experiment.

    Args:
        file: a YAML file, or the name of a shipped one (``gnn_mmd``); None is ``base``.
        overrides: ``key=value`` with dotted keys, values in YAML.
        **values: top-level values that win over everything else (``seed=3``); None is skipped.

    Returns:
        A frozen experiment.

    Raises:
        ConfigError: a file, key or value cannot be meant; the message names the nearest.
    """
    tree = _read(find_config(file or "base"))
    for override in overrides:
        _override(tree, override)
    tree.update({key: value for key, value in values.items() if value is not None})
    return experiment_from(tree, where=str(file or "base"))


def experiment_from(tree: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """Validate a plain mapping, for example one read from a finished run."""
    return validated(Experiment, tree, f"The configuration {where!r}")


def validated(model: type[Model], tree: Mapping[str, Any], what: str) -> Model:
    """Make a record from a plain mapping, or say field by field why that cannot be.

    Args:
        model: the record.
        tree: what a file holds.
        what: how messages call it.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error, what, model)) from None


def find_config(source: str | Path) -> Path:
    """Return the path of a configuration file, or of a shipped one by its name."""
    return find_shipped(source, "configs", "configuration")


def find_shipped(source: str | Path, folder: str, what: str) -> Path:
    """Return the path of a YAML file, or of one that is shipped, by its name.

    Args:
        source: path or name.
        folder: where the shipped ones lie.
        what: how messages call such a file.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    path = Path(source)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(resource_folder(folder).glob("*.yaml"))}
    if path.stem in shipped and path.suffix in ("", ".yaml") and len(path.parts) <= 2:
        return shipped[path.stem]
    raise ConfigError(
        f"There is no {what} file {str(source)!r}, and none of that name is shipped. "
        f"{nearest(path.stem, shipped)}"
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        ConfigError: it holds something else.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} should hold keys and values, and holds {type(tree).__name__}.")
    return tree


def _read(path: Path, below: Sequence[Path] = ()) -> dict[str, Any]:
    """Read a file and what it extends; ``below`` are the files that led here."""
    tree = read_yaml(path)
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise ConfigError(f"{path}: extends names one configuration, got {parent!r}.")
    if path.resolve() in below:
        raise ConfigError(f"{path} extends itself, directly or through other files.")
    beside = path.parent / f"{parent}.yaml"
    lower = beside if beside.is_file() else find_config(parent)
    return merge(_read(lower, (*below, path.resolve())), tree)


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a change over a base, key by key.

    A part that is given another ``name`` starts with fresh options, and
    ``terms`` are replaced as a whole: nothing of the old choice lingers.

    Example:
        >>> merge({"a": {"name": "x", "p": 1}, "b": 2}, {"a": {"name": "y"}})
        {'a': {'name': 'y'}, 'b': 2}
    """
    merged = dict(base)
    for key, value in change.items():
        merged[key] = _merge_value(key, merged.get(key), value)
    return merged


def _merge_value(key: str, old: Any, value: Any) -> Any:
    if key == "terms" or not isinstance(value, Mapping) or not isinstance(old, Mapping):
        return value
    other_choice = "name" in value and value["name"] != old.get("name")
    return value if other_choice else merge(old, value)


def _override(tree: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set takes key=value (training.epochs=10), got {override!r}.")
    *parents, last = key.strip().split(".")
    for parent in parents:
        if not isinstance(tree.setdefault(parent, {}), dict):
            raise ConfigError(f"--set {key}: {parent!r} is a single value and has nothing below.")
        tree[parent] = dict(tree[parent])
        tree = tree[parent]
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: {text!r} is not a YAML value.") from None
    if isinstance(tree[last], str):
        tree[last] = _number(tree[last])


def _number(text: str) -> str | float:
    """Read 1e-3 as a number, which YAML 1.1 takes for a word."""
    try:
        return float(text)
    except ValueError:
        return text


def _explain(error: ValidationError, what: str, model: type[BaseModel]) -> str:
    lines = [_explain_one(dict(item), model) for item in error.errors()]
    return "\n".join([f"{what} does not validate:", *lines])


def _explain_one(item: dict[str, Any], model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _keys_at(model, item["loc"][:-1])
        return f"  {path}: unknown key. {nearest(str(item['loc'][-1]), known)}"
    got = "" if isinstance(item["input"], Mapping) else f", got {item['input']!r}"
    return f"  {path or 'experiment'}: {item['msg'].removeprefix('Value error, ')}{got}."


def _keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (inspect.isclass(inner) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)
