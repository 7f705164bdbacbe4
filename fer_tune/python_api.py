"""The Python API, which `import fer_tune` offers to notebooks and other programs.

Arguments mean the same as the options of the commands; None is the option's default. A mistake
that the user can correct raises UserError.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fer_tune.common.errors import UserError as UserError
from fer_tune.data.faces import Splits
from fer_tune.data.read_options import ReadOptions, SplitRule, parse_labels
from fer_tune.defaults import STUDIES_FOLDER
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.load_study import load_study as load_reported_study
from fer_tune.search.options import build_parser
from fer_tune.study.records.study_storage import open_storage
from fer_tune.tracking import list_studies as study_list
from fer_tune.tracking.choose_trial import choose_trial
from fer_tune.tracking.queries import TrialRun, find_study, list_trials
from fer_tune.tracking.store import open_store
from fer_tune.tracking.trials_table import build_trials_dataframe

if TYPE_CHECKING:
    import optuna
    from mlflow.pyfunc import PyFuncModel
    from pandas import DataFrame


class Study:
    """A recorded study, which may still be running; every call reads its present state.

    >>> fer_tune.load_study("demo-small").name
    'demo-small'
    """

    def __init__(self, name: str, tracking_uri: str | None, storage: str | None) -> None:
        self.name = name
        self._storage = open_storage(storage or str(STUDIES_FOLDER))
        with self._storage.suggest_resume(name):
            self._store = open_store(tracking_uri, create=False, needs_write=False)
            self._run = find_study(self._store, name)

    def __repr__(self) -> str:
        return f"<study {self.name}>"

    @property
    def best_trial(self) -> TrialRun:
        """The trial that `retrain` trains again, with its `number`, `config` and `best_metrics`.

        Raises UserError if no trial has finished an epoch.

        >>> trial = fer_tune.load_study("demo-small").best_trial
        >>> trial.config.batch_size, sorted(trial.best_metrics)[:3]
        (128, ['accuracy', 'epoch', 'gap'])
        """
        return choose_trial(self._store, self._run)

    def trials_dataframe(self) -> "DataFrame":
        """Return a table with a row for each trial, the same as `trials.csv` in MLflow.

        Its columns are `number`, `state`, the hyperparameters, `best/epoch`, and the other metrics
        of the best epoch.

        >>> trials = fer_tune.load_study("demo-small").trials_dataframe()
        >>> trials[["number", "state", "depth"]]
           number      state  depth
        0       0  completed      3
        1       1  completed      4
        """
        return build_trials_dataframe(list_trials(self._store, self._run))

    def history_dataframe(self) -> "DataFrame":
        """Return a table with a row for each epoch of each trial: `trial`, `epoch`, all metrics.

        >>> history = fer_tune.load_study("demo-small").history_dataframe()
        >>> history[["trial", "epoch"]].values.tolist()
        [[0, 1], [0, 2], [1, 1], [1, 2]]
        """
        from pandas import DataFrame

        rows = [
            {"trial": trial.number, "epoch": result.epoch, **result.metrics}
            for trial in self._load(all_metrics=True).trials
            for result in trial.history
        ]
        return DataFrame(rows, columns=None if rows else ["trial", "epoch"])

    def optuna_study(self) -> "optuna.Study":
        """Return the trials that have ended as an Optuna study in memory.

        Optuna's own plots and importances work on it. Trials of a warm start are not in it.

        >>> study = fer_tune.load_study("demo-small").optuna_study()
        >>> [trial.state.name for trial in study.trials]
        ['COMPLETE', 'COMPLETE']
        """
        from fer_tune.study.optuna_study import create_study, to_frozen_trials

        reported = self._load()
        study = create_study(reported.metric, study_name=self.name)
        study.add_trials(to_frozen_trials(reported.trials, reported.metric, reported.space))
        return study

    def _load(self, *, all_metrics: bool = False) -> ReportedStudy:
        self._storage.fetch_study(self.name)
        return load_reported_study(self._store, self.name, self._storage, all_metrics=all_metrics)


def list_studies(*, tracking_uri: str | None = None) -> list[study_list.ListedStudy]:
    """Return all studies of the tracking store, oldest first; `pandas.DataFrame` takes the list.

    Raises UserError if there is no store.

    >>> {study.name: study.status for study in fer_tune.list_studies()}["demo-small"]
    'completed'
    """
    return study_list.list_studies(open_store(tracking_uri, create=False, needs_write=False))


def load_study(name: str, *, tracking_uri: str | None = None, storage: str | None = None) -> Study:
    """Return a recorded study.

    Raises UserError if the tracking store has no study of this name.

    >>> fer_tune.load_study("demo-small")
    <study demo-small>
    """
    return Study(name, tracking_uri, storage)


def load_faces(
    path: str | Path | None = None,
    *,
    skip_bad: bool = False,
    labels: str | None = None,
    votes: str | Path | None = None,
    split_rule: SplitRule = "near",
) -> Splits:
    """Return the faces of a data set, divided as every command divides them.

    Each of `train`, `validation` and `test` has `images`, (N, 48, 48) uint8, and `labels`, (N,)
    int64, which are indices into `classes`.

    path: a file or folder in any format of `--data`.
    votes: a table of people's votes, as for `--votes`.
    split_rule: "exact" divides the faces as studies did before near-duplicates stayed together.
    Raises UserError if the faces cannot be read.

    >>> faces = fer_tune.load_faces()
    >>> faces.source, faces.classes[:2], faces.train.images.shape
    ('demo faces', ('angry', 'disgust'), (2872, 48, 48))
    """
    from fer_tune.data.load import load_splits

    table = None if votes is None else Path(votes)
    options = ReadOptions(skip_bad, labels and parse_labels(labels), table, split_rule)
    return load_splits(None if path is None else Path(path), options)


def load_model(uri: str | None = None, *, tracking_uri: str | None = None) -> "PyFuncModel":
    """Return a trained model.

    Its method `predict` takes faces, (N, 48, 48) uint8, and returns a data frame with a column of
    probabilities for each class.

    uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/ID`. None is the champion, else
        the newest model.
    Raises UserError if there is no such model.

    >>> model = fer_tune.load_model()
    >>> faces = fer_tune.load_faces().validation
    >>> model.predict(faces.images[:3]).shape
    (3, 7)
    """
    from fer_tune.tracking.models import log_model
    from fer_tune.tracking.registry import find_default_model_uri

    store = open_store(tracking_uri, create=False, needs_write=False)
    return log_model.load_model(store, uri or find_default_model_uri(store))


def run_study(
    *,
    data: str | Path | None = None,
    space: str | Path | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    study: str | None = None,
    **options: object,
) -> Study:
    """Run a study as the command `search` does, print its progress, and return it.

    Interrupting the kernel stops the study as Ctrl-C does. With `resume="NAME"`, it continues.

    options: further options of the command, such as `resume`, `seed`, `metric` or `time_budget`.
    Raises UserError if the study cannot run, or if none of its trials has a result.

    >>> study = fer_tune.run_study(space="smoke", trials=1, epochs=1, train_faces=300)
    Faces: demo faces...
    >>> len(study.trials_dataframe())
    1
    """
    from fer_tune.common.cli import format_command_line
    from fer_tune.common.console import create_console
    from fer_tune.search.run import run_search
    from fer_tune.search.search_plan import make_plan

    options |= {"data": data, "space": space, "trials": trials, "epochs": epochs, "study": study}
    arguments, console = _to_arguments(options), create_console()
    parsed = _parse_arguments(arguments)
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        raise UserError("Ray runs in this process already; call ray.shutdown() first")
    plan = make_plan(console, parsed, format_command_line("fer_tune.search", arguments))
    try:
        run_search(console, plan)
    except SystemExit as error:  # no trial has a result
        raise UserError(str(error)) from None
    return Study(plan.settings.name, plan.tracking_uri, str(plan.storage))


def _to_arguments(options: dict[str, object]) -> list[str]:
    """Return arguments of the command line, without options that are None or False."""
    arguments, known = list[str](), {action.dest for action in build_parser()._actions}
    for name, value in options.items():
        if name not in known - {"help", "dry_run"}:
            raise UserError(f"run_study has no option {name}; its options are those of the search")
        if value is None or value is False:
            continue
        values = [] if value is True else value if isinstance(value, list | tuple) else [value]
        arguments += [f"--{name.replace('_', '-')}", *map(str, values)]
    return arguments


def _parse_arguments(arguments: Sequence[str]) -> Namespace:
    def raise_error(message: str) -> NoReturn:
        raise UserError(message)

    parser = build_parser()
    parser.error = raise_error  # type: ignore[method-assign]  # it would end the process
    return parser.parse_args(arguments)
