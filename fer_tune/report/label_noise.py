"""The section on label noise: how much of the gap is on faces whose label most people dispute."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import add_legend, draw_picture
from fer_tune.report.section import Picture, Section, Table
from fer_tune.study.ranking import ScoredTrial

TITLE = "Label noise in the gap"
NOTE = (
    "A face is agreed if its given label alone has the most votes of people. All other faces with "
    "votes are disputed. A network can learn a disputed label by heart, but can hardly predict it "
    "for a new face. So the gap on disputed faces is mostly fitted label noise. The scores of the "
    "groups are against the given labels. The last row of a trial is against the class with the "
    "most votes. The pictures show the accuracy by epoch, on training faces (filled) and on "
    "validation faces (hollow)."
)
_ROWS = {
    "all faces": "",
    "agreed faces": "agreed_",
    "disputed faces": "disputed_",
    "against the votes": "votes_",
}


def build_label_noise_section(study: ReportedStudy) -> Section | None:
    """Return the section on the baseline and the best trial; None if the study has no votes."""
    if not study.scored or "gap_from_disputed" not in study.best.metrics:
        return None
    trials = study.compared_trials
    summary = " ".join(_summarize_gap(name, trial) for name, trial in trials.items())
    rows = list[list[str]]()
    for name, trial in trials.items():
        for row, prefix in _ROWS.items():
            metrics = f"train/{prefix}accuracy", f"val/{prefix}accuracy", f"{prefix}gap"
            rows.append([f"{name}, {row}", *(f"{trial.metrics[each]:.3f}" for each in metrics)])
    table = Table(["", "train accuracy", "validation accuracy", "gap"], rows)
    return Section(TITLE, summary, NOTE, [_plot_accuracies(study, trials)], [table])


def _summarize_gap(name: str, trial: ScoredTrial) -> str:
    """Return how the gap of a trial is divided between agreed and disputed faces."""
    gap, part = trial.metrics["gap"], trial.metrics["gap_from_disputed"]
    share = f" ({part / gap:.0%})" if gap > 0 and 0 <= part <= gap else ""
    return (
        f"The {name} has a gap of {gap:.3f}, of which disputed faces make {part:.3f}{share}. The "
        f"gap is {trial.metrics['agreed_gap']:.3f} on agreed faces and "
        f"{trial.metrics['disputed_gap']:.3f} on disputed ones."
    )


def _plot_accuracies(study: ReportedStudy, trials: dict[str, ScoredTrial]) -> Picture:
    def plot_panels(axes: list[Axes]) -> None:
        for panel, (name, trial) in zip(axes, trials.items(), strict=True):
            history = trial.record.history
            epochs = [result.epoch for result in history]
            for index, group in enumerate(("agreed", "disputed")):
                for split, line, fill in (("train", "-", "full"), ("val", "--", "none")):
                    values = [each.metrics[f"{split}/{group}_accuracy"] for each in history]
                    look, label = "os"[index] + line, f"{split}, {group}"
                    curve = panel.plot(epochs, values, look, label=label)[0]
                    curve.set(color=f"C{index}", fillstyle=fill, markersize=3.5)
            panel.set(ylabel=f"accuracy, {name}", ylim=(0, 1))
        axes[-1].set(xlabel="epoch", xlim=(0.5, study.run.epochs + 0.5))
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(axes[0], 2)

    alt = f"Accuracy by epoch on agreed and disputed faces: {', '.join(trials)}."
    size = len(trials)
    return draw_picture(alt, plot_panels, height=0.8 + 2 * size, panels=size)
