"""A configuration trained again is compared, and its model registered as what it deserves."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from fer_tune.data.demo import demo_splits as demo_splits
from fer_tune.data.duplicates import has_duplicate
from fer_tune.data.faces import Splits
from fer_tune.retrain.score_tables import build_class_table, build_overall_table
from fer_tune.scoring.metrics import find_best_epoch
from fer_tune.scoring.paper_results import PAPER_REMARK
from fer_tune.scoring.significance import McNemarResult, bootstrap_intervals, run_mcnemar_test
from fer_tune.tracking import registry
from fer_tune.tracking.registry import CHALLENGER, CHAMPION, Champion
from fer_tune.tracking.retrain_run import RetrainRun
from fer_tune.tracking.run_info import RetrainInfo
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store


@dataclass(frozen=True, eq=False)
class RetrainResult:
    """What is to be judged.

    outcomes: one a seed.
    paper: the paper's configuration, trained in the same way; None where it was not.
    flip: whether flip averaging is reported too.
    """

    description: RetrainInfo
    splits: Splits
    outcomes: Sequence[SeedOutcome]
    baseline: Sequence[SeedOutcome] | None
    with_tta: bool


def compare_and_register(
    console: Console, store: Store, run: RetrainRun, result: RetrainResult
) -> str:
    """Show and record the scores and the comparisons, and register one seed's model.

    Returns the model's address in the registry.
    """
    _show_scores(console, run, result)
    metric = result.description.study.metric
    kept = choose_best_seed(result.outcomes, metric)
    within = bootstrap_intervals(kept.test.confusion)
    said = [
        f"Kept: the model of seed {kept.seed}{_explain_choice(len(result.outcomes), metric)}. "
        f"Test accuracy {kept.test.accuracy:.3f} (95 %: {within.accuracy}), "
        f"macro F1 {kept.test.macro_f1:.3f} (95 %: {within.macro_f1})."
    ]
    if result.baseline is not None:
        other = choose_best_seed(result.baseline, metric)
        test = _compare_seeds(kept, other)
        run.log_mcnemar("paper", test)
        said.append(
            f"Against the paper's configuration, trained in the same way (seed {other.seed}: test "
            f"accuracy {other.test.accuracy:.3f}, macro F1 {other.test.macro_f1:.3f}): {test}."
        )
    alias, why = _compare_with_champion(store, run, kept, result)
    run.log_model_card(kept)
    version = registry.register_model(store, kept, result.description)
    address = f"models:/{registry.MODEL_NAME}/{version.version}"
    said.append(f"Registered as {address}, @{alias}: {why}")
    registry.set_alias(store, str(version.version), alias, "\n\n".join(said))
    for line in said:
        console.print(line, soft_wrap=True)
    return address


def choose_best_seed(outcomes: Sequence[SeedOutcome], metric: str) -> SeedOutcome:
    """The seed that the validation faces choose; the test faces choose nothing."""
    best = find_best_epoch([each.best for each in outcomes], metric)
    return next(each for each in outcomes if each.best is best)


def choose_alias(
    champion: Champion | None, comparison: McNemarResult | str | None
) -> tuple[str, str]:
    """The alias that a model deserves beside the champion, and why.

    test: of the two on the same test faces, or why there is none.
    """
    if champion is None:
        return CHAMPION, "there was no champion."
    before = f"version {champion.version}, the champion"
    if not isinstance(comparison, McNemarResult):
        return CHALLENGER, (
            f"it cannot be compared with {before}: {comparison}. Give it the alias {CHAMPION} in MLflow "
            "to put it in that one's place."
        )
    if comparison.is_better:
        return CHAMPION, f"against {before} until now, it is {comparison}."
    return CHALLENGER, f"against {before}, it is {comparison}."


def _show_scores(console: Console, run: RetrainRun, result: RetrainResult) -> None:
    best, tests = [each.best for each in result.outcomes], [each.test for each in result.outcomes]
    classes = result.description.classes
    twins = has_duplicate(result.splits.test.images, result.splits.train.images)
    more: dict[str, list[float]] = {}
    rows: dict[str, list[float]] = {}
    if not twins.all():
        alone = [each.predictions.measure_accuracy(~twins) for each in result.outcomes]
        more["test/accuracy_without_twins"] = alone
        if twins.any():
            rows[f"- without {twins.sum():,} twins of training faces"] = alone
    if result.with_tta:
        flipped = [each.predictions.score_with_tta(len(classes)) for each in result.outcomes]
        more["test/flip_accuracy"] = [each.accuracy for each in flipped]
        more["test/flip_macro_f1"] = [each.macro_f1 for each in flipped]
        rows["- averaged with mirror images"] = more["test/flip_accuracy"]
    for table in (build_class_table(classes, tests), build_overall_table(best, tests, rows)):
        console.print()
        console.print(table)
    console.print(f"\n{PAPER_REMARK}\n")
    run.log_summary(result.outcomes, more)


def _explain_choice(seeds: int, metric: str) -> str:
    return f", the best of {seeds} by {metric}" if seeds > 1 else ""


def _compare_seeds(outcome: SeedOutcome, other: SeedOutcome) -> McNemarResult:
    ours, theirs = outcome.predictions, other.predictions
    return run_mcnemar_test(ours.truth, ours.predicted, theirs.predicted)


def _compare_with_champion(
    store: Store, run: RetrainRun, outcome: SeedOutcome, result: RetrainResult
) -> tuple[str, str]:
    current = registry.find_champion(store)
    if current is not None and current.run_id == outcome.run_id:
        return CHAMPION, "it became the champion before this retraining was broken off."
    if current is None or (unlike := current.explain_incompatibility(result.description)):
        if (
            current
            and current.source == demo_splits.DEMO_SOURCE
            and result.splits.source != demo_splits.DEMO_SOURCE
        ):
            return CHAMPION, f"version {current.version}, the champion until now, is of demo faces."
        return choose_alias(current, None if current is None else unlike)
    says = registry.load_champion_predictions(
        store, current, result.splits.test, result.description.classes
    )
    test = run_mcnemar_test(outcome.predictions.truth, outcome.predictions.predicted, says)
    run.log_mcnemar(CHAMPION, test)
    return choose_alias(current, test)
