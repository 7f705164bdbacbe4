"""The run of a study itself, above those of its trials: begun, gone on with and ended."""

from typing import TYPE_CHECKING

from fer_tune.events import Ending
from fer_tune.tracking import tags
from fer_tune.tracking.notes import study_notes
from fer_tune.tracking.parts import StudyEnded
from fer_tune.tracking.run_info import StudyDescription
from fer_tune.tracking.store import Store
from fer_tune.tracking.ui import study_page
from fer_tune.tracking.view import view_tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STATUS: dict[Ending, str] = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "paused": "SCHEDULED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


def begin(store: Store, study: StudyDescription, instead_of: "Run | None") -> str:
    """A new run's id; `instead_of` one that was cut off as it began, or is another's beginning."""
    client = store.client()
    if instead_of is not None:
        client.set_terminated(instead_of.info.run_id, "KILLED")
    run = client.create_run(
        store.experiment_id,
        tags=study_tags(study) | {tags.METRIC: study.metric},
        run_name=study.name,
    )
    try:
        _describe(store, study, run)
    except BaseException:  # nobody can use half a study
        client.delete_run(run.info.run_id)
        raise
    return str(run.info.run_id)


def go_on(store: Store, study: StudyDescription, run: "Run") -> None:
    """Let the study's run go on."""
    _describe(store, study, run)
    reopen(store.client(), run.info.run_id)


def end(store: Store, study: StudyDescription, run_id: str, event: StudyEnded) -> None:
    """End the study's run, and keep there what came out."""
    client = store.client()
    client.set_tag(run_id, tags.NOTE, study_notes(study, study_page(store, run_id), event.note))
    if event.front:
        client.log_text(run_id, event.front, "front.csv")
    client.set_terminated(run_id, STATUS[event.ending], event.time)
    client.set_tag(run_id, tags.ENDED, event.ending)


def reopen(client: "MlflowClient", run_id: str) -> None:
    """Take back that a run, of a study or of a trial, has ended."""
    client.update_run(run_id, status="RUNNING")
    # A run that was cut off as it ended has no such tag.
    if tags.ENDED in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, tags.ENDED)


def study_tags(study: StudyDescription) -> dict[str, str]:
    """What the runs of the study and of its trials have in common."""
    return {
        tags.STUDY: study.name,
        tags.SOURCE: study.source,
        tags.FACES_HASH: study.faces_hash,
        tags.PROTOCOL: study.protocol,
        tags.CODE_VERSION: study.code_version,
        tags.SEED: str(study.seed),
    }


def _describe(store: Store, study: StudyDescription, run: "Run") -> None:
    """Add what the run lacks: all of it if it is new or was cut off as it began.

    Parameters last: a run that has them is complete.
    """
    from mlflow.entities import Param

    client, run_id, has = store.client(), run.info.run_id, run.data.params
    client.set_experiment_tag(store.experiment_id, *view_tag(study, run))
    client.set_tag(run_id, tags.NOTE, study_notes(study, study_page(store, run_id)))
    there = {file.path for file in client.list_artifacts(run_id)}
    texts = {"space.yaml": study.space, "command.txt": study.command + "\n"}
    for name in texts.keys() - there:
        client.log_text(run_id, texts[name], name)
    settings = {k: v for k, v in study.settings.items() if v is not None and k not in has}
    client.log_batch(run_id, params=[Param(k, str(v)) for k, v in settings.items()])
