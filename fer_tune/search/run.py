"""A settled study, conducted: Ray under it, the journal, MLflow and the terminal around it."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import DiskDirectory
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.data.faces import Splits
from fer_tune.search.conclude import StudyResult, finish_study
from fer_tune.search.study_info import build_study_info
from fer_tune.study.optuna_export import export_optuna_study
from fer_tune.study.pareto_front import format_pareto_front_csv
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner
from fer_tune.study.records.event_log import (
    EventLog,
    EventLogReader,
    read_checked_trials,
    read_events,
)
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.tune.gpu_sharing import resolve_gpu_share
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import (
    Machine,
    ResourceRequest,
    allocate_resources,
    detect_machine,
)
from fer_tune.study.tune.shared_data import StudyData, build_study_data
from fer_tune.study.tune.storage_check import check_storage_access
from fer_tune.terminal import study_summary
from fer_tune.terminal.live_table import LiveTable
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.writer import StudyWriter

if TYPE_CHECKING:
    from fer_tune.study.tune.tuner import RunContext


@dataclass(frozen=True)
class RunOptions:
    """Where and how long a study runs; none of it is part of what the study is.

    command: that began or resumed it.
    storage: of the studies.
    records: the options that say where its records are, for the commands that come next.
    address: of a Ray cluster; None starts Ray on this machine.
    time_budget: seconds.
    """

    command: str
    storage: StudyStorage
    store_options: Sequence[str]
    resource_request: ResourceRequest
    ray_address: str | None
    time_budget: float | None


def run_search(
    console: Console,
    settings: StudySettings,
    splits: Splits,
    options: RunOptions,
    *,
    resume: bool,
) -> None:
    """Run the study to its end, or until it is stopped, and show what it found.

    Raises UserError, with nothing left behind, where it cannot begin; KeyboardInterrupt, when
    everything is shown and saved, where Ctrl-C ended it; SystemExit where no trial gave a result.
    """
    began = time.monotonic()
    # What can be wrong with the command is found before anything is made or started.
    if options.ray_address is None and options.resource_request != ResourceRequest():
        allocate_resources([detect_machine()], settings.trials, options.resource_request)
    ran = _run_and_record(console, settings, splits, options, resume)
    budget = options.time_budget
    stopped = not ran.is_done and (budget is None or time.monotonic() - began < budget)
    finish_study(
        console, ran, splits, options.storage, options.store_options, with_report=not stopped
    )
    if stopped:
        raise KeyboardInterrupt


def _run_and_record(
    console: Console,
    settings: StudySettings,
    splits: Splits,
    options: RunOptions,
    resume: bool,
) -> StudyResult:
    with console.status("preparing the training faces"):
        faces = build_study_data(splits, settings)
    folder = options.storage.local_dir / settings.name
    earlier = read_checked_trials(folder, settings) if resume else []
    done = _is_study_done(earlier, settings)
    with (
        _lock_study(console, settings, options),
        _open_store_and_ray(settings.tracking_uri, options.ray_address, nothing_to_run=done) as (
            store,
            machines,
        ),
    ):
        settings = settings.model_copy(update={"tracking_uri": store.uri})
        place = _make_run_context(console, settings, options, machines, faces) if machines else None
        with _open_writer(store, settings, splits, options, resume) as writer:
            trials = (
                _run_trials(console, settings, faces, place, writer, options) if place else earlier
            )
            unwritten = export_optuna_study(folder, settings, trials)
            over = _is_study_done(trials, settings)
            note = study_summary.render_summary(trials, settings)
            front = format_pareto_front_csv(trials, settings.metric, settings.space)
            missing = writer.close("finished" if over else "interrupted", note, front)
    return StudyResult(settings, store, writer.run_id, trials, over, missing, unwritten)


def _is_study_done(trials: Sequence[TrialRecord], settings: StudySettings) -> bool:
    return sum(trial.has_final_status for trial in trials) >= settings.trials


@contextmanager
def _lock_study(console: Console, settings: StudySettings, options: RunOptions) -> Iterator[None]:
    """Hold the study's folder for this process alone.

    If the study does not begin, delete the lock, and the folder if this process made it.
    """
    folder = options.storage.local_dir / settings.name
    is_new = not folder.exists()
    with hold_lock(folder / LOCK, f"study {settings.name}"):
        try:
            yield
        except BaseException as error:
            if not (folder / SETTINGS).exists():
                files = DiskDirectory(folder)
                files.delete(LOCK)
                if is_new:
                    files.delete_if_empty()
            elif isinstance(error, KeyboardInterrupt):  # a second one, or before the first trial
                console.print(
                    study_summary.format_resume_line(settings, options.store_options),
                    soft_wrap=True,
                )
            raise


def _make_run_context(
    console: Console,
    settings: StudySettings,
    options: RunOptions,
    machines: Sequence[Machine],
    faces: StudyData,
) -> "RunContext":
    """Where the study runs; what each trial gets is measured where that is asked for."""
    from fer_tune.study.tune.tuner import (
        RunContext,  # Ray Tune: it takes a second, so Ray goes first
    )

    storage, kept = options.storage, options.storage.open_study_directory(settings.name)
    if options.ray_address is not None:
        with console.status("checking that every machine reaches the storage"):
            check_storage_access(str(storage), kept)
    with console.status("settling what each trial gets"):
        wanted, rates = resolve_gpu_share(options.resource_request, machines, faces)
    for rate in rates:
        told = f"{rate.faces_per_second:,.0f} faces a second together"
        console.print(f"Trials at once on a GPU: {rate.trials}, {told}.")
    resources = allocate_resources(machines, settings.trials, wanted)
    console.print(f"Study {settings.name}: {settings.trials} trials, {resources}.")
    # A cluster may grow while the study runs.
    at_once = resources.concurrent if options.ray_address is None else wanted.concurrent
    return RunContext(
        storage.local_dir / settings.name, kept, resources, at_once, options.time_budget
    )


@contextmanager
def _open_store_and_ray(
    uri: str | None, ray_address: str | None, *, nothing_to_run: bool
) -> Iterator[tuple[Store, list[Machine]]]:
    """The store and Ray, made ready at the same time: each takes seconds.

    With nothing to run, only the store, and no machines.
    Where the store cannot be opened, Ray is stopped again and the UserError raised.
    """
    with ThreadPoolExecutor(1) as beside:
        opening = beside.submit(open_store, uri)
        with suppress(TimeoutError):  # a wrong address or folder is told before Ray starts
            opening.result(timeout=0.2)
        session = (
            nullcontext[list[Machine]]([]) if nothing_to_run else open_ray_session(ray_address)
        )
        with session as machines:
            yield opening.result(), machines


def _open_writer(
    store: Store, settings: StudySettings, splits: Splits, options: RunOptions, resume: bool
) -> StudyWriter:
    """The writer to MLflow, once the study's folder and its run are there: both or neither."""
    folder = options.storage.local_dir / settings.name
    if not resume:
        options.storage.check_name_available(settings.name)
    try:
        options.storage.write_settings(settings)
        described = build_study_info(settings, splits, options.command)
        return StudyWriter(store, described, EventLogReader(folder), resume)
    except UserError:
        if not resume:
            options.storage.delete_settings(settings.name)
        raise


def _run_trials(
    console: Console,
    settings: StudySettings,
    faces: StudyData,
    context: "RunContext",
    writer: StudyWriter,
    options: RunOptions,
) -> list[TrialRecord]:
    from fer_tune.study.tune.tuner import run_study

    tidier = CheckpointPruner(context.shared_dir, settings.metric, settings.space.max_gap)
    with closing(EventLog(context.local_dir)) as journal, LiveTable(console, settings) as table:
        for event in read_events(context.local_dir):
            for observer in (table, tidier):
                observer.on_event(event)
        table.start_clock()
        mirrors = options.storage.open_bucket_logs(settings.name)
        try:
            return run_study(settings, faces, context, [journal, *mirrors, writer, table, tidier])
        except UserError as error:
            again = f"put that right, then go on with --resume {settings.name}"
            raise UserError(f"{error}; {again}") from error
