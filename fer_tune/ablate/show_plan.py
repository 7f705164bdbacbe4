"""The plan of an ablation in the terminal: its changes and its trainings."""

from rich.console import Console

from fer_tune.common.safe_text import pluralize
from fer_tune.search.search_plan import SearchPlan
from fer_tune.study.ablation_plan import Ablation


def show_ablation_plan(console: Console, plan: SearchPlan) -> None:
    """Print the changes and the number of trainings; start nothing."""
    settings, ablation = plan.settings, plan.settings.ablation
    assert ablation
    console.print(f"Ablation {settings.name} of trial {ablation.trial:03d} of {ablation.study}.")
    console.print(f"{pluralize(len(ablation.changes), 'change')} from the baseline:")
    for index in range(len(ablation.changes)):
        console.print(f"  {format_change(ablation, index)}", soft_wrap=True)
    each = settings.trials // ablation.seeds
    console.print(
        f"{pluralize(settings.trials, 'training')}: {pluralize(each, 'configuration')} with "
        f"{pluralize(ablation.seeds, 'seed')}, {pluralize(settings.epochs, 'epoch')} each."
    )


def format_change(ablation: Ablation, index: int) -> str:
    """Return a change in words: `mixup: mixup 0 to 0.35`."""
    return f"{ablation.name_change(index)}: {ablation.describe_change(index)}"
