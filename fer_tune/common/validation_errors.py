"""Pydantic's errors in one line: which key is wrong, its value, and why."""

from collections.abc import Mapping

from pydantic import ValidationError

from fer_tune.common.safe_text import hide_passwords

_NEEDS_KEYS = "needs keys and values"
# Replace pydantic's messages, which name its own types.
_MESSAGES = {
    "missing": "it is missing",
    "extra_forbidden": "unknown key",
    "model_type": _NEEDS_KEYS,
    "dict_type": _NEEDS_KEYS,
    "model_attributes_type": _NEEDS_KEYS,
    "tuple_type": "needs a list",
}
_TYPES = ("float", "int", "choice", "bool", "str")
_MAX_ERRORS = 3


def format_validation_error(
    error: ValidationError, messages: Mapping[str, str] = {}, limit: int = _MAX_ERRORS
) -> str:
    """Return the first errors on one line, each with its key and its value.

    messages: texts that replace pydantic's, by its types of errors.
    """
    lines = []
    for each in error.errors()[:limit]:
        # Pydantic adds the type to the path of a parameter or a value.
        key = ".".join(str(part) for part in each["loc"] if part not in _TYPES)
        has_value = each["type"] not in ("missing", "json_invalid")
        value = truncate_value(each["input"]) if has_value else ""
        default = each["msg"].removeprefix("Value error, ")
        message = {**_MESSAGES, **messages}.get(each["type"], default)
        lines.append(": ".join(filter(None, (key, value, message))))
    return ", ".join(lines)


def truncate_value(value: object) -> str:
    """Return a value as text for an error, at most about 100 characters, without passwords."""
    text = hide_passwords(str(value))
    return text if len(text) <= 100 else f"{text[:100]}..."
