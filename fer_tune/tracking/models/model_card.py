"""What whoever uses a model has to know of it, in Markdown (Mitchell et al. 2019)."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring.metrics import EpochResult, Scores
from fer_tune.scoring.significance import Intervals, bootstrap
from fer_tune.tracking import tags
from fer_tune.tracking.run_info import RetrainingDescription

_FEW = 100  # test faces of a class; with fewer, its recall may be 0.1 off
_CONFUSED = 0.15  # share of a class's faces taken for one other
_SHOWN = 3  # of the worst confusions

_USE = """\
## What it must not be used for

**Deciding about people.** Not hiring, grading, admission, insurance, policing, border control,
medical or psychological judgement, nor watching people at work or in class, whether it decides
alone or helps to. A face does not show what somebody feels, the labels are what others saw in a
picture, and the model has not been tested for how it does by age, sex, skin or culture. In the
European Union, inferring emotions at work and in education is prohibited (Regulation (EU)
2024/1689, article 5(1)(f)).

It was made to study overfitting, on 48 x 48 grey faces that fill the picture; on other pictures
these figures do not hold."""


def model_card(what: RetrainingDescription, seed: int, best: EpochResult, test: Scores) -> str:
    """The card of the network that `seed` gave.

    best: the kept epoch, on the validation faces.
    test: that epoch on the test faces.
    """
    within = bootstrap(test.confusion)
    weak = "\n".join(f"- {each}" for each in weaknesses(what.classes, test))
    return "\n\n".join(
        (
            f"# A network that names {len(what.classes)} facial expressions",
            f"Trial {what.trial.number} of the study {what.study.name}, trained again for "
            f"{what.epochs} epochs with seed {seed} by fer_tune {what.code_version}. It takes "
            "faces, (N, 48, 48) uint8, and gives each class a probability.",
            _data(what),
            _scores(what, test, within),
            f"## Known weaknesses\n\n{weak}\n- {_gap(best, test)}",
            _USE,
            _training(what, best, seed),
        )
    )


def weaknesses(classes: Sequence[str], test: Scores) -> Iterator[str]:
    """What the confusion matrix says against the model, a sentence each."""
    faces, told = test.confusion.sum(axis=1), test.confusion.sum(axis=0)
    shares = test.confusion / np.maximum(faces, 1)[:, None]
    np.fill_diagonal(shares, 0)
    for cell in np.argsort(-shares, axis=None, kind="stable")[:_SHOWN]:
        truth, taken = np.unravel_index(cell, shares.shape)
        if shares[truth, taken] >= _CONFUSED:
            yield (
                f"It takes {shares[truth, taken]:.0%} of the {classes[truth]} faces for "
                f"{classes[taken]} ({test.confusion[truth, taken]:,} of {faces[truth]:,})."
            )
    if not told.all():
        yield f"It never says {_listed(classes, told == 0)}."
    hard = (faces > 0) & (told > 0) & (test.recall < 0.5)
    if hard.any():
        shown = [f"{each:.0%}" for each in test.recall]
        yield f"It tells fewer than half of the faces of {_listed(classes, hard, shown)}."
    few = faces < _FEW
    if few.any():
        shown = [str(each) for each in faces]
        yield f"Few test faces show {_listed(classes, few, shown)}: these figures are uncertain."


def _listed(classes: Sequence[str], which: NDArray[np.bool_], shown: Sequence[str] = ()) -> str:
    names = (
        [f"{name} ({each})" for name, each in zip(classes, shown, strict=True)]
        if shown
        else classes
    )
    return ", ".join(name for name, listed in zip(names, which, strict=True) if listed)


def _gap(best: EpochResult, test: Scores) -> str:
    train, validation = best.metrics["train/accuracy"], best.metrics["val/accuracy"]
    return (
        f"Faces that it was trained on it tells better: accuracy {train:.3f} there, "
        f"{validation:.3f} on the validation faces, {test.accuracy:.3f} on the test faces."
        if train > test.accuracy
        else f"Its accuracy on training faces is {train:.3f}: it has not learnt even those well."
    )


def _data(what: RetrainingDescription) -> str:
    known: Mapping[str, str] = what.study.tags
    rows = [
        f"| {name} | " + " | ".join(f"{counts[index]:,}" for counts in what.counts.values()) + " |"
        for index, name in enumerate(what.classes)
        if what.counts
    ]
    table = [f"| faces | {' | '.join(what.counts)} |", f"|---|{'---:|' * len(what.counts)}", *rows]
    parts = (
        "## Data",
        f"{known[tags.SOURCE]}. {known[tags.PROTOCOL]} SHA-256 of classes, pixels and labels: "
        f"`{known[tags.FACES_HASH]}`.",
        what.note,
        "\n".join(table) if rows else "",
    )
    return "\n\n".join(part for part in parts if part)


def _scores(what: RetrainingDescription, test: Scores, within: Intervals) -> str:
    rows = [
        f"| {name} | {test.precision[i]:.3f} ({within.precision[i]}) "
        f"| {test.recall[i]:.3f} ({within.recall[i]}) | {test.f1[i]:.3f} ({within.f1[i]}) "
        f"| {test.confusion[i].sum():,} |"
        for i, name in enumerate(what.classes)
    ]
    return "\n".join(
        (
            "## How well it does",
            "",
            f"On {test.confusion.sum():,} test faces, which chose nothing: accuracy "
            f"{test.accuracy:.3f} ({within.accuracy}), macro F1 {test.macro_f1:.3f} "
            f"({within.macro_f1}).",
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


def _training(what: RetrainingDescription, best: EpochResult, seed: int) -> str:
    config = "\n".join(f"{k}: {v}" for k, v in what.trial.config.model_dump(mode="json").items())
    return (
        f"## Training\n\nEpoch {best.epoch} of {what.epochs} was kept, the best by "
        f"{what.study.metric}, with seed {seed}:\n\n```yaml\n{config}\n```\n\n"
        f"```sh\n{what.command}\n```\n"
    )
