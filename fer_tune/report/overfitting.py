"""What counters overfitting: scores against gaps, and which parameters decide them."""

from typing import TYPE_CHECKING, Any

from fer_tune.common.text import pluralize
from fer_tune.data.resampling import DATA_PLANS
from fer_tune.report.intervals import estimate_metric
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import MARKERS, draw_picture, format_metric_name, plot_trials
from fer_tune.report.section import Picture, Section, Table
from fer_tune.study.parameter_importance import MIN_TRIALS, estimate_importances
from fer_tune.study.pareto_front import SCORE_METRIC, find_pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "What counters overfitting"
NOTE = (
    "One point a trial, at its best epoch: the higher the better, and the further left the less it "
    "overfits. Filled points ran to their end, hollow ones did not; bars show the 95 % intervals "
    "of the best and the paper's, and others are as uncertain. A gap may also be small because a "
    "trial has hardly learnt yet. The line joins the trials that no other beats in both; they are "
    "in the table."
)
CONDITIONAL_NOTE = " What a trial does not have counts there with one and the same value."
LIMIT_NOTE = " Right of the dotted line, the gap is larger than the study allows its best trial."
IMPORTANCE_NOTE = (
    "Importances are the shares of the parameters in the variance among the {count} trials that "
    "ran to their end (Optuna's fANOVA), with the standard deviation over samples of these trials; "
    "those that finished are the ones that were not stopped."
)


def build_overfitting_section(study: ReportedStudy) -> Section:
    """Validation macro F1 against the gap, and hyperparameter importances."""
    if not study.scored:
        return Section(TITLE, "No trial has finished an epoch yet.")
    finished = [each for each in study.scored if each.is_completed]
    shares = {
        metric: estimate_importances(
            [each.record for each in finished],
            study.space,
            [each.metrics[metric] for each in finished],
        )
        for metric in (SCORE_METRIC, "gap")
    }
    pictures, points = (
        [_plot_score_by_gap(study)],
        NOTE + ("" if study.space.max_gap is None else LIMIT_NOTE),
    )
    note = f"{points} {IMPORTANCE_NOTE.format(count=len(finished))}"
    if all(shares.values()):
        pictures.append(_plot_importances(shares))
        note += CONDITIONAL_NOTE if study.space.is_conditional else ""
    else:
        note = (
            f"{points} There are no hyperparameter importances: they need {MIN_TRIALS} trials that ran "
            f"to their end with different results, and of this study {len(finished)} did."
        )
    return Section(
        TITLE, summarize_overfitting(study, shares), note, pictures, [_build_front_table(study)]
    )


def _build_front_table(study: ReportedStudy) -> Table:
    return Table(
        ["on the line", "ended", "epoch", "macro F1", "gap"],
        [
            [f"{each.number:03d}", each.record.ending or "running", str(each.best_epoch.epoch)]
            + [f"{each.metrics[name]:.3f}" for name in (SCORE_METRIC, "gap")]
            for each in find_pareto_front(study.trials, study.metric)
        ],
    )


def summarize_overfitting(
    study: ReportedStudy, shares: dict[str, dict[str, tuple[float, float]]]
) -> str:
    """How many trials beat the paper's both ways, and what decides the gap."""
    told = f"The study has {pluralize(len(study.scored), 'trial')} with a result"
    if study.baseline is not None and len(study.scored) > 1:
        theirs = study.baseline.metrics
        others = [each.metrics for each in study.scored if each is not study.baseline]
        higher = [each for each in others if each[SCORE_METRIC] > theirs[SCORE_METRIC]]
        both = [each for each in higher if each["gap"] < theirs["gap"]]
        smaller = f", {len(both) or 'none'} of them with a smaller gap" if higher else ""
        told = (
            f"Of {pluralize(len(others), 'other trial')}, {len(higher) or 'none'} did better in "
            f"macro F1 than the paper's configuration{smaller}"
        )
    return f"{told}{_describe_importance(shares.get('gap', {}))}."


