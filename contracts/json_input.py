"""JSON objects that people write, read strictly."""

import json
import math
from collections.abc import Callable
from functools import partial

from contracts.mistakes import BadDocument


def exact_float(text: str) -> float:
    """A number as JSON has it; raises ValueError for one that is too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def json_object(
    content: bytes, noun: str, parse_float: Callable[[str], object] = exact_float
) -> dict[str, object]:
    """The one object that a text holds; raises BadDocument, which says why it is no `noun`."""
    try:
        document = json.loads(
            content.decode("utf-8-sig"),
            parse_float=parse_float,
            parse_constant=partial(_no_number, noun),
            object_pairs_hook=partial(_object, noun),
        )
    except json.JSONDecodeError as error:
        raise BadDocument(
            f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except UnicodeDecodeError as error:
        raise BadDocument(f"no UTF-8 text: byte {error.start} is wrong") from None
    except RecursionError:
        raise BadDocument(f"no {noun}: its lists or objects are nested too deeply") from None
    except ValueError:
        raise BadDocument(f"no {noun}: a number in it has too many digits") from None
    if not isinstance(document, dict):
        raise BadDocument(f"no {noun}: it must be one JSON object")
    return document


def _no_number(noun: str, name: str) -> object:
    raise BadDocument(f"no {noun}: {name} is no number")


def _object(noun: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    # JSON lets the last one win, and who wrote it may have meant the other.
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise BadDocument(f"no {noun}: {twice!r} stands twice in one object")
    return fields
