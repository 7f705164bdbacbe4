"""The run of a study itself, above those of its trials: begun, gone on with and ended."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_tune.events import STATUS_WORDS, Ending
from fer_tune.tracking import tags
from fer_tune.tracking.metric_names import to_best_name
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store
from fer_tune.tracking.ui import build_study_path, build_view_tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_STATUS: dict[Ending, str] = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "paused": "SCHEDULED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}

_GUIDE = """\
| where | what |
|---|---|
| `{score}` | a trial's score: `{metric}` of its best epoch, on validation faces |
| `{best}...` | the other metrics of that epoch; `{best}gap` is train minus validation accuracy |
| trial `000` | the paper's configuration, with which the others are compared |
| `val_f1/`, `val_precision/`, `val_recall/` | of each class, epoch by epoch |
| `confusion.png` of a trial | which classes it takes for which, at its best epoch |
| `space.yaml`, `command.txt` | what was searched, and how to do it again |
| `report.html`, `front.csv` | what was found, and the best trials by gap, once all is over |"""


@dataclass(frozen=True)
class StudyEnded:
    """The last event of a study, which only its writer tells.

    note: what came out, for the head of the study's page.
    front: the table of its best trade-offs, CSV; empty without one.
    """

    ending: Ending
    summary: str
    time: int
    pareto_front_csv: str = ""


def create_study_run(store: Store, study: StudyInfo, replaced_run: "Run | None") -> str:
    """A new run's id; `replaced_run` one that was cut off as it began, or is another's beginning."""
    client = store.create_client()
    if replaced_run is not None:
        client.set_terminated(replaced_run.info.run_id, "KILLED")
    run = client.create_run(
        store.experiment_id,
        tags=build_study_tags(study) | {tags.METRIC: study.metric},
        run_name=study.name,
    )
    try:
        _add_missing_info(store, study, run)
    except BaseException:  # nobody can use half a study
        client.delete_run(run.info.run_id)
        raise
    return str(run.info.run_id)


def resume_study_run(store: Store, study: StudyInfo, run: "Run") -> None:
    """Let the study's run go on."""
    _add_missing_info(store, study, run)
    reopen_run(store.create_client(), run.info.run_id)


def end_study_run(store: Store, study: StudyInfo, run_id: str, event: StudyEnded) -> None:
    """End the study's run, and keep there what came out."""
    client = store.create_client()
    client.set_tag(
        run_id, tags.NOTE, render_study_note(study, build_study_path(store, run_id), event.summary)
    )
    if event.pareto_front_csv:
        client.log_text(run_id, event.pareto_front_csv, "front.csv")
    client.set_terminated(run_id, RUN_STATUS[event.ending], event.time)
    client.set_tag(run_id, tags.ENDED, STATUS_WORDS[event.ending])


def reopen_run(client: "MlflowClient", run_id: str) -> None:
    """Take back that a run, of a study or of a trial, has ended."""
    client.update_run(run_id, status="RUNNING")
    # A run that was cut off as it ended has no such tag.
    if tags.ENDED in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, tags.ENDED)


def build_study_tags(study: StudyInfo) -> dict[str, str]:
    """What the runs of the study and of its trials have in common."""
    return {
        tags.STUDY: study.name,
        tags.SOURCE: study.source,
        tags.FACES_HASH: study.faces_hash,
        tags.PROTOCOL: study.protocol,
        tags.CODE_VERSION: study.code_version,
        tags.SEED: str(study.seed),
    }


def _add_missing_info(store: Store, study: StudyInfo, run: "Run") -> None:
    """Add what the run lacks: all of it if it is new or was cut off as it began.

    Parameters last: a run that has them is complete.
    """
    from mlflow.entities import Param

    client, run_id, has = store.create_client(), run.info.run_id, run.data.params
    client.set_experiment_tag(store.experiment_id, *build_view_tag(study, run))
    client.set_tag(run_id, tags.NOTE, render_study_note(study, build_study_path(store, run_id)))
    there = {file.path for file in client.list_artifacts(run_id)}
    texts = {"space.yaml": study.space, "command.txt": study.command + "\n"}
    for name in texts.keys() - there:
        client.log_text(run_id, texts[name], name)
    settings = {k: v for k, v in study.settings.items() if v is not None and k not in has}
    client.log_batch(run_id, params=[Param(k, str(v)) for k, v in settings.items()])


def render_study_note(study: StudyInfo, page: str, summary: str = "") -> str:
    """What is known of the study so far, and a guide to its page.

    page: of its trials, in the same UI (see `fer_tune.tracking.ui.study_page`).
    outcome: what it found, Markdown.
    """
    names = ", ".join(f"`{name}`" for name in study.parameters)
    trials = f"**[Compare the trials]({page})**: a table, the best first, and charts."
    guide = _GUIDE.format(
        score=to_best_name(study.metric), metric=study.metric, best=tags.BEST_PREFIX
    )
    varied = names and f"They differ in {names}."
    told = [summary, *study.notes, f"{trials} {varied}".strip(), guide]
    return "\n\n".join(filter(None, told))
