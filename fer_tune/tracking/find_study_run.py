"""The parent runs of studies in MLflow, by name; also those that were deleted there."""

import difflib
from collections import defaultdict
from typing import TYPE_CHECKING

from fer_tune.common.safe_text import join_first
from fer_tune.tracking import tags
from fer_tune.tracking.mlflow_command import format_mlflow_command
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

_MAX_SUGGESTIONS = 8  # names of studies in an error message


def list_study_runs(store: Store, *, deleted: bool = False) -> "list[Run]":
    """Return the parent runs of all studies, oldest first.

    deleted: only those that were deleted in MLflow, but not by `delete_parent_runs`.
    """
    runs = store.find_runs({tags.METRIC: ""}, deleted=deleted)
    return [run for run in runs if not (deleted and tags.REMOVED in run.data.tags)]


def list_parent_runs(store: Store, name: str, *, deleted: bool = False) -> "list[Run]":
    """Return those of `list_study_runs` that belong to the study called `name`.

    There are several if a study was cut off when it began.
    """
    # Compared in Python, because no quoting in MLflow's filters allows every name.
    runs = list_study_runs(store, deleted=deleted)
    return [run for run in runs if run.data.tags.get(tags.STUDY) == name]


def find_parent_run(store: Store, name: str, *, deleted: bool = False) -> "Run | None":
    """Return the parent run of the study called `name`; one that was deleted in MLflow if asked."""
    runs = list_parent_runs(store, name, deleted=deleted)
    # A run without parameters was cut off when it began.
    return max(runs, key=lambda run: len(run.data.params), default=None)


def list_nested_runs(
    store: Store, tag: str, *, deleted: bool | None = False
) -> "dict[str, list[Run]]":
    """Return the runs with a tag by the ID of the run in which they are nested.

    deleted: see `Store.find_runs`.
    """
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in store.find_runs({tag: ""}, deleted=deleted):
        runs[run.data.tags.get(tags.PARENT, "")].append(run)
    return runs


def explain_missing_study(store: Store, name: str) -> str:
    """Return why the store lacks a study: with the closest names, or what restores its run."""
    if run := find_parent_run(store, name, deleted=True):
        command = format_mlflow_command(store.uri, "runs", "restore", "--run-id", run.info.run_id)
        return f"study {name}: its run was deleted in MLflow; to restore it: {command}"
    names = [run.data.tags[tags.STUDY] for run in list_study_runs(store)]
    closest_first = difflib.get_close_matches(name, names, n=len(names) + 1, cutoff=0)
    known = join_first(closest_first, _MAX_SUGGESTIONS) or "no studies yet"
    return f"study {name} is not in {store}; it has {known}"
