"""What a study gained over the paper's configuration."""

from typing import TYPE_CHECKING

from fer_tune.report.intervals import estimate_difference, estimate_metric
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import draw_picture, format_metric_name
from fer_tune.report.section import Picture, Section
from fer_tune.study.ranking import ScoredTrial
from fer_tune.terminal.study_summary import SUMMARY_METRICS, describe_improvement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "What was gained over the paper's configuration"
NOTE = (
    "Each trial is scored at its best epoch on the same validation faces. Brackets and bars: 95 % "
    "intervals, by drawing those faces anew (bootstrap). They do not know that the best trial was "
    "chosen on these faces among all; only retraining, on the test faces, is free of that."
)


def build_improvement_section(study: ReportedStudy) -> Section:
    """The paper's configuration against the best trial."""
    if not study.scored:
        return Section(TITLE, "No trial has finished an epoch, so there is nothing to tell yet.")
    return Section(TITLE, _summarize_improvement(study), NOTE, [_plot_improvement(study)])


def _summarize_improvement(study: ReportedStudy) -> str:
    paper, best, metric = study.baseline, study.best, study.metric
    assert best is not None
    if paper is None or len(study.scored) < 2:
        return describe_improvement(study.trials, metric, study.space.max_gap)
    if best is paper:
        reached = (
            f"whose {format_metric_name(metric)} is {estimate_metric(paper.best_epoch, metric)}"
        )
        return f"No trial was better than the paper's configuration, {reached}{_describe_constraint(study)}."
    theirs, ours = paper.best_epoch, best.best_epoch
    more = estimate_difference(ours, theirs, metric)
    gaps = f"{estimate_metric(theirs, 'gap')} to {estimate_metric(ours, 'gap')}"
    return (
        f"Trial {best.number:03d}{_describe_constraint(study)} reaches a {format_metric_name(metric)} of "
        f"{estimate_metric(ours, metric)}, the "
        f"paper's configuration {estimate_metric(theirs, metric)}: a difference of {more}, while the gap "
        f"between train and validation accuracy went from {gaps}."
    )


def _describe_constraint(study: ReportedStudy) -> str:
    """Whether the best trial keeps to the study's largest gap, where it has one."""
    most, best = study.space.max_gap, study.best
    if most is None or best is None:
        return ""
    if best.satisfies_constraint(most):
        return f" (the best of those with a gap of at most {most:g})"
    return f" (no trial that ran to its end has a gap of at most {most:g}; this one comes closest)"


def _select_trials(study: ReportedStudy) -> dict[str, ScoredTrial]:
    """By how they are called: the paper's configuration and the best trial."""
    named = {"paper's configuration": study.baseline}
    if study.best is not study.baseline:
        named["best trial"] = study.best
    return {name: trial for name, trial in named.items() if trial is not None}


def _plot_improvement(study: ReportedStudy) -> Picture:
    names = list(dict.fromkeys([study.metric, *SUMMARY_METRICS]))
    shown = _select_trials(study)
    told = {
        who: [estimate_metric(trial.best_epoch, name) for name in names]
        for who, trial in shown.items()
    }

    def plot_panels(axes: "list[Axes]") -> None:
        for index, (who, values) in enumerate(told.items()):
            places = [row + 0.24 * index - 0.12 for row in range(len(names))]
            axes[0].errorbar(
                [each.value for each in values],
                places,
                xerr=list(zip(*(each.error_bars for each in values), strict=True)),
                fmt="os"[index],
                fillstyle=("none", "full")[index],
                capsize=3,
                label=who,
            )
        axes[0].set_yticks(range(len(names)), [format_metric_name(name) for name in names])
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        loss = "; loss in nats" if any(name.endswith("/loss") for name in names) else ""
        axes[0].set_xlabel(f"accuracy and gap as shares of faces; F1 from 0 to 1{loss}")
        axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=2)

    alt = "; ".join(
        f"{who}: "
        + ", ".join(f"{format_metric_name(n)} {v}" for n, v in zip(names, values, strict=True))
        for who, values in told.items()
    )
    return draw_picture("gained", alt, plot_panels, height=1.1 + 0.42 * len(names))
