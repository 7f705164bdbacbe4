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
    closest = [f"closest: {each}" for each in difflib.get_close_matches(name, known, 1, 0.7)]
    # The metrics of all classes would be a long list.
    brief = dict.fromkeys(re.sub(r"(_\w+/).+", r"\1CLASS", metric) for metric in known)
    advice = "; ".join([*closest, f"there are: {', '.join(brief)}"])
    raise UserError(f"--metric {name}: there is no such metric; {advice}")
