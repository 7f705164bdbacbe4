"""The means of finalists over their seeds, which decide which trial is best."""

from collections.abc import Mapping, Sequence
from statistics import fmean

FURTHER_SEEDS = (2, 3)  # of each finalist; its trial has the first

Metrics = Mapping[str, float]
EndedRepeats = Mapping[int, Sequence[Metrics | None]]  # by finalist; None for one that failed


def average_finalists(
    firsts: Mapping[int, Metrics], repeats: EndedRepeats, metric: str
) -> dict[int, dict[str, float]]:
    """Return the mean of the metric and of the gap over the seeds of each finalist, by trial.

    Before all repeats have ended, nothing is returned: means of other seeds cannot be compared. A
    failed repeat does not count.

    firsts: metrics of the best epoch of each trial, by number.
    repeats: the same of the repeats of each finalist that have ended.
    """
    if any(len(own) < len(FURTHER_SEEDS) for own in repeats.values()):
        return {}
    means = dict[int, dict[str, float]]()
    for number in repeats.keys() & firsts.keys():
        seeds = [firsts[number], *filter(None, repeats[number])]
        means[number] = {name: fmean(each[name] for each in seeds) for name in (metric, "gap")}
    return means
