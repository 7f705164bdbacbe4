"""The coding of labels: which class each number or word of a data set means."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.read_options import is_numeric_label, normalize_label, sort_labels

# Names of columns with labels and with splits, in lower case.
LABEL_COLUMNS = ("emotion", "label", "labels", "expression", "class", "target")
SPLIT_COLUMNS = ("usage", "split", "subset", "set", "partition", "phase", "data_split")
FER2013_NOTE = "labels without names were read in FER2013's order, 0 angry to 6 neutral"

_FER2013 = {str(number): name for number, name in enumerate(EMOTIONS)}
_MAX_VALUES = 100  # more are no classes


def decode_labels(
    counts: Mapping[str, int], class_names: Mapping[str, str], where: str
) -> dict[str, str]:
    """Return the class of each label; a label that is left out stands in a damaged row.

    counts: rows or images by label, of the whole data set (see `normalize_label`).
    class_names: from `--labels`; if empty, numbers are FER2013's, and words are class names.
    where: the data set and its column, for the error.

    Raises UserError for another coding: a foreign label stands in several rows, or in most.
    """
    blanks = _find_blanks(counts)
    present = {k: n for k, n in counts.items() if k.casefold() in class_names or k not in blanks}
    if counts and not present:
        found = " and ".join(map(repr, sorted(counts)))
        raise UserError(f"{where}: no face has a label ({found}); fill them in")
    total, numbers = sum(present.values()), [label for label in present if is_numeric_label(label)]
    is_fer2013 = not class_names and 2 * sum(present[label] for label in numbers) >= total
    if class_names or is_fer2013:
        known = class_names or _FER2013
        classes = {k: known[k.casefold()] for k in present if k.casefold() in known}
    else:
        classes = {label: label for label in present if label not in numbers}
    if broken := next((label for label in classes if "\ufffd" in label), None):
        raise UserError(f"{where}: {_shorten(broken)} is not UTF-8; save the file as UTF-8")
    foreign = {label: n for label, n in present.items() if label not in classes}
    starts_at_one = is_fer2013 and "1" in numbers and "0" not in numbers and len(numbers) > 1
    is_repeated = max(foreign.values(), default=0) > 1
    if starts_at_one or is_repeated or 2 * sum(foreign.values()) > total:
        raise UserError(_explain_coding(present, foreign, bool(class_names), where))
    return classes


def merge_labels(labels: Sequence[tuple[str, str]], pairs: dict[object, str], location: str) -> str:
    """Return the label of a row with several columns of labels: a word, if there is one.

    labels: the columns with their labels.
    pairs: which label of one column goes with which of another; the function adds to it.

    Raises UserError if the columns disagree.
    """
    if len(labels) == 1:
        return labels[0][1]
    labels = [(column, normalize_label(label)) for column, label in labels]
    for (first, label), (second, other) in permutations(labels, 2):
        are_numbers = is_numeric_label(label) and is_numeric_label(other)
        known = pairs.setdefault((first, label, second), label if are_numbers else other)
        if known != other:
            disagree = f"{first} and {second} disagree: {label!r} is {known!r} or {other!r}"
            raise UserError(f"{location}: columns {disagree}; delete one of them")
    return min((label for _, label in labels), key=is_numeric_label)


def explain_label(label: str, classes: Mapping[str, str], class_names: Mapping[str, str]) -> str:
    """Return what is wrong with a label that `decode_labels` left out of `classes`."""
    is_fer2013 = not classes or any(map(is_numeric_label, classes))
    wanted = "in --labels" if class_names else "0 to 6" if is_fer2013 else "a class"
    return f"{_shorten(label)!r} is not {wanted}"


def _find_blanks(labels: Iterable[str]) -> set[str]:
    """Return the usual values for no label: empty, NaN, 255 and a negative number.

    Negative numbers are labels if there are several. -1 is one, too, beside 0 to 5.
    """
    found = set(labels)
    negative = {label for label in found if is_numeric_label(label) and float(label) < 0}
    if len(negative) > 1 or ("6" not in found and {"-1", "0", "1"} <= found):
        negative = set()
    return {label for label in found if label.casefold() in ("", "nan", "255")} | negative


def _explain_coding(
    present: Mapping[str, int], foreign: Mapping[str, int], has_names: bool, where: str
) -> str:
    if len(present) > _MAX_VALUES:
        return f"{where}: {len(present):,} different labels; at most {_MAX_VALUES} can be classes"
    if has_names:
        problem = f"{where}: labels that --labels lacks: {_join_counts(foreign)}"
        return f"{problem}; add {_join_pairs(foreign)}, with a class for each ?"
    problem = f"{where}: the labels are not FER2013's (0 angry to 6 neutral)"
    return f"{problem}: {_join_counts(present)}; {suggest_labels(_join_pairs(present))}"


def suggest_labels(pairs: str) -> str:
    """Return what to do about labels of an unknown coding.

    pairs: the value of `--labels` to complete, with a ? for each class that is not known.
    """
    return f'write the class for each ?, as in the data set\'s description: --labels "{pairs}"'


def _join_counts(labels: Mapping[str, int]) -> str:
    listed = [f"{_shorten(label)} ({labels[label]:,})" for label in sort_labels(labels)]
    return join_first(listed, limit=10)


def _join_pairs(labels: Iterable[str]) -> str:
    return ",".join(f"{_shorten(label)}=?" for label in sort_labels(labels))


def _shorten(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:20]}..."
