"""The section with the learning curves, and what pruning saved."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fer_tune.common.safe_text import pluralize
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import PALE, add_legend, draw_picture
from fer_tune.report.section import Picture, Section
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.formatting import format_metric_name
from fer_tune.terminal.study_summary import summarize_cost

TITLE = "Learning curves and pruned trials"
NOTE = (
    "Each line is a trial; all but the best trial and the baseline are pale. A cross marks the "
    "last epoch of a pruned trial. Data plan and batch size decide how many training steps an "
    "epoch has."
)


def build_learning_curves_section(study: ReportedStudy) -> Section:
    """Return the section: score and gap of every trial by epoch."""
    summary = summarize_cost(study.trials, study.run.epochs)
    if not study.scored:
        return Section(TITLE, f"{summary} No trial has finished an epoch yet.")
    return Section(TITLE, summary, NOTE, [_plot_curves(study, summary)])


def _plot_curves(study: ReportedStudy, summary: str) -> Picture:
    metrics = ("val/macro_f1" if study.metric == "gap" else study.metric, "gap")
    trained = [trial for trial in study.trials if trial.history]

    def plot_panels(axes: list[Axes]) -> None:
        for panel, metric in zip(axes, metrics, strict=True):
            for trial in trained:
                _plot_trial_curve(panel, study, trial, metric)
            panel.set_ylabel("gap in accuracy" if metric == "gap" else format_metric_name(metric))
        axes[1].set(xlabel="epoch", xlim=(0.5, study.run.epochs + 0.5))
        axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(axes[0], 3)

    name = format_metric_name(metrics[0])
    alt = f"{name} and gap by epoch of {pluralize(len(trained), 'trial')}. {summary}"
    return draw_picture(alt, plot_panels, height=4.4, panels=2)


def _plot_trial_curve(panel: Axes, study: ReportedStudy, trial: TrialRecord, metric: str) -> None:
    epochs = [result.epoch for result in trial.history]
    values = [result.metrics[metric] for result in trial.history]
    style: dict[str, Any] = {"color": PALE, "linewidth": 0.8}
    if trial is study.best.record:
        label = "best (baseline)" if study.best is study.baseline else "best"
        style = {"color": "C0", "linewidth": 2.0, "marker": "o", "label": label, "zorder": 4}
    elif study.baseline and trial is study.baseline.record:
        style = {"color": "black", "linestyle": "--", "marker": "s", "zorder": 3}
        style["label"] = "baseline"
    panel.plot(epochs, values, **{"markersize": 3.5} | style)
    if trial.ending == "stopped":
        panel.plot(epochs[-1], values[-1], "x", color="0.25", markersize=5, label="pruned")
    elif len(epochs) == 1:
        panel.plot(epochs, values, ".", color=PALE)
