"""The plan of an ablation in the terminal: its changes, its trainings and their time."""

from collections.abc import Sequence

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.safe_text import pluralize
from fer_tune.search.search_plan import SearchPlan
from fer_tune.study.records.event_log import read_checked_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.tune.resources import allocate_resources, detect_machine
from fer_tune.study.tune.shared_data import build_data_by_plan
from fer_tune.terminal.formatting import format_duration
from fer_tune.trial_config import TrialConfig


def show_ablation_plan(console: Console, plan: SearchPlan) -> None:
    """Print the changes, the number of trainings and how long they take; start nothing.

    The time is measured on this machine, in some seconds.
    """
    settings, ablation = plan.settings, plan.settings.ablation
    assert ablation
    console.print(f"Ablation {settings.name} of trial {ablation.trial:03d} of {ablation.study}.")
    console.print(f"{pluralize(len(ablation.changes), 'change')} from the baseline:")
    for index in range(len(ablation.changes)):
        change = f"{ablation.name_change(index)}: {ablation.describe_change(index)}"
        console.print(f"  {change}", soft_wrap=True)
    each = settings.trials // ablation.seeds
    console.print(
        f"{pluralize(settings.trials, 'training')}: {pluralize(each, 'configuration')} with "
        f"{pluralize(ablation.seeds, 'seed')}, {pluralize(settings.epochs, 'epoch')} each."
    )
    previous = read_checked_trials(plan.folder, settings).to_list() if plan.is_resumed else []
    console.print(_describe_time(console, plan, previous))


def _describe_time(console: Console, plan: SearchPlan, previous: Sequence[TrialRecord]) -> str:
    """Return how long the trainings take that are left.

    previous: trials of earlier runs. Epochs of trials that have not ended are counted again.
    """
    from fer_tune.ablate.estimate_time import estimate_seconds

    settings = plan.settings
    resources = allocate_resources([detect_machine()], settings.trials, plan.request)
    points = settings.list_untried_first_points()
    configs = [TrialConfig.model_validate(point) for point in points]
    with show_step(console, "measuring the speed of this machine"):
        seconds = estimate_seconds(
            settings, build_data_by_plan(plan.splits, settings), configs, resources
        )
    # The path is not known yet: its trials take as long as the mean of the others.
    mean = sum(seconds) / len(seconds)
    seconds += [mean] * (settings.trials - len(seconds))
    ended = {trial.number for trial in previous if trial.has_final_status}
    left = sum(time for number, time in enumerate(seconds) if number not in ended)
    text = f"About {format_duration(left)} of training, as measured on this machine"
    if plan.ray_address is not None:
        return f"{text}; a cluster trains several at once."
    # Trials that share a GPU also share its speed.
    at_once = resources.concurrent * (min(resources.gpus, 1) or 1)
    duration = format_duration(left / max(1, min(at_once, settings.trials - len(ended))))
    return f"{text}. It takes about {duration} with {resources}."
