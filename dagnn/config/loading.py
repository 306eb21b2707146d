"""From YAML files and overrides to a validated experiment, and from components to objects."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from dagnn.config.schema import Component, Experiment
from dagnn.errors import ConfigError, nearest
from dagnn.files import matching, resource_folder
from dagnn.yaml_files import RECORD, as_text, parse_yaml, read_yaml

Model = TypeVar("Model", bound=BaseModel)
Made = TypeVar("Made")
Given = Mapping[tuple[str, ...], str]
"""Path of a key → how the command line gave it."""
_NO_YAML = re.compile(r"\{suite\}|\{\w+\}.|\*|#")
Override = str | tuple[str, Any]
"""``key=value`` in YAML, or a dotted key and its value."""


def load_experiment(
    file: str | Path | None = None, overrides: Sequence[Override] = (), **values: Any
) -> Experiment:
    """Load, merge, override and validate an experiment.

    Args:
        file: a YAML file, or the name of a shipped configuration; None is ``base``.
            ``deepmerge_dann`` is the variant ``dann`` of ``deepmerge.yaml``.
        overrides: ``key=value`` with dotted keys, values in YAML; or pairs of key and value.
        **values: top-level values that win over everything else (``seed=3``); None is skipped.

    Returns:
        A frozen experiment.

    Raises:
        ConfigError: a file, key or value is not valid; the message names the nearest.
    """
    tree = _read(*find_yaml(file or "base", "configs", "configuration"))
    given = {}
    for override in overrides:
        key, value, shown = _read_override(override)
        given[_put(tree, key, value)] = f"--set {shown}"
    for key, value in values.items():
        if value is not None:
            tree[key] = value
            shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            given[key,] = f"--{key} {shown}"
    return validated(Experiment, tree, f"The configuration {str(file or 'base')!r}", given)


def experiment_from(tree: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """Validate a plain mapping, for example one read from a finished run."""
    return validated(Experiment, tree, f"The configuration {where!r}")


def validated(
    model: type[Model], tree: Mapping[str, Any], what: str, given: Given | None = None
) -> Model:
    """Make a record from a plain mapping; the error names every invalid field.

    Args:
        model: the record.
        tree: what a file holds, and what the command line laid over it.
        what: how messages call the file.
        given: what of it came from the command line, which then is to blame.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        flagged, in_file = [], []
        for item in error.errors():
            text, flag = _explain(dict(item), model), _flag_of(item["loc"], given or {})
            if flag:
                flagged.append(f"{flag}: {text}")
            else:
                in_file.append(f"  {text}")
        head = [f"{what} does not validate:"] if in_file else []
        raise ConfigError("\n".join([*flagged, *head, *in_file])) from None


