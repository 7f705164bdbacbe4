"""The end of a study in the terminal: its best trials, its cost, and the next commands."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console

from fer_tune.common.fitted_table import FittedTable
from fer_tune.common.safe_text import pluralize
from fer_tune.events import STATUS_WORDS
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metric_estimates import estimate_metric_difference
from fer_tune.scoring.metrics import parse_classes
from fer_tune.study.ablation_effects import measure_effects
from fer_tune.study.ranking import ScoredTrial, describe_unlearnt_trials, rank_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord, format_parameters
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.terminal.ablation_summary import describe_ablation, show_effects
from fer_tune.terminal.finalists_summary import describe_finalists
from fer_tune.terminal.formatting import (
    build_borderless_table,
    format_duration,
    format_metric_name,
    format_scores,
)

SUMMARY_METRICS = ("val/macro_f1", "val/accuracy", "gap")
MAX_ROWS = 10  # of the best trials


def build_trials_table(
    trials: Iterable[TrialRecord], metric: str, space: SearchSpace | None = None
) -> FittedTable:
    """Return a table of trials, with their scores at the best epoch.

    space: adds the values of its parameters. Without it, the names of the trials have some.
    """
    metrics = SUMMARY_METRICS if metric in SUMMARY_METRICS else (metric, "val/macro_f1", "gap")
    rows = []
    for trial in trials:
        best, cells = trial.find_best_epoch(metric), ["-"] * (1 + len(metrics))
        if best:
            scores = (f"{best.metrics[name]:.3f}" for name in metrics)
            cells = [f"{best.epoch} of {len(trial.history)}", *scores]
        row = [trial.name, STATUS_WORDS[trial.ending], *cells]
        if space:
            row[0] = f"{trial.number:03d}" + " baseline" * (trial.number == BASELINE_TRIAL)
            row.append(format_parameters(space.extract_point(trial.config.model_dump())))
        rows.append(row)
    names = ["trial", "status", "best epoch", *map(format_metric_name, metrics)]
    headers = [name.replace(" ", "\n") for name in names] + ["configuration"] * bool(space)
    # A narrow terminal lacks the configuration, then the second metric, then the best epoch.
    table = build_borderless_table(headers, rows, (6, 4, 2))
    # In 80 columns, the configuration needs the room of broken headers and wide gaps.
    table.padding = (0, 1, 0, 0)
    table.columns[1].justify = "left"
    if space:
        table.columns[0].no_wrap = True
        table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    return table


def describe_improvement(
    ranked: Sequence[ScoredTrial], metric: str, max_gap: float | None, classes: Sequence[str] = ()
) -> str:
    """Return a few sentences that compare the best trial with the baseline.

    ranked: the trials that have finished an epoch, the best first.
    classes: class names by label; by default, those of the best trial's metrics.
    """
    baseline = next((trial for trial in ranked if trial.number == BASELINE_TRIAL), None)
    if not ranked or ranked == [baseline]:
        return "There is nothing to compare the baseline with yet."
    best = ranked[0]
    text = _list_scores(best, baseline, metric, max_gap)
    unlearnt = describe_unlearnt_trials(filter(None, (best, baseline)), ranked)
    if unlearnt or baseline is None or best is baseline:
        return text + unlearnt
    classes = classes or parse_classes(best.metrics)
    return text + _describe_change(best, baseline, metric, classes)


def _list_scores(
    best: ScoredTrial, baseline: ScoredTrial | None, metric: str, max_gap: float | None
) -> str:
    seed = " (first seed)" * bool(best.means)
    best_text = f"{best.number:03d}{seed}: {_format_scores(best, metric)}."
    if baseline is None:
        return f"The baseline has no result. The best trial, {best_text}"
    scores = _format_scores(baseline, metric)
    text = f"The baseline (the paper's configuration): {scores}."
    limit = "" if max_gap is None else f" with a gap of at most {max_gap:g}"
    name = f"The best trial{limit}"
    if not best.satisfies_constraint(max_gap):
        text = f"No completed trial has a gap of at most {max_gap:g}. {text}"
        if best is baseline:
            return text
        name = "The closest trial"
    elif best is baseline:
        return f"No trial{limit} is better than the baseline, the paper's configuration ({scores})."
    return f"{text} {name}, {best_text}"


def _describe_change(
    best: ScoredTrial, baseline: ScoredTrial, metric: str, classes: Sequence[str]
) -> str:
    after, before, name = best.best_epoch, baseline.best_epoch, format_metric_name(metric)
    change = estimate_metric_difference(after, before, metric)
    gap_change = estimate_metric_difference(after, before, "gap")
    ours = Evaluation.from_confusion(classes, after.confusion)
    theirs = Evaluation.from_confusion(classes, before.confusion)
    losses = ours.describe_losses(theirs, gap_change, skip=name)
    direction = "higher" if change.value > 0 else "lower"
    return f" Its {name} is {direction} by {change.format_size()}.{losses}"


def _format_scores(trial: ScoredTrial, metric: str) -> str:
    scores = format_scores(trial.metrics, (metric, "val/accuracy", "gap"))
    return scores + f" after {pluralize(trial.steps, 'training step')}" * bool(trial.steps)


def summarize_cost(trials: Sequence[TrialRecord], epochs: int) -> str:
    """Return the numbers of trials and epochs, the training time, and what pruning saved.

    The time is the sum over all trials and repeats of finalists. If each trial had one core, it is
    in core-hours. It is left out if it is not recorded.

    epochs: of a completed trial.
    """
    counts = Counter(STATUS_WORDS[trial.ending] for trial in trials)
    statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
    repeats = [repeat for trial in trials for repeat in trial.repeats]
    results = [result for each in (*trials, *repeats) for result in each.history]
    seconds = sum(result.seconds for result in results)
    time = f", {format_duration(seconds)} of training in all" if seconds else ""
    saved = sum(epochs - len(trial.history) for trial in trials if trial.ending == "stopped")
    repeated = f" Repeats of finalists: {len(repeats)}." * bool(repeats)
    return (
        f"Trials: {len(trials)} ({statuses or 'none started'}).{repeated} Epochs: {len(results)}"
        f"{time}, and {saved} saved by stopping early."
    )


def render_summary(trials: Sequence[TrialRecord], settings: StudySettings) -> str:
    """Return the result of the study in two paragraphs."""
    if settings.ablation:
        result = describe_ablation(measure_effects(settings.ablation, settings.metric, trials))
    else:
        metric, max_gap = settings.metric, settings.space.max_gap
        ranked = rank_trials(trials, metric, max_gap)
        result = describe_improvement(ranked, metric, max_gap)
        if finalists := [trial for trial in ranked if trial.record.repeats]:
            result += f" {describe_finalists(finalists, metric)}"
    return f"{result}\n\n{summarize_cost(trials, settings.epochs)}"


def show_outcome(console: Console, trials: Sequence[TrialRecord], settings: StudySettings) -> None:
    """Print the best trials, or what each change of an ablation brings, and the summary."""
    metric, space = settings.metric, settings.space
    if settings.ablation:
        show_effects(console, measure_effects(settings.ablation, metric, trials))
    else:
        best = rank_trials(trials, metric, space.max_gap)[:MAX_ROWS]
        console.print(build_trials_table([trial.record for trial in best], metric, space))
    console.print(render_summary(trials, settings).replace("\n\n", "\n"))
