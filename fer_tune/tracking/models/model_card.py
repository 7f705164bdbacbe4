"""A model card: what users of a model have to know about it, Markdown (Mitchell et al. 2019)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.safe_text import pluralize
from fer_tune.model_config import VIEWS
from fer_tune.scoring.calibration import measure_calibration_error
from fer_tune.scoring.metrics import EpochResult, Scores
from fer_tune.scoring.significance import bootstrap_intervals
from fer_tune.tracking import tags
from fer_tune.tracking.study_and_retrain_info import RetrainInfo

if TYPE_CHECKING:
    from fer_tune.trial.train_and_test import TrainedModel

_FEW_FACES = 100  # test faces of a class; with fewer, its recall may be 0.1 off
_CONFUSED_SHARE = 0.15  # share of a class's faces that the model takes for one other class
_MAX_CONFUSIONS = 3  # number of confusions that are listed

_PROHIBITED_USE = """\
## What it must not be used for

**Decisions about people.** Do not use it in hiring, grading, admission, insurance, policing, border
control, medicine or psychology. Do not use it to watch people at work or in class. All this also
holds if it only helps to decide. A face does not show what a person feels. The labels are what
others saw in a picture. The model has not been tested by age, sex, skin colour or culture. In the
European Union, inferring emotions at work and in education is prohibited (Regulation (EU)
2024/1689, article 5(1)(f)).

