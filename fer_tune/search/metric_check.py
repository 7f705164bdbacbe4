"""The check of --metric, which suggests the names that the user may mean."""

import difflib
import re

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.scoring.metrics import list_metric_names
from fer_tune.scoring.vote_metrics import list_vote_metric_names


def check_metric(name: str, splits: Splits) -> str:
    """Return the name of a metric. Raises UserError if these faces have no such metric."""
    known, of_votes = list_metric_names(splits.classes), list_vote_metric_names()
    if splits.validation.votes is not None:
        known += of_votes
    if name in known:
        return name
    if name in of_votes:
        problem = "it compares with people's votes, which these faces lack"
        raise UserError(f"--metric {name}: {problem}; name a table of them with --votes")
    closest = [f"closest: {each}" for each in difflib.get_close_matches(name, known, 1, 0.7)]
    # The metrics of all classes would be a long list.
    brief = dict.fromkeys(re.sub(r"(_\w+/).+", r"\1CLASS", metric) for metric in known)
    advice = "; ".join([*closest, f"there are: {', '.join(brief)}"])
    raise UserError(f"--metric {name}: there is no such metric; {advice}")
