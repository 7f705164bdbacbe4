"""The means of finalists over their seeds, which decide which trial is best."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

FURTHER_SEEDS = (2, 3)  # of each finalist; its trial has the first


@dataclass(frozen=True)
class RepeatResult:
    """The result of a repeat, which is a training of a finalist with a further seed.

    trial: the finalist's number.
    has_ended: whether the repeat has ended and cannot be resumed.
    metrics: of the repeat's best epoch; None unless it is completed.
    """

    trial: int
    has_ended: bool
    metrics: Mapping[str, float] | None


def average_finalists(
    firsts: Mapping[int, Mapping[str, float]], repeats: Iterable[RepeatResult], metric: str
) -> dict[int, dict[str, float]]:
    """Return the mean of the metric and of the gap over the seeds of each finalist, by trial.

    Before all repeats have ended, nothing is returned: means of other seeds cannot be compared. A
    failed repeat does not count.

    firsts: metrics of the best epoch of each trial, by number.
    """
    by_trial: dict[int, list[RepeatResult]] = defaultdict(list)
    for repeat in repeats:
        by_trial[repeat.trial].append(repeat)
    ended = [sum(repeat.has_ended for repeat in own) for own in by_trial.values()]
    if any(count < len(FURTHER_SEEDS) for count in ended):
        return {}
    means = dict[int, dict[str, float]]()
    for number in by_trial.keys() & firsts.keys():
        seeds = [firsts[number], *(each.metrics for each in by_trial[number] if each.metrics)]
        means[number] = {name: fmean(each[name] for each in seeds) for name in (metric, "gap")}
    return means
