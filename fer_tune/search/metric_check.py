"""The check of --metric, which suggests the names that the user may mean."""

import difflib
import re
from collections.abc import Sequence

from fer_tune.common.errors import UserError
from fer_tune.scoring.metrics import list_metric_names


def check_metric(name: str, classes: Sequence[str]) -> str:
    """Return the name of a metric. Raises UserError if there is no such metric of these classes."""
    known = list_metric_names(classes)
    if name in known:
        return name
    close = _find_close_metrics(name, known)
    # The metrics of all classes would be a long list.
    brief = dict.fromkeys(re.sub(r"(_\w+/).+", r"\1CLASS", metric) for metric in known)
    advice = f"closest: {', '.join(close)}" if close else f"there are: {', '.join(brief)}"
    raise UserError(f"--metric {name}: there is no such metric; {advice}")


def _find_close_metrics(name: str, known: Sequence[str]) -> list[str]:
    """Return up to three metrics that are nearly spelt as `name`, or else share words with it.

    Words after the slash count first: f1 means val/macro_f1, not val_f1/sad.
    """
    own = [metric for metric in known if not metric.startswith("train/")]
    if misspelt := difflib.get_close_matches(name, own, cutoff=0.85):
        return misspelt
    words = set(_split_words(name)) - {"val", "validation"}
    counts = {
        metric: (_count_matches(words, metric.rpartition("/")[2]), _count_matches(words, metric))
        for metric in own
    }
    most = max(counts.values())
    return [metric for metric in own if any(most) and counts[metric] == most][:3]


def _count_matches(words: set[str], metric: str) -> int:
    """Return how many of the words begin a word of the metric."""
    return sum(any(part.startswith(word) for part in _split_words(metric)) for word in words)


def _split_words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.casefold()) if word]
