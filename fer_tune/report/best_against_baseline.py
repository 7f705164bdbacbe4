"""The section that compares the best trial with the baseline."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import add_legend, draw_picture, name_rows
from fer_tune.report.section import Picture, Section, Table
from fer_tune.scoring.metric_estimates import Estimate, estimate_metric, estimate_metric_difference
from fer_tune.terminal.formatting import format_metric_name
from fer_tune.terminal.study_summary import SUMMARY_METRICS, describe_improvement

TITLE = "Improvement over the baseline"
NOTE = (
    "Each trial is scored at its best epoch on the same validation faces. Numbers in brackets and "
    "bars are 95 % bootstrap intervals over these faces. The best trial was also selected on them, "
    "so its scores are optimistic. Retraining measures it on the test faces. A difference may be "
    "chance if its interval contains 0. Chance is here the choice of the faces, not of the seed."
)


def build_baseline_section(study: ReportedStudy) -> Section:
    """Return the section: scores of the best trial and of the baseline."""
    metrics = list(dict.fromkeys([study.metric, *SUMMARY_METRICS]))
    trials = study.compared_trials
    estimates = {
        label: [estimate_metric(trial.best_epoch, metric) for metric in metrics]
        for label, trial in trials.items()
    }
    columns = dict(estimates)
    if len(trials) == 2:
        before, after = (trial.best_epoch for trial in trials.values())
        columns["difference"] = [estimate_metric_difference(after, before, m) for m in metrics]
    names = [format_metric_name(metric) for metric in metrics]
    cells = zip(names, *(map(format, column) for column in columns.values()), strict=True)
    max_gap, classes = study.space.max_gap, study.classes
    summary = describe_improvement(study.trials, study.metric, max_gap, classes)
    picture, table = _plot_estimates(names, estimates), Table(["", *columns], list(cells))
    return Section(TITLE, summary, NOTE, [picture], [table])


def _plot_estimates(names: Sequence[str], estimates: Mapping[str, Sequence[Estimate]]) -> Picture:
    """Return bars of the metrics `names`; `estimates` has them by trial."""

    def plot_panels(axes: list[Axes]) -> None:
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
        loss = "; loss in nats" if names[0].endswith("loss") else ""
        name_rows(axes[0], names, f"accuracy and gap as shares of faces; F1 from 0 to 1{loss}")
        add_legend(axes[0], 2)

    alt = f"The scores of the table as points with bars: {', '.join(estimates)}."
    return draw_picture(alt, plot_panels, height=1.1 + 0.42 * len(names))
