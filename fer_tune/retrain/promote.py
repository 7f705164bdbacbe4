"""Comparison of a retrained model with the baseline and the champion, and its registration."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from fer_tune.common.safe_text import pluralize
from fer_tune.data.demo.demo_splits import DEMO_SOURCE
from fer_tune.data.duplicates import has_duplicate, has_near_duplicate
from fer_tune.model_config import VIEWS
from fer_tune.retrain.score_tables import build_class_table, build_overall_table
from fer_tune.scoring.metric_estimates import estimate_metric_difference
from fer_tune.scoring.metrics import find_best_epoch
from fer_tune.scoring.paper_results import PAPER_REMARK
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking import registry, tags
from fer_tune.tracking.models.find_model import RecordedModel
from fer_tune.tracking.registry import CHALLENGER, CHAMPION
from fer_tune.tracking.retrain_run import RetrainRun
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.tracking.tested_retraining import COMPARED_MODELS


@dataclass(frozen=True, eq=False)
class RetrainResult:
    """Results of a retraining.

    outcomes: results of each seed.
    baseline: results of the baseline, trained in the same way; None without one.
    with_tta: whether to report test-time augmentation (TTA) too.
    ensemble: results of the mean of all networks, if it is what gets registered.
    """

    info: RetrainInfo
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
        lines.append(_compare_with(run, "best_seed", best, single))
    if result.baseline is not None:
        lines.append(_compare_with(run, "paper", best, choose_best_seed(result.baseline, metric)))
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


def choose_alias(champion: RecordedModel, comparison: McNemarResult | str) -> tuple[str, str]:
    """Return the alias of a new model, and the reason.

    comparison: of the new model with the champion, or the reason why there is none.
    """
    name = f"{champion.version}, the champion"
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
    seeds, tta = len(result.outcomes), result.info.tta
    model = f"Model of seed {outcome.seed}"
    if result.ensemble:
        model = f"Ensemble, the mean of {seeds} networks"
    elif seeds > 1:
        model += f", the best of {seeds} by {result.info.study.metric}"
    if tta != "none":
        model += f", each face in {VIEWS[tta]} views"
    scores = f"test macro F1 {outcome.test.macro_f1}, test accuracy {outcome.test.accuracy}"
    return f"{model}: {scores}. In brackets: 95 % intervals over the test faces."


def _log_scores(run: RetrainRun, result: RetrainResult) -> tuple[Table, Table]:
    """Log the scores of all seeds; return the tables that show them."""
    faces, outcomes = result.info.splits, result.outcomes
    tests = [outcome.test for outcome in outcomes]
    is_correct = [test.predictions.predicted == test.predictions.truth for test in tests]
    metrics, rows, listed = dict[str, list[float]](), dict[str, list[float]](), 0
    for noun, name, find in (
        ("duplicate", "twins", has_duplicate),
        ("near-duplicate", "near_duplicates", has_near_duplicate),
    ):
        is_left_out = find(faces.test.images, faces.train.images)
        if not is_left_out.all():
            others = [float(own[~is_left_out].mean()) for own in is_correct]
            metrics[f"test/accuracy_without_{name}"] = others
            if (count := int(is_left_out.sum())) > listed:
                rows[f"- without {pluralize(count, noun)} of training faces"] = others
                listed = count
    if result.with_tta:
        averaged = [test.with_mirror_images.scores for test in tests]
        metrics["test/flip_accuracy"] = [scores.accuracy for scores in averaged]
        metrics["test/flip_macro_f1"] = [scores.macro_f1 for scores in averaged]
        rows["- with TTA (mirror images)"] = metrics["test/flip_accuracy"]
    run.log_summary(outcomes, metrics)
    best = [outcome.best for outcome in outcomes]
    return build_class_table(tests), build_overall_table(best, tests, rows)


def _compare_with(run: RetrainRun, name: str, ours: SeedOutcome, theirs: SeedOutcome) -> str:
    """Log the comparison with a model of COMPARED_MODELS, and return it in sentences."""
    comparison = ours.test.compare_with(theirs.test)
    run.log_mcnemar(name, comparison)
    gap_change = estimate_metric_difference(ours.best, theirs.best, "gap")
    return (
        f"Against {COMPARED_MODELS[name]} (seed {theirs.seed}: {theirs.test.format_scores()}): "
        f"{comparison}.{ours.test.describe_losses(theirs.test, gap_change)}"
    )


def _compare_with_champion(
    store: Store, run: RetrainRun, outcome: SeedOutcome, result: RetrainResult
) -> tuple[str, str]:
    champion = registry.find_champion(store)
    if champion is None:
        return CHAMPION, "there was no champion."
    if champion.run_id == outcome.run_id:
        return CHAMPION, "it became the champion before this retraining was interrupted."
    # The hash covers the faces of each split. The protocol is a sentence, which gets reworded.
    if champion.tags.get(tags.FACES_HASH) != result.info.study.faces_hash:
        source = champion.tags.get(tags.SOURCE, "not recorded")
        if source == DEMO_SOURCE != result.info.splits.source:
            before = f"{champion.version}, the champion until now"
            return CHAMPION, f"{before}, was trained on the demo faces."
        return choose_alias(champion, f"it was trained on other faces or splits ({source})")
    test_faces, classes = result.info.splits.test, result.info.classes
    try:
        theirs = registry.evaluate_champion(store, champion, test_faces, classes)
    except Exception as error:  # the retrained model is worth more than its comparison
        return choose_alias(champion, f"its model cannot be used ({summarize_error(error)})")
    comparison = outcome.test.compare_with(theirs)
    run.log_mcnemar(CHAMPION, comparison)
    alias, reason = choose_alias(champion, comparison)
    return alias, reason + outcome.test.describe_losses(theirs)
