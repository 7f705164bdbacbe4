"""The run of a retraining, linked to the trial it came from, with a nested run for each seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import mean, stdev

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fer_tune.common.errors import UserError
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking import tags
from fer_tune.tracking.models.log_model import CARD_FILE
from fer_tune.tracking.queries import parse_config
from fer_tune.tracking.run_status import end_run_with_context
from fer_tune.tracking.seed_run import SeedOutcome, SeedRun, find_seed_outcome
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.study_and_retrain_info import FACES_PARAMS, RetrainInfo


@contextmanager
def open_retrain_run(store: Store, info: RetrainInfo) -> Iterator["RetrainRun"]:
    """Create the run of a retraining, or resume the newest unfinished one of this trial and length.

    A run of other training faces is never resumed.
    The run, and the open run of a seed, ends FINISHED, FAILED after an error, KILLED at Ctrl-C.
    Raises UserError if the store fails.
    """
    name = f"retrained {info.study.name} {info.trial.number:03d}"
    marks = {**info.origin_tags, tags.NOTE: "\n\n".join(info.remarks)}
    with _open_run(store, info, name, _build_retrain_tags(info), marks) as run:
        yield RetrainRun(store, info, run)


def has_unfinished_run(store: Store, info: RetrainInfo) -> bool:
    """Return whether `open_retrain_run` would resume a run, if none is open now."""
    return _find_unfinished(store, info, _build_retrain_tags(info)) is not None


class RetrainRun:
    """Open run of a retraining."""

    def __init__(self, store: Store, info: RetrainInfo, run: Run) -> None:
        self._store, self._client, self._info = store, store.client, info
        self._name: str = run.info.run_name
        self.run_id: str = run.info.run_id
        store.log_params(self.run_id, _to_params(info))
        if not self._client.list_artifacts(self.run_id):
            self._client.log_text(self.run_id, info.command + "\n", "command.txt")
        for seed_run in _search_runs(store, {tags.PARENT: self.run_id}):
            if seed_run.info.status == "RUNNING":  # its driver was killed
                self._client.update_run(seed_run.info.run_id, status="KILLED")

    def find_finished_seed(self, *seeds: int) -> SeedOutcome | None:
        """Return the results of a seed that this retraining has trained and tested before.

        None without them, or if their artifacts are lost.
        seeds: several for those of their ensemble.
        """
        runs = _search_runs(self._store, self._build_seed_tags(seeds))
        finished = [run for run in runs if run.info.status == "FINISHED"]
        return find_seed_outcome(self._store, finished[-1], self._info) if finished else None

    @contextmanager
    def open_seed_run(self, *seeds: int) -> Iterator[SeedRun]:
        """Create the nested run of a seed, or of the ensemble of several seeds, or resume it."""
        member = f"seed {seeds[0]}" if len(seeds) == 1 else f"ensemble of {len(seeds)}"
        store, info = self._store, self._info
        marks = {tags.RETRAINED_RUN: info.trial.run_id, tags.RETRAINED_METRIC: info.study.metric}
        name, match_tags = f"{self._name} {member}", self._build_seed_tags(seeds)
        with _open_run(store, info, name, match_tags, marks | info.origin_tags) as run:
            store.log_params(run.info.run_id, _to_params(info))
            yield SeedRun(store, info, run)

    def log_summary(
        self, outcomes: Sequence[SeedOutcome], extra_metrics: Mapping[str, Sequence[float]]
    ) -> None:
        """Log the mean over the seeds of each score; for several seeds, also its deviation.

        extra_metrics: further metrics by name, with a value for each seed.
        """
        values = {
            "test/accuracy": [outcome.test.scores.accuracy for outcome in outcomes],
            "test/macro_f1": [outcome.test.scores.macro_f1 for outcome in outcomes],
            "best/gap": [outcome.best.metrics["gap"] for outcome in outcomes],
            "best/macro_f1": [outcome.best.metrics["val/macro_f1"] for outcome in outcomes],
            **extra_metrics,
        }
        summary = {name: mean(numbers) for name, numbers in values.items()}
        if len(outcomes) > 1:
            summary |= {f"{name}_deviation": stdev(numbers) for name, numbers in values.items()}
        self._store.log_metrics(self.run_id, summary)

    def log_mcnemar(self, other: str, result: McNemarResult) -> None:
        """Log the comparison with another model."""
        self._store.log_metrics(self.run_id, result.build_metrics(other))

    def log_model_card(self, outcome: SeedOutcome, comparisons: Sequence[str]) -> None:
        """Copy the card of a seed's model to this run, with comparisons with other models."""
        if card := self._store.find_text(outcome.run_id, CARD_FILE):
            text = "\n\n".join([card.rstrip(), "## Comparisons", *comparisons])
            self._client.log_text(self.run_id, f"{text}\n", CARD_FILE)

    def _build_seed_tags(self, seeds: Sequence[int]) -> dict[str, str]:
        tag = tags.SEED if len(seeds) == 1 else tags.ENSEMBLE
        return {tags.PARENT: self.run_id, tag: ", ".join(map(str, seeds))}


