"""The run of a planned study, from its lock to its results."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from fer_tune.common.cli import exit_at_once, format_command_line
from fer_tune.common.console import show_step
from fer_tune.common.errors import UserError
from fer_tune.events import Observer
from fer_tune.search.run_resources import make_run_resources, open_store_and_ray
from fer_tune.search.search_plan import SearchPlan
from fer_tune.search.study_info import build_study_info
from fer_tune.study.ablation_effects import format_ablation_csv, measure_effects
from fer_tune.study.optuna_study import export_optuna_study
from fer_tune.study.planned_repeats import is_study_done, list_missing_repeats
from fer_tune.study.ranking import format_pareto_front_csv, score_trials
from fer_tune.study.records import event_log, settings
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner
from fer_tune.study.records.trial_record import TrialRecord, TrialRecords
from fer_tune.study.tune.cluster_connection import watch_cluster
from fer_tune.study.tune.resources import RunResources
from fer_tune.study.tune.shared_data import StudyData, build_data_by_plan
from fer_tune.terminal import study_summary
from fer_tune.terminal.live_table import LiveTable
from fer_tune.tracking.background_writer import BackgroundWriter
from fer_tune.tracking.store import Store
from fer_tune.tracking.ui_view_and_links import build_study_url, build_ui_command


@dataclass(frozen=True)
class StudyResult:
    """A study at the end of its run.

    run_id: of the study's run in MLflow.
    is_done: whether all of its trials, and the repeats of its finalists, have ended.
    tracking_warning: what MLflow lacks, for people; None if nothing.
    export_warning: why the file for optuna-dashboard is missing; None if it was written.
    """

    store: Store
    run_id: str
    trials: Sequence[TrialRecord]
    is_done: bool
    tracking_warning: str | None
    export_warning: str | None


def run_search(console: Console, plan: SearchPlan) -> None:
    """Run the study until it is done or stopped, and print its results and the next commands.

    Raises UserError, and leaves nothing behind, if the study cannot begin. After Ctrl-C, raises
    KeyboardInterrupt when all is saved. Raises SystemExit if it is done without any result.
    """
    began = time.monotonic()
    try:
        result = _run_study(console, plan)
    except KeyboardInterrupt:  # a second one, or before the first trial
        if (plan.folder / settings.FILE).exists():
            console.print(f"To resume the study: {_format_resume_command(plan)}", soft_wrap=True)
        raise
    budget = plan.time_budget
    is_stopped = not result.is_done and (budget is None or time.monotonic() - began < budget)
    for warning in filter(None, (result.tracking_warning, result.export_warning)):
        console.print(f"Warning: {warning}", style="bold")
    page = None
    if not is_stopped and not result.tracking_warning:
        from fer_tune.report.page import write_report_or_warn

        name, options = plan.settings.name, plan.store_options
        page = write_report_or_warn(console, result.store, name, plan.storage, plan.splits, options)
    study_summary.show_outcome(console, result.trials, plan.settings)
    if page:
        console.print(f"Report: {page}", soft_wrap=True)
    if result.is_done and not score_trials(result.trials, plan.settings.metric):
        problem = "No trial has a result: see error.txt of its run in MLflow"
        advice = f"; --resume {plan.settings.name} with more --trials runs others."
        raise SystemExit(f"{problem}." if plan.settings.ablation else problem + advice)
    _show_next_commands(console, plan, result)
    if is_stopped:
        raise KeyboardInterrupt


def _run_study(console: Console, plan: SearchPlan) -> StudyResult:
    with show_step(console, "preparing the training faces"):
        faces = build_data_by_plan(plan.splits, plan.settings)
    with plan.storage.lock_study(plan.settings.name):
        records = event_log.read_checked_trials(plan.folder, plan.settings)
        needs_ray = not is_study_done(plan.settings, records.to_list())
        with open_store_and_ray(console, plan, with_ray=needs_ray) as (store, machines):
            context = make_run_resources(console, plan, machines, faces) if needs_ray else None
            with _open_writer(plan, store) as writer:
                if context:
                    _run_trials(console, plan, faces, context, records, writer)
                trials = records.to_list()
                export_warning = export_optuna_study(plan.folder, plan.settings, trials)
                is_done = is_study_done(plan.settings, trials)
                tracking_warning = writer.close(
                    "finished" if is_done else "interrupted",
                    study_summary.render_summary(trials, plan.settings),
                    _format_tables(plan, trials),
                )
    return StudyResult(store, writer.run_id, trials, is_done, tracking_warning, export_warning)


def _format_tables(plan: SearchPlan, trials: Sequence[TrialRecord]) -> dict[str, str]:
    """Return the Pareto front as CSV, and the effects of the changes of an ablation."""
    ablation, metric = plan.settings.ablation, plan.settings.metric
    tables = {"front.csv": format_pareto_front_csv(trials, metric, plan.settings.space)}
    if ablation:
        tables["ablation.csv"] = format_ablation_csv(measure_effects(ablation, metric, trials))
    return tables


def _open_writer(plan: SearchPlan, store: Store) -> BackgroundWriter:
    """Write the settings, and return the writer to MLflow. If it fails, neither has the study."""
    if not plan.is_resumed:
        plan.storage.check_name_available(plan.settings.name)
    with plan.storage.record_settings(plan.settings):
        info = build_study_info(plan.settings, plan.splits, plan.command, str(plan.storage))
        return BackgroundWriter(store, info, event_log.EventLogReader(plan.folder), plan.is_resumed)


def _run_trials(
    console: Console,
    plan: SearchPlan,
    faces: StudyData,
    context: RunResources,
    records: TrialRecords,
    writer: BackgroundWriter,
) -> None:
    from fer_tune.study.tune.tuner import run_study

    pruner = CheckpointPruner(context.shared_dir, records, plan.settings)
    for event in event_log.read_events(plan.folder):
        pruner.on_event(event)
    bucket_logs = plan.storage.open_bucket_logs(plan.settings.name)
    with (
        closing(event_log.EventLog(plan.folder)) as log,
        LiveTable(console, plan.settings, records, plan.time_budget) as table,
        watch_cluster(plan.ray_address, partial(_end_without_cluster, plan, table, writer)),
    ):
        observers: list[Observer] = [log, *bucket_logs, writer, pruner, table]
        try:
            run_study(plan.settings, faces, context, records, observers)
        except UserError as error:
            raise _add_resume_command(error, plan) from error


def _add_resume_command(problem: object, plan: SearchPlan) -> UserError:
    command = _format_resume_command(plan)
    return UserError(f"{problem}; solve this, then resume the study: {command}")


def _end_without_cluster(
    plan: SearchPlan, table: LiveTable, writer: BackgroundWriter, problem: str
) -> None:
    """End this process, whose main thread waits for Ray. The event log is complete, as always."""
    try:
        table.close()
        writer.close("interrupted")
    finally:
        exit_at_once(_add_resume_command(problem, plan))


def _show_next_commands(console: Console, plan: SearchPlan, result: StudyResult) -> None:
    url, name = build_study_url(result.store, result.run_id), plan.settings.name
    lines = [f"To compare the trials, open: {url}"]
    if command := build_ui_command(result.store):
        lines = [f"To compare the trials: {command}", f"and open: {url}"]
    if score_trials(result.trials, plan.settings.metric) and not plan.settings.ablation:
        retrain = format_command_line("fer_tune.retrain", ["--study", name, *plan.store_options])
        lines.append(f"To train the best trial again and test it: {retrain}")
    if result.tracking_warning or not result.is_done:
        missing = "repeats" if list_missing_repeats(plan.settings, result.trials) else "trials"
        not_all = "records are in MLflow" if result.is_done else f"{missing} are done"
        lines.append(f"Not all {not_all}. To resume the study: {_format_resume_command(plan)}")
    for line in lines:
        console.print(line, soft_wrap=True)


def _format_resume_command(plan: SearchPlan) -> str:
    options = ["--resume", plan.settings.name, *plan.store_options]
    module = "fer_tune.ablate" if plan.settings.ablation else "fer_tune.search"
    return format_command_line(module, options)