It was made to study overfitting, on 48 x 48 grey faces that fill the picture. Its scores do not
hold for other pictures."""


def render_model_card(info: RetrainInfo, seed: int | None, trained: "TrainedModel") -> str:
    """Return the card of the model that was trained with `seed`; None for an ensemble."""
    best, test = trained.best, trained.test_scores
    weaknesses = [*describe_weaknesses(info.classes, test), _describe_gap(best, test)]
    sections = (
        f"# A model that names {len(info.classes)} facial expressions",
        f"Trial {info.trial.number} of study {info.study.name}, trained again for "
        f"{pluralize(info.epochs, 'epoch')} with {_name_seeds(trained, seed)} by fer_tune "
        f"{info.code_version}. It takes faces, (N, 48, 48) uint8, and returns a probability for "
        "each class.",
        _describe_averaging(trained),
        *_render_data(info),
        *_render_scores(info.classes, test),
        *_render_calibration(trained),
        "## Known weaknesses",
        "\n".join(f"- {weakness}" for weakness in weaknesses),
        _PROHIBITED_USE,
        *_render_cost(trained),
        _render_training(info, trained, seed),
    )
    return "\n\n".join(filter(None, sections))


def _name_seeds(trained: "TrainedModel", seed: int | None) -> str:
    return f"{len(trained.model.networks)} seeds" if seed is None else f"seed {seed}"


def _describe_averaging(trained: "TrainedModel") -> str:
    networks, views = len(trained.model.networks), VIEWS[trained.model.tta]
    over = [f"{networks} networks"] * (networks > 1) + [f"{views} views of a face"] * (views > 1)
    if not over:
        return ""
    text = f"It is the mean over {' and '.join(over)}."
    if views == 2:
        text += " The views are the face and its mirror image."
    elif views > 2:
        text += " The views are the face and its mirror image, each also moved left and right."
    return text


def _render_calibration(trained: "TrainedModel") -> Iterator[str]:
    probabilities, before = trained.predictions.probabilities, trained.measure_uncalibrated_error()
    if probabilities is None or before is None:
        return
    after = measure_calibration_error(probabilities, trained.predictions.truth)
    yield "## Calibration"
    yield (
        f"One temperature, {trained.model.temperature:.2f}, corrects the probabilities "
        "(temperature scaling, Guo et al. 2017). It was fitted on the validation faces, after all "
        "averaging. On the test faces, the expected calibration error is "
        f"{after:.3f}; without the temperature, it is {before:.3f}."
    )


def _render_cost(trained: "TrainedModel") -> Iterator[str]:
    from fer_tune.trial.model_cost import measure_cost

    cost = measure_cost(trained.model)
    yield "## Cost"
    yield (
        f"The model has {cost.parameters / 1e6:.2f} M parameters. A face takes "
        f"{cost.multiply_adds / 1e6:,.1f} M multiply-adds and {cost.seconds * 1e3:.2f} ms "
        f"({cost.conditions})."
    )


def describe_weaknesses(classes: Sequence[str], test: Scores) -> Iterator[str]:
    """Yield a sentence for each weakness that the confusion matrix shows."""
    faces, predicted = test.confusion.sum(axis=1), test.confusion.sum(axis=0)
    shares = test.confusion / np.maximum(faces, 1)[:, None]
    np.fill_diagonal(shares, 0)
    for cell in np.argsort(-shares, axis=None, kind="stable")[:_MAX_CONFUSIONS]:
        truth, other = np.unravel_index(cell, shares.shape)
        if shares[truth, other] >= _CONFUSED_SHARE:
            yield (
                f"It takes {shares[truth, other]:.0%} of the {classes[truth]} faces for "
                f"{classes[other]} ({test.confusion[truth, other]:,} of {faces[truth]:,})."
            )
    if not predicted.all():
        yield f"It never predicts {_join_classes(classes, predicted == 0)}."
    hard = (faces > 0) & (predicted > 0) & (test.recall < 0.5)
    if hard.any():
        names = [
            f"{name} ({recall:.0%})" for name, recall in zip(classes, test.recall, strict=True)
        ]
        yield f"It recognizes fewer than half of the faces of {_join_classes(names, hard)}."
    few = faces < _FEW_FACES
    if few.any():
        names = [f"{name} ({count})" for name, count in zip(classes, faces, strict=True)]
        rare = _join_classes(names, few)
        yield f"The test split has few faces of {rare}: the scores of these classes are uncertain."


def _join_classes(names: Sequence[str], mask: NDArray[np.bool_]) -> str:
    return ", ".join(name for name, selected in zip(names, mask, strict=True) if selected)


def _describe_gap(best: EpochResult, test: Scores) -> str:
    train, validation = best.metrics["train/accuracy"], best.metrics["val/accuracy"]
    if train <= test.accuracy:
        return (
            f"Its accuracy on the training split is {train:.3f}, no higher than on the test split."
        )
    return (
        f"Its accuracy drops on new faces: {train:.3f} on the training split, {validation:.3f} on "
        f"the validation split, {test.accuracy:.3f} on the test split."
    )


def _render_data(info: RetrainInfo) -> Iterator[str]:
    marks, counts = info.origin_tags, info.counts
    yield "## Data"
    yield (
        f"{marks[tags.SOURCE]}. {marks[tags.PROTOCOL]} SHA-256 of classes, pixels and labels: "
        f"`{marks[tags.FACES_HASH]}`."
    )
    yield info.note
    yield info.sample_remark
    if counts:
        table = [f"| faces | {' | '.join(counts)} |", f"|---|{'---:|' * len(counts)}"]
        for index, name in enumerate(info.classes):
            cells = " | ".join(f"{split[index]:,}" for split in counts.values())
            table.append(f"| {name} | {cells} |")
        yield "\n".join(table)


def _render_scores(classes: Sequence[str], test: Scores) -> Iterator[str]:
    intervals = bootstrap_intervals(test.confusion)
    faces = test.confusion.sum(axis=1)
    yield "## Test scores"
    yield (
        f"On the test split ({faces.sum():,} faces): accuracy {test.accuracy:.3f} "
        f"({intervals.accuracy}), macro F1 {test.macro_f1:.3f} ({intervals.macro_f1}). It was "
        "used neither for training nor to choose the trial, the epoch or the seed."
    )
    table = ["| class | precision | recall | F1 | test faces |", "|---|---|---|---|---:|"]
    measures = [(getattr(test, m), getattr(intervals, m)) for m in ("precision", "recall", "f1")]
    for i, name in enumerate(classes):
        scores = " | ".join(f"{values[i]:.3f} ({ranges[i]})" for values, ranges in measures)
        table.append(f"| {name} | {scores} | {faces[i]:,} |")
    yield "\n".join(table)
    yield (
        "In brackets: 95 % bootstrap intervals over the test faces. They say how much the scores "
        "depend on the choice of these faces. They are too narrow for a class of which all or no "
        "faces are recognized. Another seed or other photographs add to the uncertainty."
    )


def _render_training(info: RetrainInfo, trained: "TrainedModel", seed: int | None) -> str:
    config = "\n".join(f"{k}: {v}" for k, v in info.trial.config.model_dump(mode="json").items())
    weights = f"The weights are those of epoch {trained.best.epoch} of {info.epochs}, the best by"
    if seed is None:
        weights = f"Each network has the weights of its best epoch of {info.epochs} by"
    return (
        f"## Training\n\n{weights} {info.study.metric}. The model was trained with "
        f"{_name_seeds(trained, seed)}.\n\n```yaml\n{config}\n```\n\n```sh\n{info.command}\n```\n"
    )