@contextmanager
def _open_run(
    store: Store,
    info: RetrainInfo,
    name: str,
    match_tags: Mapping[str, str],
    new_tags: Mapping[str, str],
) -> Iterator[Run]:
    """Resume the newest unfinished run with all of `match_tags`, or create a run with all tags."""
    try:
        run = _find_unfinished(store, info, match_tags)
        if run is None:
            marks = {**new_tags, **match_tags}
            run = store.client.create_run(store.experiment_id, tags=marks, run_name=name)
        with end_run_with_context(store, run.info.run_id):
            store.client.update_run(run.info.run_id, status="RUNNING")
            yield run
    except MlflowException as error:
        problem = f"tracking store {store}: {summarize_error(error)}"
        advice = "the same command continues from here, train with --resume"
        raise UserError(f"{problem}; {advice}") from error


def find_seed_in_any_retraining(store: Store, info: RetrainInfo, seed: int) -> SeedOutcome | None:
    """Return the seed's results in any retraining of this configuration, length and data."""
    same = {
        tags.FACES_HASH: info.study.faces_hash,
        tags.RETRAINED_METRIC: info.study.metric,
        tags.SEED: str(seed),
        tags.TTA: info.tta,
    }
    outcomes = (
        find_seed_outcome(store, run, info)
        for run in _search_runs(store, same)[::-1]
        if run.info.status == "FINISHED" and _is_same_training(run, info)
    )
    return next(filter(None, outcomes), None)


def _is_same_training(run: Run, info: RetrainInfo) -> bool:
    """Return whether configuration, epochs and the sample of the training faces agree."""
    params = dict(run.data.params)
    if params.pop("epochs", None) != str(info.epochs) or not _has_same_faces(run, info):
        return False
    try:
        config = parse_config({k: v for k, v in params.items() if k not in FACES_PARAMS})
    except ValueError:  # a newer version has more parameters
        return False
    return config == info.trial.config


def _has_same_faces(run: Run, info: RetrainInfo) -> bool:
    """Return whether the same sample of the training faces is drawn, or all of them."""
    own = {name: value for name, value in run.data.params.items() if name in FACES_PARAMS}
    return own == {name: str(value) for name, value in info.faces_params.items()}


def _build_retrain_tags(info: RetrainInfo) -> dict[str, str]:
    return {
        tags.RETRAINED_RUN: info.trial.run_id,
        tags.RETRAINED_EPOCHS: str(info.epochs),
        tags.TTA: info.tta,
    }


def _to_params(info: RetrainInfo) -> dict[str, object]:
    return {**info.trial.config.model_dump(mode="json"), "epochs": info.epochs, **info.faces_params}


def _search_runs(store: Store, match_tags: Mapping[str, str]) -> list[Run]:
    """Return the runs with all of these tags, oldest first."""
    runs = store.find_runs({name: value for name, value in match_tags.items() if name != tags.TTA})
    # Runs of earlier versions have no such tag, and MLflow cannot search for that.
    tta = match_tags.get(tags.TTA)
    return [run for run in runs if tta in (None, run.data.tags.get(tags.TTA, "none"))]


def _find_unfinished(store: Store, info: RetrainInfo, match_tags: Mapping[str, str]) -> Run | None:
    runs = _search_runs(store, match_tags)[::-1]
    unfinished = (run for run in runs if run.info.status != "FINISHED")
    return next((run for run in unfinished if _has_same_faces(run, info)), None)
