"""An evaluation from the reading of the faces to its record in MLflow."""

from argparse import Namespace
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
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
from fer_tune.data.exact_duplicates import has_duplicate
from fer_tune.data.faces import Faces, SplitName, Splits, hash_faces
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.load import load_decoded, split_decoded
from fer_tune.data.near_duplicates import has_near_duplicate
from fer_tune.data.read_options import ReadOptions, SplitRule
from fer_tune.data.split import select_split
from fer_tune.evaluate.evaluation_output import print_evaluation, to_json
from fer_tune.evaluate.match_classes import SharedClasses, match_classes
from fer_tune.evaluate.read_predictions import read_predictions
from fer_tune.evaluate.training_faces import (
    describe_overlap,
    find_faces_hash,
    find_training_faces,
)
from fer_tune.report.evaluation_section import build_evaluation_section, describe_scores
from fer_tune.report.page import render_sections
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking.evaluation_run import EvaluationInfo, log_evaluation
from fer_tune.tracking.models.find_model import RecordedModel, find_model
from fer_tune.tracking.models.log_model import load_classifier
from fer_tune.tracking.registry import find_default_model_uri
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.ui_view_and_links import build_run_url, build_ui_command
from fer_tune.trial.epoch_result import score_votes

SplitChoice = SplitName | Literal["all"] | None  # None: test, or all without splits


@dataclass(frozen=True, eq=False)
class _LabelledFaces:
    """The faces that are evaluated, and what is known of their data set.

    source: the data set, for people.
    splits: those that a study makes of the data set; None if it cannot.
    known: names of all faces of the data set.
    """

    faces: Faces
    classes: tuple[str, ...]
    source: str
    split: str
    splits: Splits | None
    known: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Result:
    """Everything that is printed and recorded.

    faces: those of the evaluation.
    overlap: sentence on the faces that the model trained on.
    theirs: evaluation of the predictions that the model is compared with, with their file.
    """

    model: RecordedModel
    data: _LabelledFaces
    faces: Faces
    evaluation: Evaluation
    overlap: str
    notes: tuple[str, ...]
    theirs: Evaluation | None
    predictions_file: Path | None

    @cached_property
    def comparison(self) -> McNemarResult | None:
        """The test of the model against the other predictions."""
        return self.evaluation.compare_with(self.theirs) if self.theirs else None

    @property
    def comparison_lines(self) -> list[str]:
        if self.theirs is None:
            return []
        return [
            f"Predictions in {self.predictions_file}: {describe_scores(self.theirs)}",
            f"Against these predictions, the model is {self.comparison}.",
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
        uri = args.model or find_default_model_uri(store)
        model = find_model(store, uri)
        classifier, classes = load_classifier(store, model.fixed_uri)
    with show_step(console, "dividing the faces"):
        faces_hash = find_faces_hash(store, model.run_id)
        data = _select_faces(decoded, origin, args.split, faces_hash)
    shared = match_classes(data.classes, classes, data.faces)
    with show_step(console, f"predicting {pluralize(len(data.faces), 'face')}"):
        probabilities = classifier.predict_probabilities(data.faces.images)
    result = _evaluate(store, args, data, model, shared, probabilities)
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
        about = {"model": uri, "version": model.version, "data": data.source, "split": data.split}
        about |= {"run": run_id, "notes": result.notes}
        print(to_json(result.evaluation, about, result.theirs, result.comparison))
        return
    console.print(f"Run: {build_run_url(store, run_id)}", soft_wrap=True)
    if ui := build_ui_command(store):
        console.print(f"To open it, start the MLflow UI: {ui}", soft_wrap=True)


def _select_faces(
    decoded: DecodedFaces, origin: Path | None, split: SplitChoice, faces_hash: str | None
) -> _LabelledFaces:
    source = escape_unprintable(origin.name) if origin else DEMO_SOURCE
    chosen = split or ("test" if decoded.has_splits else "all")
    splits, rule = _divide_as_trained(decoded, origin, faces_hash)
    faces = select_split(decoded, chosen, source, rule)
    known = tuple(str(name) for own in decoded.splits.values() for name in own.names)
    notes = decoded.notes if origin else (DEMO_WARNING, *decoded.notes)
    return _LabelledFaces(faces, decoded.classes, source, chosen, splits, known, notes)


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
    store: Store,
    args: Namespace,
    data: _LabelledFaces,
    model: RecordedModel,
    shared: SharedClasses,
    probabilities: NDArray[np.float64],  # (N, classes of the model)
) -> _Result:
    """Score the predictions for the faces of the classes that data and model share."""
    faces, is_shared = shared.select_faces(data.faces)
    probabilities = shared.select_probabilities(probabilities[is_shared])
    training, reason = find_training_faces(store, model.run_id, data.splits)
    is_duplicate, is_near = (
        None if training is None else find(faces.images, training.images)
        for find in (has_duplicate, has_near_duplicate)
    )
    predictions = Predictions.from_probabilities(faces.labels, probabilities, names=faces.names)
    votes = score_votes(faces, predictions.predicted, len(shared.names))
    evaluation, theirs = Evaluation(shared.names, predictions, is_duplicate, is_near, votes), None
    if args.predictions:
        labels = ReadOptions(labels=args.labels).class_names
        read = read_predictions(args.predictions, faces, data.known, shared.names, labels)
        theirs = Evaluation(shared.names, read, is_duplicate, is_near)
    overlap = describe_overlap(evaluation.duplicates, len(faces), reason)
    notes = (*data.notes, *shared.notes)
    return _Result(model, data, faces, evaluation, overlap, notes, theirs, args.predictions)


