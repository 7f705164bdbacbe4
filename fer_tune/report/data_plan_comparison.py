"""The section that compares the data plans at equal numbers of training steps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from matplotlib.axes import Axes

from fer_tune.common.safe_text import pluralize
from fer_tune.data.resampling import DATA_PLANS
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import MARKERS, PALE, add_legend, draw_picture
from fer_tune.report.section import Picture, Section
from fer_tune.report.training_steps import get_faces_by_plan, has_equal_classes
from fer_tune.scoring.metric_estimates import estimate_metric_difference
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.scoring.significance import judge_mean
from fer_tune.study.ranking import MIN_GROUP, find_majority_share
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.formatting import format_metric_name

TITLE = "Data plans"
ORIGINAL_PLAN = "original"
NOTE = (
    "Each line is a trial. A step is one update of the weights by one batch, and the data plan "
    "decides how many steps an epoch has. "
)
PAIRS_NOTE = (
    "Lines in colour are trials that differ only in their data plan. They are compared up to the "
    "steps that both have (dotted line), after each epoch of the plan with longer epochs. So both "
    "are scored equally often. A marker is the best of these scores. A learning rate schedule "
    "spans all epochs of a trial, so the longer trial is compared before the end of its schedule."
)
NO_STEPS = (
    "The numbers of training steps are unknown: they are not recorded, and the faces are not "
    "available to count them. So the data plans are not compared. Use --data PATH."
)
EQUAL_CLASSES = "There is nothing to balance: all classes have nearly as many training faces."


@dataclass(frozen=True)
class TrialPair:
    """Two trials that differ only in their data plan; the first has the original data.

    budget: training steps that both have; 0 if they are unknown.
    best: the best epoch of each trial within these steps, of as many epochs on both sides.
    problem: why the two cannot be compared; empty if they can.
    """

    trials: tuple[TrialRecord, TrialRecord]
    budget: int = 0
    best: tuple[EpochResult, ...] = ()
    problem: str = ""

    @property
    def plan(self) -> str:
        """The data plan that is compared with the original data."""
        return self.trials[1].config.data_plan


def find_trial_pairs(study: ReportedStudy) -> list[TrialPair]:
    """Return a pair for every trial that has a counterpart on the original data."""
    groups: dict[str, dict[str, TrialRecord]] = defaultdict(dict)
    for trial in sorted(study.scored, key=lambda trial: trial.number):
        config = trial.record.config
        group = groups[config.model_dump_json(exclude={"data_plan"})]
        group.setdefault(config.data_plan, trial.record)
    share = find_majority_share(study.scored) or 0
    return [
        _make_pair((plans[ORIGINAL_PLAN], plans[plan]), study.metric, share)
        for plans in groups.values()
        if ORIGINAL_PLAN in plans
        for plan in DATA_PLANS
        if plan in plans and plan != ORIGINAL_PLAN
    ]


def _make_pair(trials: tuple[TrialRecord, TrialRecord], metric: str, share: float) -> TrialPair:
    """Return the pair; share: accuracy of always naming the largest class."""
    budget = min(_count_steps(trial, trial.history[-1]) for trial in trials)
    longest = max(trial.steps_per_epoch or 0 for trial in trials)
    points = range(longest, budget + 1, longest or 1)  # where an epoch of the longer plan ends
    best = tuple(filter(None, (_find_best_at(trial, points, metric) for trial in trials)))
    problem = ""
    if len(best) < 2:
        problem = "an epoch of one trial has more steps than the whole training of the other"
    elif any(epoch.metrics["val/accuracy"] <= share for epoch in best):
        problem = "a trial has not learnt; its accuracy does not beat naming the largest class"
    return TrialPair(trials, budget, best, problem)


def _find_best_at(trial: TrialRecord, points: Sequence[int], metric: str) -> EpochResult | None:
    """Return the best of the epochs that are the last before one of these numbers of steps."""
    epochs = {point // (trial.steps_per_epoch or 1) for point in points}
    return find_best_epoch([result for result in trial.history if result.epoch in epochs], metric)


def _count_steps(trial: TrialRecord, epoch: EpochResult) -> int:
    return epoch.epoch * (trial.steps_per_epoch or 0)


def build_data_plan_section(study: ReportedStudy) -> Section:
    """Return the section: how each data plan changes the metric at equal training steps."""
    pairs, faces = find_trial_pairs(study), get_faces_by_plan(study)
    is_known = all(trial.record.steps_per_epoch for trial in study.scored)
    if has_equal_classes(faces):
        summary = EQUAL_CLASSES
    elif not pairs:
        summary = "No two trials differ only in their data plan, so the plans are not compared."
    elif not is_known:
        summary = NO_STEPS
    else:
        summary = summarize_pairs(pairs, study.metric)
    counts = ", ".join(f"{plan} {faces[plan]:,}" for plan in study.by_plan if plan in faces)
    findings = [f"Faces an epoch: {counts}."] if counts else []
    if not is_known:
        return Section(TITLE, summary, findings=findings)
    note = NOTE + PAIRS_NOTE * bool(pairs)
    return Section(TITLE, summary, note, [_plot_by_step(study, pairs)], findings=findings)


def summarize_pairs(pairs: Sequence[TrialPair], metric: str) -> str:
    """Return how each plan changes the metric if all other parameters stay."""
    parts, problems = [], []
    for plan in dict.fromkeys(pair.plan for pair in pairs):
        own = [pair for pair in pairs if pair.plan == plan]
        if compared := [pair for pair in own if not pair.problem]:
            parts.append(f"{plan} {_describe_change(compared, metric)}")
        else:
            problems.append(f"{plan} cannot be compared: {own[0].problem}.")
    changes = (
        f"Change of the {format_metric_name(metric)} against the original data, with as many "
        f"training steps and all other parameters equal: {'; '.join(parts)}."
    )
    return " ".join([changes] * bool(parts) + problems)


def _describe_change(pairs: Sequence[TrialPair], metric: str) -> str:
    changes = [estimate_metric_difference(pair.best[1], pair.best[0], metric) for pair in pairs]
    values = [change.value for change in changes]
    text = f"{changes[0]:+.3f}"
    if len(pairs) > 1:
        text = f"{mean(values):+.3f} ± {stdev(values):.3f}"
    least, most = min(pair.budget for pair in pairs), max(pair.budget for pair in pairs)
    steps = f"{least:,} to {most:,} steps" if least < most else pluralize(most, "step")
    verdict = f"may be chance: {MIN_GROUP} pairs are needed"
    if len(pairs) >= MIN_GROUP:
        verdict = judge_mean(values)
    return f"{text} in {pluralize(len(pairs), 'pair')} within {steps} ({verdict})"


def _plot_by_step(study: ReportedStudy, pairs: Sequence[TrialPair]) -> Picture:
    metric, records = study.metric, [trial.record for trial in study.scored]
    paired = {trial.number for pair in pairs for trial in pair.trials}

    def plot_trial(axes: Axes, trial: TrialRecord, **look: Any) -> None:
        steps = [_count_steps(trial, epoch) for epoch in trial.history]
        axes.plot(steps, [epoch.metrics[metric] for epoch in trial.history], **look)

    def plot_panels(axes: list[Axes]) -> None:
        for record in records:
            if record.number not in paired:
                plot_trial(axes[0], record, color=PALE, linewidth=0.6)
        for pair in pairs:
            for place, trial in enumerate(pair.trials):
                plan = trial.config.data_plan
                style = DATA_PLANS.index(plan)
                marked = [] if pair.problem else [trial.history.index(pair.best[place])]
                look = {"color": f"C{style}", "marker": MARKERS[style], "markevery": marked}
                plot_trial(axes[0], trial, label=plan, **look)
            axes[0].axvline(pair.budget, color="0.4", linestyle=":", linewidth=0.8)
        axes[0].set(xlabel="training steps", ylabel=f"validation {format_metric_name(metric)}")
        axes[0].set_xlim(left=0)
        if pairs:
            add_legend(axes[0], 4)

    most = max(_count_steps(record, record.history[-1]) for record in records)
    name, trials = format_metric_name(metric), pluralize(len(records), "trial")
    alt = f"{name} by training step, up to {most:,}, of {trials}."
    return draw_picture(alt, plot_panels, height=3.0)
