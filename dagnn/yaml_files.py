"""The one reader and writer of YAML: 1.2 core schema, nothing executed, nothing guessed.

``no``, ``on``, ``1:30``, dates and numbers with leading zeros are text; a number knows how it
was written, so that a folder or a name called ``1e-3`` stays what it looks like.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ConfigDict

from dagnn.errors import ConfigError

if TYPE_CHECKING:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import Node

RECORD = ConfigDict(frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)
"""What records read from YAML share: 2024 is a name where text stands, and numbers are finite."""

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_DEEPEST = 100
_MOST_VALUES = 100_000
# The core schema of YAML 1.2, but for whole numbers that are not plain decimal: 010, 0o10 and
# 0x1F are text, because what they mean differs between versions of YAML.
_PLAIN = {
    "null": (re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"-?(?:0|[1-9][0-9]*)$"), list("-0123456789")),
    "float": (
        re.compile(
            r"[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?"
            r"|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
        ),
        list("-+.0123456789"),
    ),
}


class Written(float):
    """A number that still knows how it was written, for where text is expected.

    Example:
        >>> Written("1e-3") == 0.001, str(Written("1e-3"))
        (True, '1e-3')
    """

    def __new__(cls, text: str) -> "Written":
        """Read a number of the core schema."""
        dotted = text.lstrip("+-")[:1] == "." and text[-1:].isalpha()
        made = super().__new__(cls, text.replace(".", "", 1) if dotted else text)
        made.text = text
        return made

    text: str

    def __str__(self) -> str:
        return self.text

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.text,)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Args:
        path: of a UTF-8 text file with one document.

    Returns:
        Keys, always text, and values; see :func:`parse_yaml`.

    Raises:
        ConfigError: it is no valid YAML, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}: {error.reason}). Save it as UTF-8."
        ) from None
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        held = {list: "a list", type(None): "nothing"}.get(type(tree), f"the value {tree!s:.40}")
        raise ConfigError(f"{path} should hold keys and values, and holds {held}.")
    return tree


def parse_yaml(text: str, where: str) -> Any:
    """Read YAML as plain values: dict, list, str, int, float, bool, None.

    Args:
        text: one document.
        where: what messages call it.

    Raises:
        ConfigError: it is no valid YAML, a key stands twice, a tag other than those of the core
            schema is used, or aliases never end.
    """
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return _Values(where).of(_yaml().compose(text))
    except MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        line = f", line {place.line + 1}, column {place.column + 1}" if place else ""
        raise ConfigError(f"{where}{line}: not valid YAML: {_reason(error)}.") from None
    except (YAMLError, ValueError, AttributeError, AssertionError) as error:
        raise ConfigError(f"{where} is not valid YAML: {_first_line(error)}.") from None
    except RecursionError:
        raise ConfigError(f"{where} is not valid YAML: it is nested too deeply.") from None


def as_text(value: Any) -> Any:
    """Return a number as it was written, where a path or name is expected; all else as it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else value


