"""The plan of an ablation in the terminal: its changes, its trainings and their time."""

import math
from collections.abc import Sequence
from statistics import fmean

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.safe_text import pluralize
from fer_tune.search.search_plan import SearchPlan
from fer_tune.study.records.event_log import read_checked_trials
from fer_tune.study.tune.resources import ResourceAllocation, allocate_resources, detect_machine
from fer_tune.study.tune.shared_data import StudyData, build_data_by_plan, count_faces
from fer_tune.terminal.formatting import format_duration
from fer_tune.trial.gpu_errors import explain_out_of_memory
from fer_tune.trial.gpu_sharing import EndlessTrial, take_subset
from fer_tune.trial.model_cost import count_network_multiply_adds
from fer_tune.trial_config import BASELINE, TrialConfig

_STEPS = 3  # of a measured epoch
_SECONDS = 4.0  # for the measurement of one configuration


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
    console.print(_describe_time(console, plan))


def _describe_time(console: Console, plan: SearchPlan) -> str:
    """Return how long the trainings take that are left.

    Epochs of trials that have not ended are counted again.
    """
    settings = plan.settings
    resources = allocate_resources([detect_machine()], settings.trials, plan.request)
    ablation = settings.ablation
    assert ablation
    configs = [TrialConfig.model_validate(point) for point in ablation.list_first_points()]
    with show_step(console, "measuring the speed of this machine"):
        faces = build_data_by_plan(plan.splits, settings)
        seconds = [settings.epochs * each for each in _estimate_epochs(faces, configs, resources)]
    # The path is not known yet: its trials take as long as the mean of the others.
    seconds += [fmean(seconds)] * (settings.trials // ablation.seeds - len(seconds))
    earlier = read_checked_trials(plan.folder, settings).to_list() if plan.is_resumed else []
    ended = {trial.number for trial in earlier if trial.has_final_status}
    left = sum(time for n, time in enumerate(seconds * ablation.seeds) if n not in ended)
    text = f"About {format_duration(left)} of training, as measured on this machine"
    if plan.ray_address is not None:
        return f"{text}; a cluster trains several at once."
    # Trials that share a GPU also share its speed.
    at_once = resources.concurrent * (min(resources.gpus, 1) or 1)
    duration = format_duration(left / max(1, min(at_once, settings.trials - len(ended))))
    return f"{text}. It takes about {duration} with {resources}."


@explain_out_of_memory()
def _estimate_epochs(
    faces: StudyData, configs: Sequence[TrialConfig], resources: ResourceAllocation
) -> list[float]:
    """Return the seconds of an epoch of each configuration on this machine.

    The first two are measured, with few faces. Others take as long as the one of these with the
    most similar number of multiply-adds, scaled by this number.

    configs: the baseline, the configuration with all changes, and others.

    Raises UserError if the GPU has too little memory.
    """
    data, measured = faces[BASELINE.data_plan], list[tuple[int, float]]()
    for config in configs[:2]:
        trial = EndlessTrial(take_subset(data, _STEPS * config.batch_size), config, resources.cpus)
        trial.measure_speed(0, resources.gpus)  # the first epoch is slower
        speed = trial.measure_speed(_SECONDS, resources.gpus).faces_per_second
        measured.append((count_network_multiply_adds(config, len(data.classes)), 1 / speed))

    def estimate(config: TrialConfig) -> float:
        own = count_network_multiply_adds(config, len(data.classes))
        ratios = [(own / other, seconds) for other, seconds in measured]
        nearest = min(abs(math.log(ratio)) for ratio, _ in ratios)
        per_face = [r * seconds for r, seconds in ratios if abs(math.log(r)) == nearest]
        return (count_faces(faces, config) or 0) * fmean(per_face)

    return [estimate(config) for config in configs]