def find_yaml(
    source: str | Path, folder: str, what: str, beside: Path | None = None
) -> tuple[Path, str]:
    """Return the path of a YAML file, and the name of the variant in it that is meant.

    Args:
        source: path or name. ``NAME_VARIANT`` is the file NAME_VARIANT.yaml, or else an entry
            of ``variants`` in NAME.yaml.
        folder: of the shipped files.
        what: how messages call such a file.
        beside: folder to search before the shipped files.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    path = Path(source)
    if path.is_file():
        return path, ""
    places = []
    if beside or path.suffix == ".yaml" or len(path.parts) > 1:
        places.append((beside or Path()) / path.parent)
    if path.suffix in ("", ".yaml") and len(path.parts) <= 2:
        places.append(resource_folder(folder))
    words = path.stem.split("_")
    for place in places:
        for count in range(len(words), 0, -1):
            file, variant = place / f"{'_'.join(words[:count])}.yaml", "_".join(words[count:])
            if file.is_file() and (not variant or variant in _variants(file)):
                return file, variant
    raise ConfigError(
        f"There is no {what} file {str(source)!r}, and none of that name is shipped. "
        f"{nearest(path.stem, shipped_names(folder))}"
    )


def shipped_names(folder: str) -> list[str]:
    """Return the name of every shipped YAML file in a folder, and of every variant in one."""
    return [
        name
        for file in matching(resource_folder(folder), "*.yaml")
        for name in (file.stem, *(f"{file.stem}_{variant}" for variant in _variants(file)))
    ]


def _variants(path: Path) -> dict[str, dict[str, Any]]:
    found = read_yaml(path).get("variants", {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ConfigError(f"{path}: variants are names, each with the keys that it changes.")
    return found


def _read(path: Path, variant: str, below: Sequence[Path] = ()) -> dict[str, Any]:
    """Read a file, or a variant in it, and what it extends; ``below`` led here."""
    if path.resolve() in below:
        raise ConfigError(f"{path} extends itself, directly or through other files.")
    tree = read_yaml(path)
    tree.pop("variants", None)
    parent = as_text(tree.pop("extends", None))
    if parent is not None:
        if not isinstance(parent, str):
            raise ConfigError(f"{path}: extends names one configuration, got {parent!r}.")
        lower = find_yaml(parent, "configs", "configuration", path.parent)
        tree = merge(_read(*lower, (*below, path.resolve())), tree)
    if variant:
        tree = merge(tree, {"name": f"{path.stem}_{variant}", **_variants(path)[variant]})
    return tree


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
        old = base.get(key)
        if key != "terms" and isinstance(value, Mapping) and isinstance(old, Mapping):
            other_choice = "name" in value and value["name"] != old.get("name")
            value = value if other_choice else merge(old, value)
        merged[key] = value
    return merged


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


def _flag_of(loc: Sequence[str | int], given: Given) -> str:
    """Return how the command line gave a key, one above it or one below; empty if it did not."""
    path = tuple(map(str, loc))
    if not path:  # not one key but how suites go together
        return " ".join(given[key] for key in (("source",), ("target",)) if key in given)
    # The longest path first: a key of its own takes precedence over one above it.
    for key in sorted(given, key=len, reverse=True):
        if path[: len(key)] == key or key[: len(path)] == path:
            return given[key]
    return ""


def _explain(item: dict[str, Any], model: type[BaseModel]) -> str:
    """Describe one error, with the nearest valid key."""
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key {path!r}. {_nearest_key(item['loc'], model)}"
    got = "" if isinstance(item["input"], Mapping) else f", got {item['input']!r}"
    if item["type"] == "string_type" and not isinstance(item["input"], Mapping | list):
        got += "; put text that looks like something else in quotes"
    reason = f"{item['msg'].removeprefix('Value error, ')}{got}."
    return f"{path}: {reason}" if path else reason


def _nearest_key(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    """Name the nearest key beside a wrong one, else a key of this name anywhere."""
    *above, name = map(str, loc)
    paths = list(_paths(model))
    beside = [path[-1] for path in paths if path[:-1] == above]
    if get_close_matches(name, beside, n=1):
        return nearest(name, beside)
    everywhere = {path[-1]: ".".join(path) for path in paths}
    match = get_close_matches(name, everywhere, n=1)
    return (f"Did you mean {everywhere[match[0]]!r}? " if match else "") + nearest(name, beside)


def _paths(model: type[BaseModel]) -> Iterator[list[str]]:
    """Give the path of every key of a record and of the records in it."""
    for name, field in model.model_fields.items():
        yield [name]
        inner = field.annotation
        if inspect.isclass(inner) and issubclass(inner, BaseModel):
            yield from ([name, *path] for path in _paths(inner))


def build(
    table: Mapping[str, Callable[..., Made]], part: Component, where: str, **given: Any
) -> Made:
    """Make the part that a configuration names.

    Args:
        table: name → constructor.
        part: name and options.
        where: dotted key, for the error message.
        **given: arguments that come from the data and not from the file.

    Raises:
        ConfigError: unknown name or option, or a value the constructor refuses.
    """
    constructor = lookup(table, part.name, where)
    options = check_options(constructor, part, where, given)
    try:
        return constructor(**given, **options)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where} ({part.name}): {error}") from error


def lookup(table: Mapping[str, Made], name: str, where: str) -> Made:
    """Return a table's entry; the error lists its names.

    Raises:
        ConfigError: the name is not in the table.
    """
    if name not in table:
        raise ConfigError(f"{where}: there is no {name!r}. {nearest(name, table)}")
    return table[name]


def check_options(
    constructor: Callable[..., Any], part: Component, where: str, given: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Check options against a constructor's signature and convert them to its types.

    Args:
        constructor: class or function whose keyword arguments are the options.
        part: name and options.
        where: dotted key, for the error message.
        given: arguments that the program supplies, which a file may not set.

    Raises:
        ConfigError: an option that does not exist, or of a wrong type.
    """
    signature = inspect.signature(constructor)
    body = constructor.__init__ if inspect.isclass(constructor) else constructor
    hints = get_type_hints(body)
    allowed = [name for name in signature.parameters if name not in given]
    checked = {}
    for key, value in part.options.items():
        if key not in allowed:
            known = {*allowed, *type(part).model_fields} - {"name"}
            raise ConfigError(f"{where} ({part.name}) has no option {key!r}. {nearest(key, known)}")
        try:
            checked[key] = TypeAdapter(hints.get(key, Any), config=RECORD).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ConfigError(f"{where}.{key}: {reason}, got {value!r}.") from None
    return checked