def _describe_importance(shares: dict[str, tuple[float, float]]) -> str:
    """What decides the gap, as far as these trials can tell."""
    if not shares:
        return ""
    (name, (mean, spread)), *others = shares.items()
    close = [other for other, (share, _) in others if share >= mean - spread]
    most = f"{name} ({mean:.0%} ± {spread:.0%} of its variance)"
    if not close:
        return f"; what decides the gap most is {most}"
    rivals = close[0] if len(close) == 1 else f"one of {len(close)} more, such as {close[0]}"
    return f"; what decides the gap most is {most}, or {rivals}: too few ran to their end to tell"


def _plot_score_by_gap(study: ReportedStudy) -> Picture:
    plans = {
        plan: [each for each in study.scored if each.record.config.data_plan == plan]
        for plan in DATA_PLANS
    }

    def plot_panels(axes: "list[Axes]") -> None:
        for index, (plan, trials) in enumerate(plans.items()):
            marker, color = MARKERS[index], f"C{index}"
            found = [(each.metrics, each.is_completed) for each in trials]
            points = [
                (metrics["gap"], metrics[SCORE_METRIC], finished) for metrics, finished in found
            ]
            plot_trials(axes[0], points, marker=marker, color=color)
            if trials:
                axes[0].plot([], [], marker, color=color, label=plan)
        _mark_best_and_baseline(study, axes[0])
        _draw_pareto_front(study, axes[0])
        axes[0].set_xlabel("gap: train minus validation accuracy")
        axes[0].set_ylabel("validation macro F1")
        axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=3)

    found = ", ".join(f"{len(trials)} {plan}" for plan, trials in plans.items() if trials)
    alt = f"Validation macro F1 against the gap, a point a trial, by data plan: {found}."
    return draw_picture("overfitting", alt, plot_panels, height=3.4)


def _mark_best_and_baseline(study: ReportedStudy, axes: "Axes") -> None:
    """The intervals of the best and the paper's, and a ring around the paper's."""
    marked = {each.number: each for each in (study.best, study.baseline) if each}
    for each in marked.values():
        result = each.best_epoch
        gap, score = estimate_metric(result, "gap"), estimate_metric(result, SCORE_METRIC)
        axes.errorbar(
            gap.value,
            score.value,
            xerr=[[part] for part in gap.error_bars],
            yerr=[[part] for part in score.error_bars],
            fmt="none",
            ecolor="0.5",
            zorder=1,
        )
        if each is study.baseline:
            look: dict[str, Any] = {"color": "black", "fillstyle": "none", "markersize": 11}
            axes.plot(gap.value, score.value, "o", label="the paper's", **look)


def _draw_pareto_front(study: ReportedStudy, axes: "Axes") -> None:
    """The trials that no other beats in both, and the study's largest gap."""
    some = [each.metrics for each in find_pareto_front(study.trials, study.metric)]
    axes.step(
        [each["gap"] for each in some],
        [each[SCORE_METRIC] for each in some],
        where="post",
        color="0.5",
        linewidth=0.8,
        zorder=0,
    )
    if study.space.max_gap is not None:
        axes.axvline(study.space.max_gap, color="black", linestyle=":", linewidth=0.8, zorder=0)


def _plot_importances(shares: dict[str, dict[str, tuple[float, float]]]) -> Picture:
    order = list(shares["gap"])[::-1]

    def plot_panels(axes: "list[Axes]") -> None:
        for index, (name, of) in enumerate(shares.items()):
            axes[0].barh(
                [row + 0.38 * (0.5 - index) for row in range(len(order))],
                [100 * of[each][0] for each in order],
                xerr=[100 * of[each][1] for each in order],
                height=0.36,
                color=("0.8", "0.45")[index],
                hatch=("", "////")[index],
                edgecolor="black",
                linewidth=0.5,
                error_kw={"elinewidth": 0.8, "capsize": 2},
                label=format_metric_name(name),
            )
        axes[0].set_yticks(range(len(order)), order)
        axes[0].set_xlim(left=0)
        axes[0].set_xlabel("share of the variance among trials, in %")
        axes[0].legend(loc="lower right")

    alt = "Importance of each parameter for the gap: " + ", ".join(
        f"{name} {mean:.0%} ± {spread:.0%}" for name, (mean, spread) in shares["gap"].items()
    )
    return draw_picture("importances", alt, plot_panels, height=0.8 + 0.3 * len(order))
