"""What whoever uses a model has to know of it, in Markdown (Mitchell et al. 2019)."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring.metrics import EpochResult, Scores
from fer_tune.scoring.significance import ScoreIntervals, bootstrap_intervals
from fer_tune.tracking import tags
from fer_tune.tracking.run_info import RetrainInfo

_FEW_FACES = 100  # test faces of a class; with fewer, its recall may be 0.1 off
_CONFUSED_SHARE = 0.15  # share of a class's faces taken for one other
_MAX_CONFUSIONS = 3  # of the worst confusions

_PROHIBITED_USE = """\
## What it must not be used for

**Deciding about people.** Not hiring, grading, admission, insurance, policing, border control,
medical or psychological judgement, nor watching people at work or in class, whether it decides
alone or helps to. A face does not show what somebody feels, the labels are what others saw in a
picture, and the model has not been tested for how it does by age, sex, skin or culture. In the
European Union, inferring emotions at work and in education is prohibited (Regulation (EU)
2024/1689, article 5(1)(f)).

It was made to study overfitting, on 48 x 48 grey faces that fill the picture; on other pictures
these figures do not hold."""


def render_model_card(info: RetrainInfo, seed: int, best: EpochResult, test: Scores) -> str:
    """The card of the network that `seed` gave.

    best: the kept epoch, on the validation faces.
    test: that epoch on the test faces.
    """
    within = bootstrap_intervals(test.confusion)
    weak = "\n".join(f"- {each}" for each in describe_weaknesses(info.classes, test))
    return "\n\n".join(
        (
            f"# A network that names {len(info.classes)} facial expressions",
            f"Trial {info.trial.number} of the study {info.study.name}, trained again for "
            f"{info.epochs} epochs with seed {seed} by fer_tune {info.code_version}. It takes "
            "faces, (N, 48, 48) uint8, and gives each class a probability.",
            _render_data(info),
            _render_scores(info, test, within),
            f"## Known weaknesses\n\n{weak}\n- {_describe_gap(best, test)}",
            _PROHIBITED_USE,
            _render_training(info, best, seed),
        )
    )


def describe_weaknesses(classes: Sequence[str], test: Scores) -> Iterator[str]:
    """What the confusion matrix says against the model, a sentence each."""
    faces, told = test.confusion.sum(axis=1), test.confusion.sum(axis=0)
    shares = test.confusion / np.maximum(faces, 1)[:, None]
    np.fill_diagonal(shares, 0)
    for cell in np.argsort(-shares, axis=None, kind="stable")[:_MAX_CONFUSIONS]:
        truth, taken = np.unravel_index(cell, shares.shape)
        if shares[truth, taken] >= _CONFUSED_SHARE:
            yield (
                f"It takes {shares[truth, taken]:.0%} of the {classes[truth]} faces for "
                f"{classes[taken]} ({test.confusion[truth, taken]:,} of {faces[truth]:,})."
            )
    if not told.all():
        yield f"It never says {_join_classes(classes, told == 0)}."
    hard = (faces > 0) & (told > 0) & (test.recall < 0.5)
    if hard.any():
        shown = [f"{each:.0%}" for each in test.recall]
        yield f"It tells fewer than half of the faces of {_join_classes(classes, hard, shown)}."
    few = faces < _FEW_FACES
    if few.any():
        shown = [str(each) for each in faces]
        yield f"Few test faces show {_join_classes(classes, few, shown)}: these figures are uncertain."


def _join_classes(
    classes: Sequence[str], mask: NDArray[np.bool_], details: Sequence[str] = ()
) -> str:
    names = (
        [f"{name} ({each})" for name, each in zip(classes, details, strict=True)]
        if details
        else classes
    )
    return ", ".join(name for name, listed in zip(names, mask, strict=True) if listed)


def _describe_gap(best: EpochResult, test: Scores) -> str:
    train, validation = best.metrics["train/accuracy"], best.metrics["val/accuracy"]
    return (
        f"Faces that it was trained on it tells better: accuracy {train:.3f} there, "
        f"{validation:.3f} on the validation faces, {test.accuracy:.3f} on the test faces."
        if train > test.accuracy
        else f"Its accuracy on training faces is {train:.3f}: it has not learnt even those well."
    )


def _render_data(info: RetrainInfo) -> str:
    known: Mapping[str, str] = info.study.tags
    rows = [
        f"| {name} | " + " | ".join(f"{counts[index]:,}" for counts in info.counts.values()) + " |"
        for index, name in enumerate(info.classes)
        if info.counts
    ]
    table = [f"| faces | {' | '.join(info.counts)} |", f"|---|{'---:|' * len(info.counts)}", *rows]
    parts = (
        "## Data",
        f"{known[tags.SOURCE]}. {known[tags.PROTOCOL]} SHA-256 of classes, pixels and labels: "
        f"`{known[tags.FACES_HASH]}`.",
        info.note,
        "\n".join(table) if rows else "",
    )
    return "\n\n".join(part for part in parts if part)


def _render_scores(info: RetrainInfo, test: Scores, intervals: ScoreIntervals) -> str:
    rows = [
        f"| {name} | {test.precision[i]:.3f} ({intervals.precision[i]}) "
        f"| {test.recall[i]:.3f} ({intervals.recall[i]}) | {test.f1[i]:.3f} ({intervals.f1[i]}) "
        f"| {test.confusion[i].sum():,} |"
        for i, name in enumerate(info.classes)
    ]
    return "\n".join(
        (
            "## How well it does",
            "",
            f"On {test.confusion.sum():,} test faces, which chose nothing: accuracy "
            f"{test.accuracy:.3f} ({intervals.accuracy}), macro F1 {test.macro_f1:.3f} "
            f"({intervals.macro_f1}).",
            "",
            "| class | precision | recall | F1 | test faces |",
            "|---|---|---|---|---:|",
            *rows,
            "",
            "In brackets: 95 % bootstrap intervals over the test faces. They say how much the "
            "choice of these faces may matter, too little where all or none of a class were told "
            "rightly; another seed or other photographs come on top.",
        )
    )


def _render_training(info: RetrainInfo, best: EpochResult, seed: int) -> str:
    config = "\n".join(f"{k}: {v}" for k, v in info.trial.config.model_dump(mode="json").items())
    return (
        f"## Training\n\nEpoch {best.epoch} of {info.epochs} was kept, the best by "
        f"{info.study.metric}, with seed {seed}:\n\n```yaml\n{config}\n```\n\n"
        f"```sh\n{info.command}\n```\n"
    )
