"""The section on what counters overfitting: scores by gap, and the important parameters."""

from matplotlib.axes import Axes

from fer_tune.common.safe_text import pluralize
from fer_tune.data.resampling import DATA_PLANS
from fer_tune.events import STATUS_WORDS
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import add_legend, draw_picture, draw_rows, plot_trials
from fer_tune.report.section import Picture, Section, Table
from fer_tune.scoring.metric_estimates import Estimate, estimate_metric
from fer_tune.scoring.significance import ConfidenceInterval
from fer_tune.study.parameter_importance import MIN_TRIALS, estimate_importances
from fer_tune.study.ranking import SCORE_METRIC, find_pareto_front, select_learnt_trials
from fer_tune.terminal.formatting import format_metric_name

TITLE = "What counters overfitting"
NOTE = (
    "Each point is a trial at its best epoch. Higher points have a better macro F1; points further "
    "left overfit less. Filled points are completed trials, hollow points are not. A gap may also "
    "be small because a trial has not learnt. Bars are the 95 % intervals of the best "
    "trial and the baseline; the other points are as uncertain. The line is the Pareto front: no "
    "trial is better than these in both macro F1 and gap. The table lists them."
)
LIMIT_NOTE = " To the right of the dotted line, the gap exceeds the limit of the study."
IMPORTANCE_NOTE = (
    " The importance of a parameter is its share of the variance among the {count} completed "
    "trials that have learnt (Optuna's fANOVA). Its bar is the standard deviation over bootstrap "
    "samples of these trials."
)
CONDITIONAL_NOTE = " If a trial does not have a parameter, a fixed value stands for it."
NO_IMPORTANCE_NOTE = (
    " Importances of parameters need {needed} completed trials that have learnt, with different "
    "results; this study has {count}."
)

Shares = dict[str, tuple[float, float]]  # by parameter: mean and standard deviation


def build_overfitting_section(study: ReportedStudy) -> Section:
    """Return the section: macro F1 against the gap, and importances of the parameters."""
    completed = [trial for trial in select_learnt_trials(study.scored) if trial.is_completed]
    records = [trial.record for trial in completed]
    shares = {
        metric: estimate_importances(records, study.space, [t.metrics[metric] for t in completed])
        for metric in (SCORE_METRIC, "gap")
    }
    pictures = [_plot_score_by_gap(study)]
    note = NOTE + ("" if study.space.max_gap is None else LIMIT_NOTE)
    if all(shares.values()):
        pictures.append(_plot_importances(shares))
        note += IMPORTANCE_NOTE.format(count=len(completed))
        note += CONDITIONAL_NOTE if study.space.is_conditional else ""
    else:
        note += NO_IMPORTANCE_NOTE.format(needed=MIN_TRIALS, count=len(completed))
    summary = summarize_overfitting(study, shares["gap"])
    return Section(TITLE, summary, note, pictures, [_build_front_table(study)])


def _build_front_table(study: ReportedStudy) -> Table:
    rows = list[list[str]]()
    for trial in find_pareto_front(study.trials, study.metric):
        status, scores = STATUS_WORDS[trial.record.ending], (SCORE_METRIC, "gap")
        epochs = f"{trial.best_epoch.epoch} of {len(trial.record.history)}"
        cells = (f"{trial.metrics[name]:.3f}" for name in scores)
        rows.append([f"{trial.number:03d}", status, epochs, *cells])
    return Table(["Pareto front", "status", "best epoch", "macro F1", "gap"], rows)


