"""A retraining in MLflow: a run linked to the trial it came from, with a nested run a seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import mean, stdev
from typing import TYPE_CHECKING

from fer_tune.common.errors import UserError
from fer_tune.tracking import tags
from fer_tune.tracking.artifacts import read_text
from fer_tune.tracking.models.log_model import CARD_FILE
from fer_tune.tracking.run_info import RetrainInfo
from fer_tune.tracking.seed_run import SeedOutcome, SeedRun, load_seed_outcome, log_metrics
from fer_tune.tracking.store import Store, stop_retries, summarize_error

if TYPE_CHECKING:
    from mlflow.entities import Run

    from fer_tune.scoring.significance import McNemarResult


@contextmanager
def open_retrain_run(store: Store, info: RetrainInfo) -> Iterator["RetrainRun"]:
    """Begin a retraining, or go on with the newest of the same trial and length not finished.

    Its run, and each seed's, ends FINISHED, FAILED after an error, or KILLED at Ctrl-C.
    Raises UserError where the store fails.
    """
    study, trial = info.study, info.trial
    marks = {
        **{name: study.tags[name] for name in (tags.SOURCE, tags.FACES_HASH, tags.PROTOCOL)},
        tags.CODE_VERSION: info.code_version,
        tags.RETRAINED_STUDY: study.name,
        tags.RETRAINED_TRIAL: str(trial.number),
    }
    name = f"retrained {study.name} {trial.number:03d}"
    with _open_run(store, name, _build_retrain_tags(info), marks | {tags.NOTE: info.note}) as run:
        yield RetrainRun(store, info, run, marks | {tags.RETRAINED_RUN: trial.run_id})


def has_unfinished_run(store: Store, info: RetrainInfo) -> bool:
    """Whether `open_retrain_run` would go on with one, given that none of them runs."""
    return any(
        run.info.status != "FINISHED" for run in _search_runs(store, _build_retrain_tags(info))
    )


class RetrainRun:
    """The run of a whole retraining, while it is open."""

    def __init__(
        self, store: Store, info: RetrainInfo, run: "Run", seed_tags: Mapping[str, str]
    ) -> None:
        self._store, self._client, self._what, self._marks = (
            store,
            store.create_client(),
            info,
            seed_tags,
        )
        self._name: str = run.info.run_name
        self.run_id: str = run.info.run_id
        self._settings = _to_params(info)
        _log_params(store, self.run_id, self._settings)
        if not self._client.list_artifacts(self.run_id):
            self._client.log_text(self.run_id, info.command + "\n", "command.txt")
        for left in _search_runs(store, {tags.PARENT: self.run_id}):
            if left.info.status == "RUNNING":  # by a driver that was killed
                self._client.update_run(left.info.run_id, status="KILLED")

    def find_finished_seed(self, seed: int) -> SeedOutcome | None:
        """What came out of the seed before, so that it is not trained and tested again."""
        runs = [
            run
            for run in _search_runs(self._store, self._build_match_tags(seed))
            if run.info.status == "FINISHED"
        ]
        return load_seed_outcome(self._store, runs[-1], self._what) if runs else None

    @contextmanager
    def open_seed_run(self, seed: int) -> Iterator["SeedRun"]:
        """Begin the run of one seed, nested in this one, or go on with it."""
        marks = {**self._marks, tags.RETRAINED_METRIC: self._what.study.metric}
        with _open_run(
            self._store, f"{self._name} seed {seed}", self._build_match_tags(seed), marks
        ) as run:
            _log_params(self._store, run.info.run_id, self._settings)
            yield SeedRun(self._store, self._what, run)

    def log_summary(
        self, outcomes: Sequence[SeedOutcome], extra_metrics: Mapping[str, Sequence[float]]
    ) -> None:
        """The mean over the seeds of what matters, and where there are several its deviation.

        more: further metrics by name, a value a seed.
        """
        best, tests = [each.best for each in outcomes], [each.test for each in outcomes]
        values = {
            "test/accuracy": [each.accuracy for each in tests],
            "test/macro_f1": [each.macro_f1 for each in tests],
            "best/gap": [each.metrics["gap"] for each in best],
            "best/macro_f1": [each.metrics["val/macro_f1"] for each in best],
            **extra_metrics,
        }
        summary = {name: mean(each) for name, each in values.items()}
        if len(outcomes) > 1:
            summary |= {f"{name}_deviation": stdev(each) for name, each in values.items()}
        log_metrics(self._store, self.run_id, summary)

    def log_mcnemar(self, other: str, result: "McNemarResult") -> None:
        """How the kept model does beside `other`: `against_<other>/p`, ..."""
        values = {"p": result.p, "told_alone": result.ours, "told_by_other_alone": result.theirs}
        named = {f"against_{other}/{name}": value for name, value in values.items()}
        log_metrics(self._store, self.run_id, named)

    def log_model_card(self, outcome: SeedOutcome) -> None:
        """The card of the model that was kept, here too."""
        card = read_text(self._store, outcome.run_id, CARD_FILE)
        self._client.log_text(self.run_id, card, CARD_FILE)

    def _build_match_tags(self, seed: int) -> dict[str, str]:
        return {tags.PARENT: self.run_id, tags.SEED: str(seed)}


@contextmanager
def _open_run(
    store: Store, name: str, match_tags: Mapping[str, str], new_tags: Mapping[str, str]
) -> Iterator["Run"]:
    """The newest run with all of the tags `same` that is not finished, or a new one."""
    from mlflow.exceptions import MlflowException

    client, status = store.create_client(), "FAILED"
    try:
        run = next(
            (r for r in _search_runs(store, match_tags)[::-1] if r.info.status != "FINISHED"), None
        )
        if run is None:
            run = client.create_run(
                store.experiment_id, tags={**new_tags, **match_tags}, run_name=name
            )
        try:
            client.update_run(run.info.run_id, status="RUNNING")
            yield run
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            stop_retries()  # which would take minutes where a server hangs
            raise
        finally:
            client.set_terminated(run.info.run_id, status)
    except MlflowException as error:
        raise UserError(
            f"tracking store {store}: {summarize_error(error)}; the same command goes on from here"
        ) from error


def find_earlier_seed(store: Store, info: RetrainInfo, seed: int) -> SeedOutcome | None:
    """What the seed gave in any retraining of this configuration and length on these faces."""
    same = {
        tags.FACES_HASH: info.study.faces_hash,
        tags.RETRAINED_METRIC: info.study.metric,
        tags.SEED: str(seed),
    }
    for run in _search_runs(store, same)[::-1]:
        if run.info.status == "FINISHED" and _is_same_training(run, info):
            return load_seed_outcome(store, run, info)
    return None


def _is_same_training(run: "Run", info: RetrainInfo) -> bool:
    """Whether the configuration and the length are those; what it does not name is the paper's."""
    from fer_tune.trial_config import TrialConfig

    params = dict(run.data.params)
    if params.pop("epochs", None) != str(info.epochs):
        return False
    try:
        return TrialConfig.model_validate(params) == info.trial.config
    except ValueError:  # of a version that knows more
        return False


def _build_retrain_tags(info: RetrainInfo) -> dict[str, str]:
    return {tags.RETRAINED_RUN: info.trial.run_id, tags.RETRAINED_EPOCHS: str(info.epochs)}


def _to_params(info: RetrainInfo) -> dict[str, object]:
    return {**info.trial.config.model_dump(mode="json"), "epochs": info.epochs}


def _search_runs(store: Store, match_tags: Mapping[str, str]) -> "list[Run]":
    """The runs with all of these tags, oldest first."""
    return list(
        store.search_runs(" AND ".join(f"tags.`{k}` = '{v}'" for k, v in match_tags.items()))
    )


def _log_params(store: Store, run_id: str, params: Mapping[str, object]) -> None:
    from mlflow.entities import Param

    batch = [Param(name, str(value)) for name, value in params.items()]
    store.create_client().log_batch(run_id, params=batch)
