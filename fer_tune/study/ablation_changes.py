"""The changes from the baseline to a trial, which an ablation takes apart."""

from collections.abc import Sequence

from fer_tune.study.ablation_plan import SHAPE_PARAMETERS, Ablation
from fer_tune.study.search_space.parameters import Point, make_choices
from fer_tune.study.search_space.space import BestTrialConstraints, SearchSpace
from fer_tune.trial_config import TrialConfig

MAX_CHANGES = 8

# Parameters that are one change, since a value of one only suits some values of the others.
_TOGETHER = (
    ("schedule", "optimizer", "learning_rate", "batch_size"),
    SHAPE_PARAMETERS,
    ("labels", "suspect_share"),
)
# Similar parameters, which become one change if there are more than MAX_CHANGES: two that keep
# weights small, two that soften labels, and an average of weights with what it teaches.
_SIMILAR = (
    ("weight_decay", "dropout"),
    ("label_smoothing", "mixup"),
    ("averaging", "self_distillation"),
)


def group_changes(config: TrialConfig, space: SearchSpace) -> tuple[Point, ...]:
    """Return the changes from the baseline to a configuration: values by parameter.

    Parameters that only make sense together are one change. These are the parameters of a schedule,
    those of the network's shape, and a parameter with those in its `when`. Similar parameters are
    merged until there are at most MAX_CHANGES.
    """
    values = config.model_dump(exclude_defaults=True)
    conditions = [(k, *(each.when or ())) for k, each in space.parameters.items() if k in values]
    groups = [[name] for name in values]
    for related in (*_TOGETHER, *conditions):
        groups = _merge_groups(groups, related)
    for related in _SIMILAR:
        if len(groups) > MAX_CHANGES:
            groups = _merge_groups(groups, related)
    while len(groups) > MAX_CHANGES:
        groups[-2:] = [groups[-2] + groups[-1]]
    return tuple({name: values[name] for name in group} for group in groups)


def _merge_groups(groups: list[list[str]], related: Sequence[str]) -> list[list[str]]:
    """Return the groups, with those that contain a related parameter merged into the first."""
    joined = [name for group in groups if set(group) & set(related) for name in group]
    merged = [joined if set(group) & set(related) else group for group in groups]
    return [group for place, group in enumerate(merged) if group not in merged[:place]]


def build_ablation_space(
    ablation: Ablation, constraints: BestTrialConstraints | None = None
) -> SearchSpace:
    """Return the space of an ablation: each changed parameter is one of its two values.

    constraints: those on the best trial of the study that has the trial.
    """
    parameters = make_choices(ablation.build_point(ablation.everything))
    return SearchSpace(parameters=parameters, fixed={}, constraints=constraints)