def summarize_overfitting(study: ReportedStudy, shares: Shares) -> str:
    """Return how many trials beat the baseline, and which parameter decides the gap.

    shares: importance of each parameter for the gap, the largest first; may be empty.
    """
    text = f"The study has {pluralize(len(study.scored), 'trial')} with a result."
    if study.baseline is not None and len(study.scored) > 1:
        base = study.baseline.metrics
        others, learnt = len(study.scored) - 1, select_learnt_trials(study.scored)
        higher = [t.metrics for t in learnt if t.metrics[SCORE_METRIC] > base[SCORE_METRIC]]
        both = sum(metrics["gap"] < base["gap"] for metrics in higher)
        unlearnt = pluralize(len(study.scored) - len(learnt), "trial")
        smaller = f", {both or 'none'} of them with a smaller gap" if higher else ""
        text = (
            f"Of {pluralize(others, 'other trial')}, {len(higher) or 'none'} did better in "
            f"macro F1 than the baseline{smaller}."
        )
        if len(learnt) < len(study.scored):
            text += f" {unlearnt} learnt nothing that beats always naming the largest class."
    return text + _describe_importance(shares)


def _describe_importance(shares: Shares) -> str:
    if not shares:
        return ""
    (name, (mean, deviation)), *others = shares.items()
    text = f" The most important parameter for the gap is {name} "
    text += f"({mean:.0%} ± {deviation:.0%} of its variance)"
    close = [other for other, (share, _) in others if share >= mean - deviation]
    if not close:
        return f"{text}."
    rivals = close[0] if len(close) == 1 else f"one of {len(close)} others, such as {close[0]}"
    return f"{text}, or {rivals}: too few trials are completed to decide."


def _plot_score_by_gap(study: ReportedStudy) -> Picture:
    def plot_panels(axes: list[Axes]) -> None:
        for plan, trials in study.by_plan.items():
            points = [(t.metrics["gap"], t.metrics[SCORE_METRIC], t.is_completed) for t in trials]
            plot_trials(axes[0], points, plan, DATA_PLANS.index(plan))
        _mark_best_and_baseline(study, axes[0])
        _draw_pareto_front(study, axes[0])
        axes[0].set(xlabel="gap: training minus validation accuracy", ylabel="validation macro F1")
        add_legend(axes[0], 3)

    counts = ", ".join(f"{len(trials)} {plan}" for plan, trials in study.by_plan.items())
    alt = f"Validation macro F1 against the gap, one point a trial, by data plan: {counts}."
    return draw_picture(alt, plot_panels, height=3.4)


def _mark_best_and_baseline(study: ReportedStudy, axes: Axes) -> None:
    """Draw the intervals of the best trial and the baseline, and a ring around the baseline."""
    for trial in study.compared_trials.values():
        gap, score = (estimate_metric(trial.best_epoch, name) for name in ("gap", SCORE_METRIC))
        xerr, yerr = ([[length] for length in axis.error_bars] for axis in (gap, score))
        axes.errorbar(gap.value, score.value, yerr, xerr, fmt="none", ecolor="0.5", zorder=1)
        if trial is study.baseline:
            point = axes.plot(gap.value, score.value, "o", label="baseline")[0]
            point.set(color="black", fillstyle="none", markersize=11)


def _draw_pareto_front(study: ReportedStudy, axes: Axes) -> None:
    """Draw a line through the Pareto front, and the limit of the gap if the study has one."""
    front = [trial.metrics for trial in find_pareto_front(study.trials, study.metric)]
    gaps, scores = ([metrics[name] for metrics in front] for name in ("gap", SCORE_METRIC))
    axes.step(gaps, scores, where="post", color="0.5", linewidth=0.8, zorder=0)
    if study.space.max_gap is not None:
        axes.axvline(study.space.max_gap, color="black", linestyle=":", linewidth=0.8, zorder=0)


def _plot_importances(shares: dict[str, Shares]) -> Picture:
    """Return the importances by metric, with their deviations; in the order of the gap's."""
    order = list(shares["gap"])
    series = {
        format_metric_name(metric): [
            Estimate(mean, ConfidenceInterval(mean - deviation, mean + deviation))
            for mean, deviation in (by_name[name] for name in order)
        ]
        for metric, by_name in shares.items()
    }

    alt = "Importance of each parameter for the gap: " + ", ".join(
        f"{name} {mean:.0%} ± {deviation:.0%}" for name, (mean, deviation) in shares["gap"].items()
    )
    return draw_rows(alt, order, "share of the variance among trials", series)
