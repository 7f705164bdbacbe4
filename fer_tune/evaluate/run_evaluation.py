"""An evaluation from the reading of the faces to its record in MLflow."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fer_tune.common import atomic
from fer_tune.common.console import create_console, show_step
from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.safe_text import escape_unprintable, pluralize
from fer_tune.data.demo.demo_splits import DEMO_SOURCE, DEMO_WARNING
from fer_tune.data.duplicates import has_duplicate, has_near_duplicate
from fer_tune.data.faces import Faces, SplitName, Splits, hash_faces
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.load import load_decoded, split_decoded
from fer_tune.data.read_options import ReadOptions, SplitRule
from fer_tune.data.split import select_split
from fer_tune.evaluate.evaluation_output import print_evaluation, to_json
from fer_tune.evaluate.match_classes import MatchedFaces, match_classes
from fer_tune.evaluate.read_predictions import read_predictions
from fer_tune.evaluate.training_faces import describe_overlap, find_training, find_training_faces
from fer_tune.report.evaluation_section import build_evaluation_section, describe_scores
from fer_tune.report.page import render_sections
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions
from fer_tune.tracking import tags
from fer_tune.tracking.evaluation_run import EvaluationInfo, log_evaluation
from fer_tune.tracking.models.find_model import RecordedModel, find_model
from fer_tune.tracking.models.log_model import load_classifier
from fer_tune.tracking.registry import find_default_model_uri
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.ui_view_and_links import build_run_url, build_ui_command
from fer_tune.trial.epoch_result import score_votes


@dataclass(frozen=True, eq=False)
class _LabelledFaces:
    """The faces that are evaluated, and what is known of their data set.

    matched: those of classes that the model knows.
    faces_hash: of these and of the faces of other classes.
    source: the data set, for people.
    trained: faces that the model trained on; None for the reason in `why_unknown`.
    known: names of all faces of the data set.
    """

    matched: MatchedFaces
    faces_hash: str
    source: str
    split: str
    trained: Faces | None
    why_unknown: str
    known: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Result:
    """Everything that is printed and recorded.

    theirs: evaluation of the predictions that the model is compared with, with their file.
    """

    model: RecordedModel
    data: _LabelledFaces
    evaluation: Evaluation
    theirs: Evaluation | None
    predictions_file: Path | None

    @property
    def overlap(self) -> str:
        """A sentence on the faces that the model trained on."""
        faces = len(self.data.matched.faces)
        return describe_overlap(self.evaluation.duplicates, faces, self.data.why_unknown)

    @property
    def comparison_lines(self) -> list[str]:
        if self.theirs is None:
            return []
        comparison = self.evaluation.compare_with(self.theirs)
        return [
            f"Predictions in {self.predictions_file}: {describe_scores(self.theirs)}",
            f"Against these predictions, the model is {comparison}.",
        ]


def run_evaluation(args: Namespace, command: str) -> None:
    """Evaluate a model as the command line says; print and record the results.

    command: the command line, for the record.
    Raises UserError for everything that the user can correct.
    """
    console, options = create_console(), ReadOptions(args.skip_bad, args.labels, args.votes)
    with show_step(console, "reading the faces"):
        decoded, origin = load_decoded(args.data, options)
    with show_step(console, "loading the model"):
        store = open_store(args.tracking_uri, create=False)
        model = find_model(store, args.model or find_default_model_uri(store))
        classifier, classes = load_classifier(store, model.fixed_uri)
    with show_step(console, "dividing the faces"):
        data = _select_faces(store, model, classes, decoded, origin, args.split)
    with show_step(console, f"predicting {pluralize(len(data.matched.faces), 'face')}"):
        probabilities = classifier.predict_probabilities(data.matched.faces.images)
    evaluation, theirs = _evaluate(data, probabilities), None
    if args.predictions:
        read = data.matched.faces, data.known, evaluation.classes, options.class_names
        predictions = read_predictions(args.predictions, *read)
        theirs = replace(evaluation, predictions=predictions, votes=None)
    result = _Result(model, data, evaluation, theirs, args.predictions)
    page = _render_page(result)
    if args.output:
        advice = "name another file with --output"
        with explain_os_errors(f"{args.output} cannot be written", advice):
            atomic.write_file(args.output, page.encode())
    if not args.json:
        _print_result(console, result)
    with show_step(console, "storing the results"):
        run_id = _log_result(store, result, args, command, page)
    if args.json:
        about: dict[str, object] = {"model": model.uri, "version": model.version}
        about |= {"data": data.source, "split": data.split, "run": run_id, "notes": data.notes}
        print(to_json(result.evaluation, about, result.theirs))
        return
    console.print(f"Run: {build_run_url(store, run_id)}", soft_wrap=True)
    if ui := build_ui_command(store):
        console.print(f"To open it, start the MLflow UI: {ui}", soft_wrap=True)


def _select_faces(
    store: Store,
    model: RecordedModel,
    classes: Sequence[str],
    decoded: DecodedFaces,
    origin: Path | None,
    split: SplitName | Literal["all"] | None,
) -> _LabelledFaces:
    """Return the faces of a split; without one, of test, or all if the data has no splits.

    classes: of the model.
    """
    source = escape_unprintable(origin.name) if origin else DEMO_SOURCE
    split = split or ("test" if decoded.has_splits else "all")
    training = find_training(store, model.run_id)
    trained_hash = training.tags[tags.FACES_HASH] if training else None
    splits, rule = _divide_as_trained(decoded, origin, trained_hash)
    faces = select_split(decoded, split, source, rule)
    matched = match_classes(decoded.classes, classes, faces)
    faces_hash = hash_faces(decoded.classes, [faces])
    trained = find_training_faces(store, training, splits)
    known = tuple(str(name) for own in decoded.splits.values() for name in own.names)
    warning = () if origin else (DEMO_WARNING,)
    notes = (*warning, *decoded.notes, *matched.notes)
    return _LabelledFaces(matched, faces_hash, source, split, *trained, known, notes)


def _divide_as_trained(
    decoded: DecodedFaces, origin: Path | None, faces_hash: str | None
) -> tuple[Splits | None, SplitRule]:
    """Return the splits of the model's study, and the rule that it divided its faces by.

    If the study had other faces, they are those of a new study; None if the faces are too few.
    """
    splits: dict[SplitRule, Splits] = {}
    for rule in get_args(SplitRule):
        with suppress(UserError):  # too few faces for a study are enough for an evaluation
            splits[rule] = split_decoded(decoded, origin, rule)
            if splits[rule].content_hash() == faces_hash:
                return splits[rule], rule
    return splits.get("near"), "near"


def _evaluate(
    data: _LabelledFaces,
    probabilities: NDArray[np.float64],  # (N, classes of the model)
) -> Evaluation:
    faces, classes = data.matched.faces, data.matched.classes
    is_duplicate, is_near = (
        None if data.trained is None else find(faces.images, data.trained.images)
        for find in (has_duplicate, has_near_duplicate)
    )
    own = data.matched.select_probabilities(probabilities)
    predictions = Predictions.from_probabilities(faces.labels, own, names=faces.names)
    votes = score_votes(faces, predictions.predicted, len(classes))
    return Evaluation(classes, predictions, is_duplicate, is_near, votes)


def _describe_faces(result: _Result) -> str:
    data, model = result.data, result.model
    version = f" ({model.version})" if model.version and "@" in model.uri else ""
    split = "all faces" if data.split == "all" else f"{data.split} split"
    return f"Model: {model.uri}{version}. Faces: {data.source}, {split}."


def _render_page(result: _Result) -> str:
    data = result.data
    findings = [result.overlap, *data.notes, *result.comparison_lines]
    faces, evaluation = data.matched.faces, result.evaluation
    section = build_evaluation_section("Scores", evaluation, faces, findings=findings)
    heading = f"Evaluation of {result.model.version or result.model.uri}"
    return render_sections(heading, _describe_faces(result), [section])


def _print_result(console: Console, result: _Result) -> None:
    for line in (result.overlap, _describe_faces(result), *result.data.notes):
        console.print(line, style="bold reverse" if line == DEMO_WARNING else "")
    print_evaluation(console, result.evaluation)
    for line in ("", *result.comparison_lines):
        console.print(line)


def _log_result(store: Store, result: _Result, args: Namespace, command: str, page: str) -> str:
    data, metrics = result.data, dict[str, float]()
    if theirs := result.theirs:
        metrics = theirs.build_metrics("predictions")
        metrics |= result.evaluation.compare_with(theirs).build_metrics("predictions")
    if result.evaluation.duplicates is not None:
        metrics["eval/trained_on"] = result.evaluation.duplicates
    if others := result.evaluation.without_duplicates:
        metrics["eval/accuracy_without_twins"] = others.scores.accuracy
    if result.evaluation.near_duplicates is not None:
        metrics["eval/near_duplicates"] = result.evaluation.near_duplicates
    if others := result.evaluation.without_near_duplicates:
        metrics["eval/accuracy_without_near_duplicates"] = others.scores.accuracy
    paths = {name: getattr(args, name) for name in ("data", "votes", "predictions")}
    settings = {name: path and str(path.absolute()) for name, path in paths.items()}
    settings |= {"split": data.split, "faces": len(data.matched.faces)}
    settings |= {"labels": args.labels, "skip_bad": args.skip_bad}
    info = EvaluationInfo(data.source, data.split, data.faces_hash, command, settings, metrics)
    return log_evaluation(store, result.model, result.evaluation, info, page)
