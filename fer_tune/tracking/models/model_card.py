"""A model card: what users of a model have to know about it, Markdown (Mitchell et al. 2019)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fer_tune.common.render_template import render_template
from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import SPLIT_NAMES
from fer_tune.model_config import VIEWS
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.tracking import tags
from fer_tune.tracking.study_and_retrain_info import RetrainInfo

if TYPE_CHECKING:
    from fer_tune.trial.train_and_test import TrainedModel

_TEMPLATE = Path(__file__).with_suffix(".md")
_FEW_FACES = 100  # test faces of a class; with fewer, its recall may be 0.1 off
_CONFUSED_SHARE = 0.15  # share of a class's faces that the model takes for one other class
_MAX_CONFUSIONS = 3  # number of confusions that are listed


def render_model_card(info: RetrainInfo, seed: int | None, trained: "TrainedModel") -> str:
    """Return the card of the model that was trained with `seed`; None for an ensemble."""
    from fer_tune.trial.model_cost import measure_cost

    networks, views = len(trained.model.networks), VIEWS[trained.model.tta]
    return render_template(
        _TEMPLATE,
        info=info,
        tags=tags,
        epochs=pluralize(info.epochs, "epoch"),
        seed=seed,
        seeds=f"{networks} seeds" if seed is None else f"seed {seed}",
        networks=networks,
        views=views,
        counts={name: info.splits[name].count_by_class(len(info.classes)) for name in SPLIT_NAMES},
        trained=trained,
        weaknesses=list(describe_weaknesses(trained.test)),
        cost=measure_cost(trained.model),
    )


def describe_weaknesses(test: Evaluation) -> Iterator[str]:
    """Yield a sentence for each weakness that the confusion matrix shows."""
    classes, confusion = test.classes, test.scores.confusion
    for share, truth, other in test.find_confusions()[:_MAX_CONFUSIONS]:
        if share >= _CONFUSED_SHARE:
            yield (
                f"It takes {share:.0%} of the {classes[truth]} faces for {classes[other]} "
                f"({confusion[truth, other]:,} of {test.by_class[truth].faces:,})."
            )
    rows = list(zip(test.by_class[:-1], confusion.sum(axis=0), strict=True))
    if never := [own.name for own, predicted in rows if not predicted]:
        yield f"It never predicts {', '.join(never)}."
    hard = [own for own, predicted in rows if own.faces and predicted and own.recall.value < 0.5]
    if hard:
        names = ", ".join(f"{own.name} ({own.recall.value:.0%})" for own in hard)
        yield f"It recognizes fewer than half of the faces of {names}."
    if few := [f"{own.name} ({own.faces})" for own, _ in rows if own.faces < _FEW_FACES]:
        names = ", ".join(few)
        yield f"The test split has few faces of {names}: the scores of these classes are uncertain."
