"""Comparison of a retrained model with the baseline and the champion, and its registration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fer_tune.common.safe_text import pluralize
from fer_tune.data.demo.demo_splits import DEMO_SOURCE
from fer_tune.data.exact_duplicates import has_duplicate
from fer_tune.data.faces import Splits
from fer_tune.model_config import VIEWS
from fer_tune.retrain.score_tables import build_class_table, build_overall_table
from fer_tune.scoring.metric_estimates import describe_losses, estimate_metric_difference
from fer_tune.scoring.metrics import find_best_epoch
from fer_tune.scoring.paper_results import PAPER_REMARK
from fer_tune.scoring.predictions import build_confusion_matrix
from fer_tune.scoring.significance import McNemarResult, bootstrap_intervals, run_mcnemar_test
from fer_tune.tracking import registry
from fer_tune.tracking.registry import CHALLENGER, CHAMPION, Champion
from fer_tune.tracking.retrain_run import RetrainRun
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.study_and_retrain_info import RetrainInfo


@dataclass(frozen=True, eq=False)
class RetrainResult:
    """Results of a retraining.

    outcomes: results of each seed.
    baseline: results of the baseline, trained in the same way; None without one.
    with_tta: whether to report test-time augmentation (TTA) too.
    ensemble: results of the mean of all networks, if it is what gets registered.
    """

    info: RetrainInfo
    splits: Splits
    outcomes: Sequence[SeedOutcome]
    baseline: Sequence[SeedOutcome] | None
    with_tta: bool
    ensemble: SeedOutcome | None = None


def compare_and_register(
    console: Console, store: Store, run: RetrainRun, result: RetrainResult
) -> str:
    """Register the ensemble or the best seed, then log and print the scores and comparisons.

    Returns the model's address in the registry.
    """
    metric = result.info.study.metric
    single = choose_best_seed(result.outcomes, metric)
    best = result.ensemble or single
    version = registry.register_model(store, best, result.info)
    uri = f"models:/{registry.MODEL_NAME}/{version.version}"
    tables = _log_scores(run, result)
    lines = [_describe_registered(best, result)]
    if result.ensemble:
        lines.append(_compare_with_single(run, result.ensemble, single, result.info.classes))
    if result.baseline is not None:
        other = choose_best_seed(result.baseline, metric)
        lines.append(_compare_with_baseline(run, best, other, result.info.classes))
    alias, reason = _compare_with_champion(store, run, best, result)
    card_lines = [*lines[1:], f"Alias @{alias}: {reason}"]
    lines.append(f"Registered as {uri}, @{alias}: {reason}")
    description = "\n\n".join([*lines, result.info.sample_remark]).strip()
    registry.set_alias(store, str(version.version), alias, description)
    run.log_model_card(best, card_lines)
    for table in tables:
        console.print()
        console.print(table)
    console.print(f"\n{PAPER_REMARK}\n")
    for line in lines:
        console.print(line)
    return uri


def choose_best_seed(outcomes: Sequence[SeedOutcome], metric: str) -> SeedOutcome:
    """Return the seed with the best epoch on the validation split; the test split is not used."""
    best = find_best_epoch([outcome.best for outcome in outcomes], metric)
    return next(outcome for outcome in outcomes if outcome.best is best)


def choose_alias(champion: Champion, comparison: McNemarResult | str) -> tuple[str, str]:
    """Return the alias of a new model, and the reason.

    comparison: of the new model with the champion, or the reason why there is none.
    """
    name = f"version {champion.version}, the champion"
    if not isinstance(comparison, McNemarResult):
        return CHALLENGER, (
            f"it cannot be compared with {name}: {comparison}. To replace the champion, "
            f"give this version the alias {CHAMPION} in MLflow."
        )
    if comparison.is_better:
        return CHAMPION, f"against {name} until now, it is {comparison}."
    return CHALLENGER, f"against {name}, it is {comparison}."


def _describe_registered(outcome: SeedOutcome, result: RetrainResult) -> str:
    """Return a sentence on the registered model and its test scores."""
    seeds, tta, test = len(result.outcomes), result.info.tta, outcome.test
    model = f"Model of seed {outcome.seed}"
    if result.ensemble:
        model = f"Ensemble, the mean of {seeds} networks"
    elif seeds > 1:
        model += f", the best of {seeds} by {result.info.study.metric}"
    if tta != "none":
        model += f", each face in {VIEWS[tta]} views"
    intervals = bootstrap_intervals(test.confusion)
    return (
        f"{model}: test macro F1 {test.macro_f1:.3f} (95 %: {intervals.macro_f1}), "
        f"test accuracy {test.accuracy:.3f} (95 %: {intervals.accuracy})."
    )


def _log_scores(run: RetrainRun, result: RetrainResult) -> tuple[Table, Table]:
    """Log the scores of all seeds; return the tables that show them."""
    best = [outcome.best for outcome in result.outcomes]
    tests = [outcome.test for outcome in result.outcomes]
    predictions = [outcome.predictions for outcome in result.outcomes]
    classes, splits = result.info.classes, result.splits
    duplicates = has_duplicate(splits.test.images, splits.train.images)
    metrics: dict[str, list[float]] = {}
    rows: dict[str, list[float]] = {}
    if not duplicates.all():
        accuracies = [each.measure_accuracy(~duplicates) for each in predictions]
        metrics["test/accuracy_without_twins"] = accuracies
        if duplicates.any():
            count = pluralize(duplicates.sum(), "duplicate")
            rows[f"- without {count} of training faces"] = accuracies
    if result.with_tta:
        scores = [each.score_with_tta(len(classes)) for each in predictions]
        metrics["test/flip_accuracy"] = [each.accuracy for each in scores]
        metrics["test/flip_macro_f1"] = [each.macro_f1 for each in scores]
        rows["- with TTA (mirror images)"] = metrics["test/flip_accuracy"]
    run.log_summary(result.outcomes, metrics)
    return build_class_table(classes, tests), build_overall_table(best, tests, rows)


def _compare_predictions(
    outcome: SeedOutcome,
    other: NDArray[np.int64],  # (N,) predicted classes of the test faces
) -> McNemarResult:
    return run_mcnemar_test(outcome.predictions.truth, outcome.predictions.predicted, other)


def _compare_with_baseline(
    run: RetrainRun, outcome: SeedOutcome, baseline: SeedOutcome, classes: tuple[str, ...]
) -> str:
    comparison = _compare_predictions(outcome, baseline.predictions.predicted)
    run.log_mcnemar("paper", comparison)
    ours, test = outcome.test, baseline.test
    gap_change = estimate_metric_difference(outcome.best, baseline.best, "gap")
    return (
        f"Against the baseline, trained in the same way (seed {baseline.seed}: test macro F1 "
        f"{test.macro_f1:.3f}, test accuracy {test.accuracy:.3f}): {comparison}."
        f"{describe_losses(ours.confusion, test.confusion, classes, gap_change)}"
    )


def _compare_with_single(
    run: RetrainRun, ensemble: SeedOutcome, single: SeedOutcome, classes: tuple[str, ...]
) -> str:
    comparison = _compare_predictions(ensemble, single.predictions.predicted)
    run.log_mcnemar("best_seed", comparison)
    test = single.test
    return (
        f"Against its best single network, chosen on the validation faces (seed {single.seed}: "
        f"test macro F1 {test.macro_f1:.3f}, test accuracy {test.accuracy:.3f}): {comparison}."
        f"{describe_losses(ensemble.test.confusion, test.confusion, classes)}"
    )


def _compare_with_champion(
    store: Store, run: RetrainRun, outcome: SeedOutcome, result: RetrainResult
) -> tuple[str, str]:
    champion = registry.find_champion(store)
    if champion is None:
        return CHAMPION, "there was no champion."
    if champion.run_id == outcome.run_id:
        return CHAMPION, "it became the champion before this retraining was interrupted."
    problem = champion.explain_incompatibility(result.info)
    if problem and champion.source == DEMO_SOURCE != result.splits.source:
        before = f"version {champion.version}, the champion until now"
        return CHAMPION, f"{before}, was trained on the demo faces."
    if problem:
        return choose_alias(champion, problem)
    splits, classes = result.splits, result.info.classes
    try:
        predicted = registry.load_champion_predictions(store, champion, splits.test, classes)
    except Exception as error:  # the retrained model is worth more than its comparison
        return choose_alias(champion, f"its model cannot be used ({summarize_error(error)})")
    comparison = _compare_predictions(outcome, predicted)
    run.log_mcnemar(CHAMPION, comparison)
    alias, reason = choose_alias(champion, comparison)
    theirs = build_confusion_matrix(outcome.predictions.truth, predicted, len(classes))
    return alias, reason + describe_losses(outcome.test.confusion, theirs, classes)
