"""Which trials have learnt, and whether groups of them are large enough to be compared."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from fer_tune.study.ranking import ScoredTrial

MIN_GROUP = 3  # trials in each of the groups that are compared


def find_majority_share(trials: Sequence[ScoredTrial]) -> float | None:
    """Return the accuracy of always naming the largest class of the validation split.

    None if the confusion matrix of no trial is known.
    """
    matrices = (trial.best_epoch.confusion for trial in trials)
    faces = next(([sum(row) for row in matrix] for matrix in matrices if matrix), [])
    return max(faces) / sum(faces) if any(faces) else None


def select_learnt_trials(trials: Sequence[ScoredTrial]) -> list[ScoredTrial]:
    """Return the trials whose accuracy beats always naming the largest class, in the same order.

    None has learnt if no confusion matrix is known (see `find_majority_share`).
    """
    share = find_majority_share(trials)
    return [t for t in trials if share is not None and t.metrics["val/accuracy"] > share]


def describe_unlearnt_trials(
    trials: Iterable[ScoredTrial], study_trials: Sequence[ScoredTrial]
) -> str:
    """Return a sentence, after a blank, about each trial that has not learnt.

    Empty if all have learnt, or if this is unknown.
    """
    share = find_majority_share(study_trials)
    return "".join(
        f" Trial {trial.number:03d} has not learnt: its accuracy is "
        f"{trial.metrics['val/accuracy']:.3f}, and that of always naming the largest class is "
        f"{share:.3f}."
        for trial in dict.fromkeys(trials)
        if share is not None and trial.metrics["val/accuracy"] <= share
    )


def explain_small_groups(groups: Mapping[str, Collection[object]], scope: str = "") -> str:
    """Return why groups of trials cannot be compared; empty if they can.

    groups: values of trials that have learnt, by what these have in common (`with 2 blocks`).
    scope: what all groups have in common, after a blank.
    """
    if all(len(values) >= MIN_GROUP for values in groups.values()):
        return ""
    listed = ", ".join(f"{len(values)} {name}" for name, values in groups.items())
    needed = "Three that have learnt are needed in each group."
    return f"Too few trials{scope} to compare: {listed}. {needed}"
