"""What the further seeds of the finalists show, in a few sentences."""

from collections.abc import Sequence
from statistics import fmean

from fer_tune.common.safe_text import pluralize
from fer_tune.scoring.metrics import is_better
from fer_tune.study.ranking import ScoredTrial
from fer_tune.terminal.formatting import format_metric_name


def list_further_scores(finalist: ScoredTrial, metric: str) -> list[float]:
    """Return the scores of the completed repeats of a finalist."""
    best = (repeat.find_result(metric) for repeat in finalist.record.repeats)
    return [epoch.metrics[metric] for epoch in best if epoch]


def describe_finalists(finalists: Sequence[ScoredTrial], metric: str) -> str:
    """Return which finalist the means chose, and by how much the first scores flattered them.

    The first score is compared with the mean of the further seeds, on average over the finalists.

    finalists: at least one, the best first.
    """
    best, name = finalists[0], format_metric_name(metric)
    if not best.means:
        repeats = [repeat for trial in finalists for repeat in trial.record.repeats]
        ended = sum(repeat.has_final_status for repeat in repeats)
        text = f"Repeats of the finalists that have ended so far: {ended}."
        return f"{text} Until all have, the first scores decide which trial is best."
    text = f"Of {pluralize(len(finalists), 'finalist')}, the means over the seeds chose trial "
    text += f"{best.number:03d}, with a mean {name} of {best.means[metric]:.3f}."
    further = [(trial, list_further_scores(trial, metric)) for trial in finalists]
    pairs = [(trial.metrics[metric], fmean(scores)) for trial, scores in further if scores]
    if not pairs:
        return f"{text} None of their repeats is completed."
    first, later = (fmean(values) for values in zip(*pairs, strict=True))
    verb = "flattered" if is_better(metric, first, later) else "did not flatter"
    return (
        f"{text} The first score {verb} the finalists: on average, it is {first:.3f}, and with the "
        f"further seeds {later:.3f} ({first - later:+.3f})."
    )
