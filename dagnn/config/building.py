"""From a name and options in a file to an object: look up, check, construct."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from dagnn.config.schema import Component
from dagnn.errors import ConfigError, nearest
from dagnn.yaml_files import RECORD

Made = TypeVar("Made")


def build(
    table: Mapping[str, Callable[..., Made]], part: Component, where: str, **given: Any
) -> Made:
    """Make the part that a configuration names.

    Args:
        table: the room's explicit table, name → constructor.
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
    """Return a table's entry, or say which names there are.

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
