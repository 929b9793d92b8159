"""JSON whose numbers keep the digits that were written."""

import json
import re

# An escape that may be half of a surrogate pair.
HALF = re.compile(r"\\u[dD][89a-fA-F]")


class Number(str):
    """The literal of a JSON number."""

    __slots__ = ()


def parse(text):
    """The value of a JSON text; numbers are `Number`, of a name that occurs twice the last value counts."""
    value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_no_constant)
    return _whole(value) if HALF.search(text) else value


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _whole(value):
    """The value where half of a surrogate pair is U+FFFD."""
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, str) and not isinstance(value, Number):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    return value


def compact(value):
    """The value as JSON text without spaces; numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def text(value):
    """What a text column holds of a value: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else compact(value)


def same(left, right):
    """Whether two texts are the same JSON value: order of names, spaces and escapes may differ, digits may not."""
    try:
        one, other = parse(left), parse(right)
    except ValueError:
        return False
    return _same(one, other)


def _same(one, other):
    if isinstance(one, Number) != isinstance(other, Number) or type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