def plain(value: Any) -> Any:
    """Return values whose numbers no longer know how they were written."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, Written) else value


def to_yaml(tree: Any) -> str:
    """Write plain values as YAML that :func:`read_yaml` reads back, and YAML 1.1 readers too.

    Args:
        tree: of dict, list, str, int, float, bool, None.
    """
    stream = StringIO()
    _yaml(write=True).dump(tree, stream)
    return stream.getvalue()


def _reason(error: Any) -> str:
    told = ", ".join(t for t in (error.context, error.problem) if t).replace("\n", " ")
    return f"{told}; indent with spaces" if "'\\t'" in told else told


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class _Values:
    """Plain values of the nodes of one document."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.left = _MOST_VALUES
        self.above: set[int] = set()

    def of(self, node: "Node | None") -> Any:
        from ruamel.yaml.nodes import MappingNode, ScalarNode

        if node is None:
            return None
        self.left -= 1
        if id(node) in self.above or self.left < 0:
            raise self.wrong(node, "aliases that refer to themselves or never end")
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        mapping = isinstance(node, MappingNode)
        if node.tag != _TAG + ("map" if mapping else "seq"):
            raise self._foreign(node)
        self.above.add(id(node))
        found = self._mapping(node) if mapping else [self.of(item) for item in node.value]
        self.above.discard(id(node))
        return found

    def _scalar(self, node: "Node") -> Any:
        kind, text = str(node.tag).removeprefix(_TAG), node.value
        if kind == "str":
            return text
        if kind not in _PLAIN:
            raise self._foreign(node)
        if not _PLAIN[kind][0].match(text) and not (kind == "float" and text.isdecimal()):
            raise self.wrong(node, f"{text!r} is no {kind}")
        if kind == "bool":
            return text[0] in "tT"
        if kind == "float":
            return Written(text)
        return int(text) if kind == "int" else None

    def _mapping(self, node: "Node") -> dict[str, Any]:
        lines: dict[str, int] = {}
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = self._key(key_node), key_node.start_mark.line + 1
            if key in lines:
                raise self.wrong(
                    key_node, f"the key {key!r} stands twice, first in line {lines[key]}; keep one"
                )
            lines[key] = line
            if key == _MERGE:
                for one in self._merged(value_node):
                    merged = {**one, **merged}
            else:
                found[key] = self.of(value_node)
        return {**merged, **found}

    def _merged(self, node: "Node") -> Iterator[dict[str, Any]]:
        value = self.of(node)
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise self.wrong(node, f"{_MERGE} takes keys and values of an alias")
            yield one

    def _key(self, node: "Node") -> str:
        from ruamel.yaml.nodes import ScalarNode

        if not isinstance(node, ScalarNode) or node.tag == _TAG + "null":
            raise self.wrong(node, "a key must be a word")
        self._scalar(node)
        return str(node.value)

    def _foreign(self, node: "Node") -> ConfigError:
        tag = str(node.tag).replace(_TAG, "!!")
        return self.wrong(node, f"the tag {tag} is not read; write plain values")

    def wrong(self, node: "Node", what: str) -> ConfigError:
        return ConfigError(f"{self.where}, line {node.start_mark.line + 1}: {what}.")


def _yaml(write: bool = False) -> "YAML":
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = _DEEPEST
    yaml.composer.warn_double_anchors = False
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = cast(None, False)  # declared as None by the library
    yaml.width = 100
    yaml.Resolver = _resolvers()[write]
    if write:
        yaml.Representer = _representer()
    return yaml


@cache
def _resolvers() -> tuple[type, type]:
    """Return what plain words are when read, and what must be quoted when written."""
    from ruamel.yaml.resolver import VersionedResolver, implicit_resolvers

    core = [(_TAG + kind, *found) for kind, found in _PLAIN.items()]
    any_version = [*core, *(found[1:] for found in implicit_resolvers)]

    class Core(VersionedResolver):
        """The core schema, whatever version a file says that it is of."""

        versioned_resolver = _by_first_letter(core)
        processing_version = (1, 2)

    class Quoting(Core):
        """The core schema, and whatever any version takes for more than text."""

        versioned_resolver = _by_first_letter(any_version)

    return Core, Quoting


def _by_first_letter(kinds: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for tag, pattern, letters in kinds:
        for letter in letters:
            found.setdefault(letter, []).append((tag, pattern))
    return found


@cache
def _representer() -> type:
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.representer import SafeRepresenter

    class Plain(SafeRepresenter):
        """Writes floats as every version of YAML reads them, and no aliases."""

        def represent_float(self, data: float) -> ScalarNode:
            text = repr(float(data))
            if "e" not in text or "." in text:
                return super().represent_float(float(data))
            return self.represent_scalar(_TAG + "float", text.replace("e", ".0e"))

        def represent_str(self, data: str) -> ScalarNode:
            odd = any(sign in data for sign in "\x85\u2028\u2029\ufeff")  # some break lines
            return self.represent_scalar(_TAG + "str", data, style='"' if odd else None)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Plain.add_representer(float, Plain.represent_float)
    Plain.add_representer(str, Plain.represent_str)
    Plain.add_representer(Written, Plain.represent_float)
    return Plain
