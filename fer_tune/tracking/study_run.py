"""The parent run of a study: created, resumed and ended, with the note at the head of its page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fer_tune.events import STATUS_WORDS, Ending
from fer_tune.tracking import tags
from fer_tune.tracking.mlflow_metric_names import to_best_name
from fer_tune.tracking.queries import StudyRun, list_trials
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.trials_table import TRIALS_FILE, build_trials_dataframe
from fer_tune.tracking.ui_view_and_links import build_study_path, build_view_tag

if TYPE_CHECKING:
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
| `{score}` | score of a trial: `{metric}` of its best epoch, on the validation split |
| `{best}...` | its other metrics; `{best}gap` is train minus validation accuracy |
| trial `000` | the baseline, which is the paper's configuration |
| `val_f1/`, `val_precision/`, `val_recall/` | scores of each class, epoch by epoch |
| `confusion.png` of a trial | which classes the trial confuses, at its best epoch |
| `space.yaml`, `command.txt` | the search space, and the command that began the study |
| `report.html`, `trials.csv`, `front.csv` | at the end: results, all trials, the best by gap |"""


@dataclass(frozen=True)
class StudyEnded:
    """Last event of a study, which only `BackgroundWriter` creates.

    summary: results of the study for the head of its page, Markdown.
    time: milliseconds since 1970.
    files: texts of further artifacts by name; empty ones are left out.
    """

    ending: Ending
    summary: str
    time: int
    files: Mapping[str, str] = field(default_factory=dict)


def create_study_run(store: Store, study: StudyInfo, replaced_run: "Run | None") -> str:
    """Create the parent run of a study, and return its ID.

    replaced_run: an incomplete run of the same study, cut off when it began. It ends as killed.
    """
    if replaced_run is not None:
        store.client.set_terminated(replaced_run.info.run_id, "KILLED")
    marks = build_study_tags(study) | {tags.METRIC: study.metric}
    run = store.client.create_run(store.experiment_id, tags=marks, run_name=study.name)
    try:
        _add_missing_info(store, study, run)
    except BaseException:  # an incomplete study is of no use
        store.client.delete_run(run.info.run_id)
        raise
    return str(run.info.run_id)


def resume_study_run(store: Store, study: StudyInfo, run: "Run") -> None:
    """Mark the study's run as running, and add what it lacks."""
    _add_missing_info(store, study, run)
    reopen_run(store, run.info.run_id)


def end_study_run(store: Store, study: StudyInfo, run_id: str, event: StudyEnded) -> None:
    """End the study's run, and log the summary, the table of trials and further tables."""
    client, path = store.client, build_study_path(store, run_id)
    client.set_tag(run_id, tags.NOTE, render_study_note(study, path, event.summary))
    for name, text in event.files.items():
        if text:
            client.log_text(run_id, text, name)
    trials = list_trials(store, StudyRun(study.name, run_id, event.ending, study.metric, {}, {}))
    client.log_text(run_id, build_trials_dataframe(trials).to_csv(index=False), TRIALS_FILE)
    client.set_terminated(run_id, RUN_STATUS[event.ending], event.time)
    client.set_tag(run_id, tags.ENDED, STATUS_WORDS[event.ending])


def reopen_run(store: Store, run_id: str) -> None:
    """Mark the ended run of a study or trial as running again."""
    store.client.update_run(run_id, status="RUNNING")
    # A run that was cut off while it ended has no such tag.
    if tags.ENDED in store.client.get_run(run_id).data.tags:
        store.client.delete_tag(run_id, tags.ENDED)


def build_study_tags(study: StudyInfo) -> dict[str, str]:
    """Return the tags that the runs of the study and of its trials share."""
    return {
        tags.STUDY: study.name,
        tags.SOURCE: study.source,
        tags.FACES_HASH: study.faces_hash,
        tags.PROTOCOL: study.protocol,
        tags.CODE_VERSION: study.code_version,
        tags.SEED: str(study.seed),
    }


def render_study_note(study: StudyInfo, path: str, summary: str = "") -> str:
    """Return the note at the head of the study's page in MLflow, Markdown.

    path: address of its trials in the UI (see `build_study_path`).
    summary: results of the study, Markdown; empty before it ends.
    """
    names = ", ".join(f"`{name}`" for name in study.parameters)
    varied = names and f" The trials differ in {names}."
    score, best = to_best_name(study.metric), tags.BEST_PREFIX
    guide = _GUIDE.format(score=score, metric=study.metric, best=best)
    trials = f"**[Compare the trials]({path})**: a table, the best first, and charts.{varied}"
    return "\n\n".join(filter(None, [summary, *study.notes, trials, guide]))


def _add_missing_info(store: Store, study: StudyInfo, run: "Run") -> None:
    """Log the parts of the description that the run lacks, the parameters last.

    A run that has parameters is complete.
    """
    client, run_id = store.client, run.info.run_id
    client.set_experiment_tag(store.experiment_id, *build_view_tag(study, run))
    if study.storage:
        client.set_tag(run_id, tags.STORAGE, study.storage)
    client.set_tag(run_id, tags.NOTE, render_study_note(study, build_study_path(store, run_id)))
    logged = {file.path for file in client.list_artifacts(run_id)}
    texts = {"space.yaml": study.space, "command.txt": study.command + "\n"}
    for name in texts.keys() - logged:
        client.log_text(run_id, texts[name], name)
    missing = study.settings.keys() - run.data.params
    store.log_params(run_id, {name: study.settings[name] for name in missing})
