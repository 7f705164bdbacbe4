"""Renames and deletes what MLflow has of a study: its runs, their artifacts, its retrainings."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils import get_results_from_paginated_fn

from fer_tune.tracking import tags
from fer_tune.tracking.find_study_run import list_nested_runs, list_parent_runs
from fer_tune.tracking.store import PAGE_SIZE, Store
from fer_tune.tracking.ui_view_and_links import VIEW_TAG_PREFIX

_CONTINUES = "the same command continues from here"


@dataclass(frozen=True)
class StudyRuns:
    """All runs of a study.

    parents: the run of the study; several if it was cut off when it began.
    trials: the runs of its trials and of the repeats of its finalists, also of deleted ones, whose
        artifacts MLflow keeps.
    retrainings: the runs of each retraining of a trial: its own, then those of its seeds.
    evaluations: the runs of evaluations, by the ID of the run that trained the model.
    versions: of registered models, by the ID of the run that trained them.
    """

    parents: Sequence[Run]
    trials: Sequence[Run]
    retrainings: Sequence[Sequence[Run]]
    evaluations: Mapping[str, Sequence[Run]]
    versions: Mapping[str, Sequence[ModelVersion]]

    @property
    def is_deleted(self) -> bool:
        """Whether the study was deleted in MLflow."""
        return bool(self.parents) and not any(map(_is_active, self.parents))

    @property
    def is_running(self) -> bool:
        """Whether MLflow shows the study as running; a killed one is shown so, too."""
        return any(_is_active(run) and run.info.status == "RUNNING" for run in self.parents)

    def list_registered_models(self) -> list[str]:
        """Return the registered models that the study's retrainings trained: `fer_tune/3`."""
        runs = (run for runs in self.retrainings for run in runs)
        versions = (each for run in runs for each in self.versions.get(run.info.run_id, ()))
        return sorted({f"{each.name}/{each.version}" for each in versions})

    def list_removable(self) -> list[Run]:
        """Return the runs of trials, and of retrainings without a registered model.

        Evaluations of a removed model come before its run.
        """
        unused = [
            run
            for runs in self.retrainings
            if not any(run.info.run_id in self.versions for run in runs)
            for seed in runs[::-1]
            for run in (*self.evaluations.get(seed.info.run_id, ()), seed)
        ]
        return [*unused, *self.trials]


def find_study_runs(store: Store, name: str) -> StudyRuns:
    """Return the runs of the study; of one that was deleted in MLflow if there is no other."""
    parents = list_parent_runs(store, name) or list_parent_runs(store, name, deleted=True)[-1:]
    ids = [run.info.run_id for run in parents]
    nested = [list_nested_runs(store, tag, deleted=None) for tag in (tags.TRIAL, tags.REPEAT)]
    trials = [run for each in ids for runs in nested for run in runs[each]]
    origins = {*ids, *(run.info.run_id for run in trials)}
    seeds = list_nested_runs(store, tags.RETRAINED_RUN, deleted=None)
    retrainings = [
        [run, *seeds[run.info.run_id]]
        for run in seeds[""]
        if run.data.tags[tags.RETRAINED_RUN] in origins
    ]
    evaluations = list_nested_runs(store, tags.EVALUATED_MODEL, deleted=None)
    return StudyRuns(parents, trials, retrainings, evaluations, _find_versions(store))


def _find_versions(store: Store) -> dict[str, list[ModelVersion]]:
    find = store.client.search_model_versions
    versions: dict[str, list[ModelVersion]] = defaultdict(list)
    for version in get_results_from_paginated_fn(
        lambda size, token: find(max_results=size, page_token=token), PAGE_SIZE
    ):
        versions[version.run_id or ""].append(version)
    return versions


def delete_runs(store: Store, runs: Sequence[Run]) -> None:
    """Delete runs with their artifacts and models. MLflow lists them as deleted until `mlflow gc`.

    Raises UserError if the store fails; the same call deletes the rest.
    """
    with store.explain_errors(advice=_CONTINUES):
        for run in runs:
            if tags.RETRAINED_RUN in run.data.tags:
                _delete_models(store, run.info.run_id)
            _delete_artifacts(store, run.info.artifact_uri)
            if _is_active(run):
                store.client.delete_run(run.info.run_id)


def _delete_models(store: Store, run_id: str) -> None:
    outputs = store.client.get_run(run_id).outputs
    for output in outputs.model_outputs if outputs else ():
        with suppress(MlflowException):  # it is deleted already
            model = store.client.get_logged_model(output.model_id)
            _delete_artifacts(store, model.artifact_location)
            store.client.delete_logged_model(output.model_id)


def delete_parent_runs(store: Store, study: StudyRuns) -> None:
    """Delete the runs of the study itself, after all others, so that it is found until then."""
    with store.explain_errors(advice=_CONTINUES):
        for run in study.parents:
            if not _is_active(run):  # a deleted run takes no tag
                store.client.restore_run(run.info.run_id)
            store.client.set_tag(run.info.run_id, tags.REMOVED, "true")
            _delete_artifacts(store, run.info.artifact_uri)
            with suppress(MlflowException):  # it has no view
                view = VIEW_TAG_PREFIX + run.info.run_id
                store.client.delete_experiment_tag(store.experiment_id, view)
            store.client.delete_run(run.info.run_id)


def _delete_artifacts(store: Store, uri: str) -> None:
    repository = get_artifact_repository(uri, tracking_uri=store.uri)
    repository.delete_artifacts()
    if isinstance(repository, LocalArtifactRepository):
        with suppress(OSError):  # MLflow leaves the folder above, named by the run
            Path(repository.artifact_dir).parent.rmdir()


def rename_study_runs(store: Store, study: StudyRuns, old: str, new: str) -> None:
    """Give the runs of a study, and what came from its trials, the study's new name.

    The study's own run is the last. Raises UserError if the store fails; the same call continues.
    """
    client = store.client
    renamed = [(run, tags.RETRAINED_STUDY) for runs in study.retrainings for run in runs]
    renamed += [(run, tags.STUDY) for run in (*study.trials, *study.parents)]
    with store.explain_errors(advice=_CONTINUES):
        for run, tag in renamed:
            run_id, run_name = run.info.run_id, run.info.run_name
            for version in study.versions.get(run_id, ()):
                client.set_model_version_tag(version.name, version.version, tag, new)
            if not _is_active(run):
                continue
            if tag == tags.RETRAINED_STUDY:  # "retrained NAME 007 seed 0"
                client.update_run(run_id, name=run_name.replace(f" {old} ", f" {new} ", 1))
            elif run in study.parents:
                client.update_run(run_id, name=new)
                _rename_view(store, run_id, new)
            client.set_tag(run_id, tag, new)


def _rename_view(store: Store, run_id: str, name: str) -> None:
    client, key = store.client, VIEW_TAG_PREFIX + run_id
    view = client.get_experiment(store.experiment_id).tags.get(key)
    if view:
        text = json.dumps(json.loads(view) | {"name": name})
        client.set_experiment_tag(store.experiment_id, key, text)


def _is_active(run: Run) -> bool:
    return bool(run.info.lifecycle_stage == "active")
