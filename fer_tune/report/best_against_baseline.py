"""The section that compares the best trial with the baseline."""

from typing import TYPE_CHECKING

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import add_legend, draw_picture
from fer_tune.report.section import NO_RESULT, Picture, Section
from fer_tune.scoring.metric_estimates import estimate_metric, estimate_metric_difference
from fer_tune.study.learnt_trials import describe_unlearnt_trials
from fer_tune.study.ranking import ScoredTrial
from fer_tune.terminal.formatting import format_metric_name
from fer_tune.terminal.study_summary import (
    SUMMARY_METRICS,
    describe_drawbacks,
    describe_improvement,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Improvement over the baseline"
NOTE = (
    "Each trial is scored at its best epoch on the same validation faces. Numbers in brackets and "
    "bars are 95 % bootstrap intervals over these faces. The best trial was also selected on them, "
    "so its scores are optimistic. Retraining measures it on the test faces. A difference may be "
    "chance if its interval contains 0. Chance is here the choice of the faces, not of the seed."
)


def build_baseline_section(study: ReportedStudy) -> Section:
    """Return the section: scores of the best trial and of the baseline."""
    if not study.scored:
        return Section(TITLE, NO_RESULT)
    return Section(TITLE, _summarize_improvement(study), NOTE, [_plot_improvement(study)])


def _summarize_improvement(study: ReportedStudy) -> str:
    baseline, best, metric = study.baseline, study.best, study.metric
    if baseline is None or len(study.scored) < 2:
        return describe_improvement(study.trials, metric, study.space.max_gap)
    name, constraint = format_metric_name(metric), _describe_constraint(study)
    before, after = baseline.best_epoch, best.best_epoch
    score = estimate_metric(before, metric)
    unlearnt = describe_unlearnt_trials((best, baseline), study.scored)
    if best is baseline:
        return (
            f"No trial is better than the baseline, the paper's configuration{constraint}. "
            f"Its {name} is {score}.{unlearnt}"
        )
    difference = drawbacks = ""
    if not unlearnt:
        change = estimate_metric_difference(after, before, metric)
        verdict = change.verdict and f" and {change.verdict}"
        difference = f" The difference is {change}{verdict}."
        drawbacks = describe_drawbacks(best, baseline, metric, study.classes)
    return (
        f"Trial {best.number:03d}{constraint} reaches a {name} of "
        f"{estimate_metric(after, metric)}. The baseline, the paper's configuration, reaches "
        f"{score}.{difference} The gap between training and validation accuracy is "
        f"{estimate_metric(after, 'gap')} instead of {estimate_metric(before, 'gap')}."
        f"{drawbacks}{_describe_steps(best, baseline)}{unlearnt}"
    )


def _describe_steps(best: ScoredTrial, baseline: ScoredTrial) -> str:
    if not (best.steps and baseline.steps):
        return ""
    return (
        f" These are the scores after {best.steps:,} training steps of the trial and "
        f"{baseline.steps:,} of the baseline."
    )


def _describe_constraint(study: ReportedStudy) -> str:
    """Return whether the best trial satisfies the study's constraint, if it has one."""
    limit = study.space.max_gap
    if limit is None:
        return ""
    if study.best.satisfies_constraint(limit):
        return f" (the best trial with a gap of at most {limit:g})"
    return f" (the closest; no completed trial has a gap of at most {limit:g})"


def _plot_improvement(study: ReportedStudy) -> Picture:
    metrics = list(dict.fromkeys([study.metric, *SUMMARY_METRICS]))
    names = [format_metric_name(metric) for metric in metrics]
    trials = {"baseline": study.baseline, "best trial": study.best}
    if study.best is study.baseline:
        del trials["best trial"]
    estimates = {
        label: [estimate_metric(trial.best_epoch, metric) for metric in metrics]
        for label, trial in trials.items()
        if trial
    }

    def plot_panels(axes: "list[Axes]") -> None:
        for index, (label, row) in enumerate(estimates.items()):
            axes[0].errorbar(
                [estimate.value for estimate in row],
                [y + 0.24 * index - 0.12 for y in range(len(row))],
                xerr=list(zip(*(estimate.error_bars for estimate in row), strict=True)),
                fmt="os"[index],
                fillstyle=("none", "full")[index],
                capsize=3,
                label=label,
            )
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        loss = "; loss in nats" if study.metric.endswith("/loss") else ""
        axes[0].set_xlabel(f"accuracy and gap as shares of faces; F1 from 0 to 1{loss}")
        add_legend(axes[0], 2)

    alt = "; ".join(
        f"{label}: " + ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True))
        for label, row in estimates.items()
    )
    return draw_picture("improvement", alt, plot_panels, height=1.1 + 0.42 * len(names))
