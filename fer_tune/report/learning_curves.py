"""Learning curves, and what stopping trials early saved."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fer_tune.common.text import pluralize
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import PALE, draw_picture, format_metric_name
from fer_tune.report.section import Picture, Section
from fer_tune.study.records.trial_record import TrialRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "How the trials learnt, and which were stopped"
NOTE = (
    "Every trial by epoch: pale where it is neither the best nor the paper's. A cross marks where "
    "a trial was stopped."
)


def build_learning_curves_section(study: ReportedStudy) -> Section:
    """Score and gap of every trial by epoch."""
    trained = [each for each in study.trials if each.history]
    if not trained:
        return Section(
            TITLE, f"{summarize_stopping(study.trials, study.run.epochs)} None finished an epoch."
        )
    return Section(
        TITLE,
        summarize_stopping(study.trials, study.run.epochs),
        NOTE,
        [_plot_curves(study, trained)],
    )


def summarize_stopping(trials: Sequence[TrialRecord], epochs: int) -> str:
    """How the trials ended, how many were stopped after which epoch, and what that saved."""
    endings = Counter(each.ending or "running" for each in trials)
    told = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
    stopped = Counter(len(each.history) for each in trials if each.ending == "stopped")
    if not stopped:
        return f"Of {pluralize(len(trials), 'trial')} ({told or 'none begun'}), none was stopped."
    saved = sum((epochs - after) * count for after, count in stopped.items())
    used = sum(len(each.history) for each in trials)
    after = ", ".join(f"{stopped[epoch]} after epoch {epoch}" for epoch in sorted(stopped))
    return (
        f"Of {len(trials)} trials ({told}), stopping {after} saved {saved} of "
        f"{saved + used} epochs ({saved / (saved + used):.0%})."
    )


def _plot_curves(study: ReportedStudy, trained: Sequence[TrialRecord]) -> Picture:
    measures = (study.metric, "gap") if study.metric != "gap" else ("val/macro_f1", "gap")

    def plot_panels(axes: "list[Axes]") -> None:
        from matplotlib.ticker import MaxNLocator

        for panel, metric in zip(axes, measures, strict=True):
            for each in trained:
                _plot_trial_curve(panel, study, each, metric)
            panel.set_ylabel(
                format_metric_name(metric) + (" in accuracy" if metric == "gap" else "")
            )
        axes[1].set_xlabel("epoch")
        axes[1].set_xlim(left=0.5, right=study.run.epochs + 0.5)
        axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        handles = {
            text: line
            for panel in axes[:1]
            for line, text in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        axes[0].legend(
            handles.values(), handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3
        )

    alt = (
        f"{format_metric_name(measures[0])} and gap by epoch of {len(trained)} trials. "
        + summarize_stopping(study.trials, study.run.epochs)
    )
    return draw_picture("curves", alt, plot_panels, height=4.4, panels=2)


def _plot_trial_curve(panel: "Axes", study: ReportedStudy, trial: TrialRecord, metric: str) -> None:
    epochs = [each.epoch for each in trial.history]
    values = [each.metrics[metric] for each in trial.history]
    look: dict[str, Any]
    if study.best and trial is study.best.record:
        name = "best, the paper's" if study.best is study.baseline else "best"
        look = {"color": "C0", "linewidth": 2.0, "marker": "o", "label": name, "zorder": 4}
    elif study.baseline and trial is study.baseline.record:
        look = {"color": "black", "linestyle": "--", "marker": "s", "label": "paper's", "zorder": 3}
    else:
        look = {"color": PALE, "linewidth": 0.8}
    panel.plot(epochs, values, **{"markersize": 3.5} | look)
    if trial.ending == "stopped":
        panel.plot(epochs[-1], values[-1], "x", color="0.25", markersize=5, label="stopped")
    elif len(epochs) == 1:
        panel.plot(epochs, values, ".", color=PALE)
