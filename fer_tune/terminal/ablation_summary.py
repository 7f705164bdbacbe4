"""The end of an ablation in the terminal: what each change brings."""

from collections.abc import Iterator

from rich.console import Console

from fer_tune.scoring.metrics import is_better, metric_direction
from fer_tune.study.ablation_effects import AblationOutcome, Comparison, Effect
from fer_tune.terminal.formatting import build_borderless_table, format_metric_name

_DAGGER = "\N{DAGGER}"
HEADERS: dict[Comparison, str] = {"alone": "alone", "removed": "in the end", "path": "on the path"}


def show_effects(console: Console, outcome: AblationOutcome) -> None:
    """Print what each change brings in each metric."""
    for name in outcome.metrics:
        header, *rows = list_effect_rows(outcome, name)
        console.print(build_borderless_table(header, rows))
        console.print()
    console.print(explain_marks(outcome))


def explain_marks(outcome: AblationOutcome) -> str:
    """Return what the marks of `format_effect` mean."""
    if not outcome.freedom:
        return "* unlikely to be chance."
    dagger = f"{_DAGGER} more than the seeds vary, but other faces may not confirm it"
    return f"* unlikely to be chance; {dagger}."


def list_effect_rows(outcome: AblationOutcome, metric: str) -> list[list[str]]:
    """Return the header and the rows of the table of a metric, in the order of the path."""
    rows = [[format_metric_name(metric), *HEADERS.values(), "value"]]
    rows.append(["baseline", "", "", "", _format_mean(outcome, 0, metric)])
    for place, index in enumerate(outcome.order, start=1):
        effects = [outcome.effects.get((index, each, metric)) for each in HEADERS]
        name = f"+ {outcome.ablation.name_change(index)}"
        rows.append([name, *map(format_effect, effects), _format_mean(outcome, place, metric)])
    return rows


def _format_mean(outcome: AblationOutcome, place: int, metric: str) -> str:
    """Return the metric after so many steps of the path."""
    mean = outcome.means[metric].get(outcome.path[place])
    return "-" if mean is None else f"{mean:.3f}"


def format_effect(effect: Effect | None) -> str:
    """Return a change and half of its interval, `+0.021 ±0.018*`; `-` for None."""
    if effect is None:
        return "-"
    if not effect.error:
        return f"{effect.value:+.3f}"
    doubt = _DAGGER if effect.exceeds_seeds else ""
    return f"{effect.value:+.3f} ±{effect.error:.3f}{doubt if effect.may_be_chance else '*'}"


def describe_ablation(outcome: AblationOutcome) -> str:
    """Return the result of an ablation in a few sentences."""
    sentences = [_describe_total(outcome)]
    for metric in outcome.metrics:
        sentences += _describe_metric(outcome, metric)
    if not outcome.is_order_final:
        sentences.append("The order of the path may still change, as trials are missing.")
    if outcome.failed:
        sentences.append(
            f"Failed: {', '.join(outcome.failed)}. If a change has no result alone, it is the "
            "last of the path."
        )
    return " ".join(sentences)


def _describe_total(outcome: AblationOutcome) -> str:
    parts = [
        f"{format_metric_name(metric)} from {_format_mean(outcome, 0, metric)} to "
        f"{_format_mean(outcome, -1, metric)} ({format_effect(effect)})"
        for metric, effect in outcome.totals.items()
    ]
    if not parts:
        return "The baseline or the configuration with all changes has no result yet."
    return f"All changes of trial {outcome.ablation.trial:03d} together: {', '.join(parts)}."


def _describe_metric(outcome: AblationOutcome, metric: str) -> Iterator[str]:
    """Yield which changes improve or worsen the metric, alone and in the end, beyond chance.

    Nothing is said of comparisons that have not been trained yet.
    """
    name, chance = format_metric_name(metric), list[str]()
    verbs = ("raise", "lower") if metric_direction(metric) == "max" else ("reduce", "increase")
    for comparison in ("alone", "removed"):
        start = HEADERS[comparison]
        measured = [
            (effect, outcome.ablation.name_change(index))
            for (index, each, other), effect in outcome.effects.items()
            if (each, other) == (comparison, metric)
        ]
        clear = [(effect.value, n) for effect, n in measured if not effect.may_be_chance]
        clear.sort(key=lambda change: -abs(change[0]))
        for verb, helps in zip(verbs, (True, False), strict=True):
            own = [(value, n) for value, n in clear if is_better(metric, value, 0) is helps]
            if own:
                subject = f"one change {verb}s" if len(own) == 1 else f"{len(own)} changes {verb}"
                listed = ", ".join(f"{n} ({value:+.3f})" for value, n in own)
                yield f"{start.capitalize()}, {subject} the {name} beyond chance: {listed}."
        chance += [start] if measured and not clear else []
    if chance:
        start = " and ".join(chance).capitalize()
        yield f"{start}, no change has an effect on the {name} beyond chance."
