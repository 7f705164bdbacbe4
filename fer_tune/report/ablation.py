"""The section on an ablation: what each change between the baseline and a trial brings."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fer_tune.common.safe_text import pluralize
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import draw_picture, draw_rows, name_rows
from fer_tune.report.section import Picture, Section, Table
from fer_tune.scoring.metric_estimates import Estimate
from fer_tune.scoring.metrics import is_better
from fer_tune.study.ablation_effects import AblationOutcome, Effect, measure_effects
from fer_tune.terminal.ablation_summary import (
    HEADERS,
    describe_ablation,
    explain_marks,
    list_effect_rows,
)
from fer_tune.terminal.formatting import format_metric_name

TITLE = "One change at a time"
NOTE = (
    "Alone is the baseline with the change minus the baseline. In the end is the configuration "
    "with all changes minus the same without the change. The path adds the changes to the "
    "baseline, one after the other. It begins with the one that helps most alone, with the first "
    "seed. In the pictures of the path, a bar leads from the value before a change to the value "
    "after it. Filled bars improve the metric, hatched bars worsen it. The number after ± is half "
    "of the 95 % interval, which the pictures show as a line. "
)
SEEDS_NOTE = (
    "On the path, the thick part of a line is the spread over seeds, and the thin part adds the "
    "influence of the validation faces. All configurations of a seed train with the same random "
    "numbers, so effects are differences within a seed. The spread over seeds is estimated from "
    "all configurations together, as there are few seeds, with {freedom} degrees of freedom and "
    "Student's t. "
)
ONE_SEED_NOTE = "With one seed, the intervals lack the spread over seeds. "
FACES_NOTE = (
    "The influence of the faces is computed as if each configuration had other faces. All have the "
    "same, so this part is rather too wide. "
)
COUNT_NOTE = (
    "The tables have {count}. If no change did anything, one effect in twenty would still have a "
    "star."
)
_TICKS = 5  # names of changes may leave little room


def build_ablation_section(study: ReportedStudy) -> Section:
    """Return the section: effects of all changes, as tables and pictures."""
    ablation = study.ablation
    assert ablation
    outcome = measure_effects(ablation, study.metric, study.trials)
    changes = [
        f"{ablation.name_change(index)} ({ablation.describe_change(index)})"
        for index in outcome.order
    ]
    origin = f"trial {ablation.trial:03d} of study {ablation.study}"
    findings = [f"Changes from the baseline to {origin}: {'; '.join(changes)}."]
    tables, pictures = list[Table](), list[Picture]()
    for metric in outcome.metrics:
        header, *rows = list_effect_rows(outcome, metric)
        tables.append(Table(header, rows))
        if frozenset() in outcome.means[metric]:
            pictures.append(_plot_path(outcome, metric))
        if outcome.effects:
            pictures.append(_draw_effects(outcome, metric))
    summary, note = describe_ablation(outcome), _build_note(outcome)
    return Section(TITLE, summary, note, pictures, tables, findings)


def _build_note(outcome: AblationOutcome) -> str:
    note = NOTE
    note += SEEDS_NOTE.format(freedom=outcome.freedom) if outcome.freedom else ONE_SEED_NOTE
    if any(effect.faces_error for effect in outcome.effects.values()):
        note += FACES_NOTE
    note += COUNT_NOTE.format(count=pluralize(len(outcome.effects), "effect"))
    return f"{note} {explain_marks(outcome)}"


def _plot_path(outcome: AblationOutcome, metric: str) -> Picture:
    """Return the path from the baseline to all changes as a waterfall."""
    name = format_metric_name(metric)
    names = ["baseline", *(f"+ {outcome.ablation.name_change(index)}" for index in outcome.order)]
    values = [outcome.means[metric].get(subset) for subset in outcome.path]

    def plot_panels(axes: list[Axes]) -> None:
        panel, before = axes[0], values[0] or 0.0
        panel.axvline(before, color="0.4", linestyle=":", linewidth=0.8)
        panel.plot(before, 0, "ko")
        for row, (index, after) in enumerate(zip(outcome.order, values[1:], strict=True), start=1):
            if after is None:
                continue
            bar = panel.barh(row, after - before, left=before, height=0.6, color="C0")
            if not is_better(metric, after, before):
                bar.patches[0].set(facecolor="white", hatch="////")
            _draw_interval(panel, after, row, outcome.effects.get((index, "path", metric)))
            before = after
        name_rows(panel, names, name)
        panel.xaxis.set_major_locator(MaxNLocator(_TICKS))

    steps = (f"{n} {v:.3f}" for n, v in zip(names, values, strict=True) if v is not None)
    alt = f"{name} along the path: {', '.join(steps)}."
    return draw_picture(alt, plot_panels, height=0.8 + 0.28 * len(names))


def _draw_effects(outcome: AblationOutcome, metric: str) -> Picture:
    """Return what each change brings alone and in the end, as points with their intervals."""
    name = format_metric_name(metric)
    names = [outcome.ablation.name_change(index) for index in outcome.order]
    series = dict[str, list[Estimate]]()
    for comparison in ("alone", "removed"):
        effects = (outcome.effects.get((index, comparison, metric)) for index in outcome.order)
        series[HEADERS[comparison]] = [
            Estimate(effect.value, effect.interval) if effect else Estimate(math.nan)
            for effect in effects
        ]
    alt = f"What each change brings in the {name}, alone and in the end: the table has the numbers."
    return draw_rows(alt, names, f"change of the {name}", series)


def _draw_interval(panel: Axes, x: float, y: float, effect: Effect | None) -> None:
    """Draw the interval of an effect around x: its part over seeds thick, the whole thin."""
    if effect:
        panel.errorbar(x, y, xerr=effect.error, ecolor="0.2", elinewidth=0.7)
        panel.errorbar(x, y, xerr=effect.seed_error, ecolor="0.2", elinewidth=2.0)