def _describe_faces(result: _Result) -> str:
    data, model = result.data, result.model
    version = f" ({model.version})" if model.version and "@" in model.uri else ""
    split = "all faces" if data.split == "all" else f"{data.split} split"
    return f"Model: {model.uri}{version}. Faces: {data.source}, {split}."


def _render_page(result: _Result) -> str:
    findings = [result.overlap, *result.notes, *result.comparison_lines]
    section = build_evaluation_section("Scores", result.evaluation, result.faces, findings=findings)
    heading = f"Evaluation of {result.model.version or result.model.uri}"
    return render_sections(heading, _describe_faces(result), [section])


def _print_result(console: Console, result: _Result) -> None:
    for line in (result.overlap, _describe_faces(result), *result.notes):
        console.print(line, style="bold reverse" if line == DEMO_WARNING else "")
    print_evaluation(console, result.evaluation)
    for line in ("", *result.comparison_lines):
        console.print(line)


def _log_result(store: Store, result: _Result, args: Namespace, command: str, page: str) -> str:
    data, metrics = result.data, dict[str, float]()
    if result.theirs and result.comparison:
        metrics = result.theirs.build_metrics("predictions")
        metrics |= result.comparison.build_metrics("predictions")
    if result.evaluation.duplicates is not None:
        metrics["eval/trained_on"] = result.evaluation.duplicates
    if others := result.evaluation.without_duplicates:
        metrics["eval/accuracy_without_twins"] = others.scores.accuracy
    if result.evaluation.near_duplicates is not None:
        metrics["eval/near_duplicates"] = result.evaluation.near_duplicates
    if others := result.evaluation.without_near_duplicates:
        metrics["eval/accuracy_without_near_duplicates"] = others.scores.accuracy
    settings = {
        "data": args.data and str(args.data.absolute()),
        "split": data.split,
        "faces": len(result.evaluation.predictions.truth),
        "labels": args.labels,
        "skip_bad": args.skip_bad,
        "votes": args.votes and str(args.votes.absolute()),
        "predictions": args.predictions and str(args.predictions.absolute()),
    }
    faces_hash = hash_faces(data.classes, [data.faces])
    info = EvaluationInfo(data.source, data.split, faces_hash, command, settings, metrics)
    return log_evaluation(store, result.model, result.evaluation, info, page)
