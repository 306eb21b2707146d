"""From YAML files and overrides to a validated experiment, or to an error that teaches."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dagnn.config.schema import Experiment
from dagnn.errors import ConfigError, nearest
from dagnn.files import matching
from dagnn.resources import resource_folder
from dagnn.yaml_files import as_text, parse_yaml, read_yaml

Model = TypeVar("Model", bound=BaseModel)
Given = Mapping[tuple[str, ...], str]
"""Path of a key → how the command line gave it."""
_NO_YAML = re.compile(r"\{suite\}|\{\w+\}.|\*|#")
Override = str | tuple[str, Any]
"""``key=value`` in YAML, or a dotted key and its value."""
NOTHING_GIVEN: Given = MappingProxyType({})


def load_experiment(
    file: str | Path | None = None, overrides: Sequence[Override] = (), **values: Any
) -> Experiment:
    """Load, merge, override and validate an experiment.

    Args:
        file: a YAML file, or the name of a shipped one (``gnn_mmd``); None is ``base``.
        overrides: ``key=value`` with dotted keys, values in YAML; or pairs of key and value.
        **values: top-level values that win over everything else (``seed=3``); None is skipped.

    Returns:
        A frozen experiment.

    Raises:
        ConfigError: a file, key or value cannot be meant; the message names the nearest.
    """
    tree = _read(find_config(file or "base"))
    given = {}
    for override in overrides:
        key, value, shown = _read_override(override)
        given[_put(tree, key, value)] = f"--set {shown}"
    named = {key: value for key, value in values.items() if value is not None}
    tree.update(named)
    given |= {(key,): f"--{key} {_shown(value)}" for key, value in named.items()}
    what = f"The configuration {str(file or 'base')!r}"
    return validated(Experiment, tree, what, given)


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def experiment_from(tree: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """Validate a plain mapping, for example one read from a finished run."""
    return validated(Experiment, tree, f"The configuration {where!r}")


def validated(
    model: type[Model], tree: Mapping[str, Any], what: str, given: Given = NOTHING_GIVEN
) -> Model:
    """Make a record from a plain mapping, or say field by field why that cannot be.

    Args:
        model: the record.
        tree: what a file holds, and what the command line laid over it.
        what: how messages call the file.
        given: what of it came from the command line, which then is to blame.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error, what, model, given)) from None


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
    shipped = {file.stem: file for file in matching(resource_folder(folder), "*.yaml")}
    if path.stem in shipped and path.suffix in ("", ".yaml") and len(path.parts) <= 2:
        return shipped[path.stem]
    raise ConfigError(
        f"There is no {what} file {str(source)!r}, and none of that name is shipped. "
        f"{nearest(path.stem, shipped)}"
    )


def _read(path: Path, below: Sequence[Path] = ()) -> dict[str, Any]:
    """Read a file and what it extends; ``below`` are the files that led here."""
    tree = read_yaml(path)
    parent = as_text(tree.pop("extends", None))
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


def _read_override(override: Override) -> tuple[str, Any, str]:
    """Return key, value, and how messages show both."""
    if not isinstance(override, str):
        key, value = override
        return key, value, f"{key}={value}"
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set takes key=value (training.epochs=10), got {override!r}.")
    # Patterns of files and names with a hash are text here; a file would have them in quotes.
    plain = _NO_YAML.match(text) or (" #" in text and text[0] not in "'\"[{")
    return key, text if plain else parse_yaml(text, f"--set {override}"), override


def _put(tree: dict[str, Any], key: str, value: Any) -> tuple[str, ...]:
    """Lay a value over a tree, and return the path of the key."""
    *parents, last = key.strip().split(".")
    for parent in parents:
        if not isinstance(tree.setdefault(parent, {}), dict):
            raise ConfigError(f"--set {key}: {parent!r} is a single value and has nothing below.")
        tree[parent] = dict(tree[parent])
        tree = tree[parent]
    tree[last] = value
    return (*parents, last)


def _explain(error: ValidationError, what: str, model: type[BaseModel], given: Given) -> str:
    """Say what is wrong, each thing where it comes from: the command line, or the file."""
    ours: list[str] = []
    theirs: list[str] = []
    for item in error.errors():
        place, flag = _explain_one(dict(item), model), _flag_of(item["loc"], given)
        if flag:
            ours.append(f"{flag}: {place}")
        else:
            theirs.append(f"  {place}")
    return "\n".join([*ours, *([f"{what} does not validate:", *theirs] if theirs else [])])


def _flag_of(loc: Sequence[str | int], given: Given) -> str:
    """Return how the command line gave a key, one above it or one below; empty if it did not."""
    path = tuple(map(str, loc))
    if not path:  # not one key but how suites go together
        return " ".join(given[key] for key in (("source",), ("target",)) if key in given)
    # The longest first: what was given last stands for itself.
    for key in sorted(given, key=len, reverse=True):
        if path[: len(key)] == key or key[: len(path)] == path:
            return given[key]
    return ""


def _explain_one(item: dict[str, Any], model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key {path!r}. {_nearest_key(item['loc'], model)}"
    got = "" if isinstance(item["input"], Mapping) else f", got {item['input']!r}"
    if item["type"] == "string_type" and not isinstance(item["input"], Mapping | list):
        got += "; put text that looks like something else in quotes"
    said = f"{item['msg'].removeprefix('Value error, ')}{got}."
    return f"{path}: {said}" if path else said


def _nearest_key(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    """Name the nearest key beside a wrong one, else a key of this name anywhere."""
    *above, name = map(str, loc)
    beside = _keys_at(model, above)
    if get_close_matches(name, beside, n=1):
        return nearest(name, beside)
    everywhere = {path.split(".")[-1]: path for path in _paths(model)}
    match = get_close_matches(name, everywhere, n=1)
    return (f"Did you mean {everywhere[match[0]]!r}? " if match else "") + nearest(name, beside)


def _keys_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    for part in path:
        inner = _below(model, part)
        if inner is None:
            break
        model = inner
    return list(model.model_fields)


def _paths(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Give every key of a record and of those in it, dotted."""
    for name in model.model_fields:
        yield above + name
        inner = _below(model, name)
        if inner is not None:
            yield from _paths(inner, f"{above}{name}.")


def _below(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = model.model_fields.get(name)
    inner = field.annotation if field else None
    return inner if inspect.isclass(inner) and issubclass(inner, BaseModel) else None
