"""A settled study, conducted: Ray under it, the journal, MLflow and the terminal around it."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import DiskFolder
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.data.faces import Splits
from fer_tune.search.conclude import Ran, conclude
from fer_tune.search.study_info import describe
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
from fer_tune.study.records.settings import StudySettings, create_study_directory, write_settings
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
from fer_tune.terminal import study_summary as outcome
from fer_tune.terminal.closing import format_resume_line
from fer_tune.terminal.live_table import LiveTable
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.writer import StudyWriter

if TYPE_CHECKING:
    from fer_tune.study.tune.tuner import RunContext


@dataclass(frozen=True)
class Surroundings:
    """Where and how long a study runs; none of it is part of what the study is.

    command: that began or resumed it.
    storage: of the studies.
    records: the options that say where its records are, for the commands that come next.
    address: of a Ray cluster; None starts Ray on this machine.
    time_budget: seconds.
    """

    command: str
    storage: StudyStorage
    records: Sequence[str]
    wanted: ResourceRequest
    address: str | None
    time_budget: float | None


def conduct(
    console: Console,
    settings: StudySettings,
    splits: Splits,
    around: Surroundings,
    *,
    resume: bool,
) -> None:
    """Run the study to its end, or until it is stopped, and show what it found.

    Raises UserError, with nothing left behind, where it cannot begin; KeyboardInterrupt, when
    everything is shown and saved, where Ctrl-C ended it; SystemExit where no trial gave a result.
    """
    began = time.monotonic()
    # What can be wrong with the command is found before anything is made or started.
    if around.address is None and around.wanted != ResourceRequest():
        allocate_resources([detect_machine()], settings.trials, around.wanted)
    ran = _run(console, settings, splits, around, resume)
    budget = around.time_budget
    stopped = not ran.over and (budget is None or time.monotonic() - began < budget)
    conclude(console, ran, splits, around.storage, around.records, report=not stopped)
    if stopped:
        raise KeyboardInterrupt


def _run(
    console: Console,
    settings: StudySettings,
    splits: Splits,
    around: Surroundings,
    resume: bool,
) -> Ran:
    with console.status("preparing the training faces"):
        faces = build_study_data(splits, settings)
    folder = around.storage.local_dir / settings.name
    earlier = read_checked_trials(folder, settings) if resume else []
    done = _is_over(earlier, settings)
    with (
        _held(console, settings, around),
        _started(settings.tracking_uri, around.address, nothing_to_run=done) as (store, machines),
    ):
        settings = settings.model_copy(update={"tracking_uri": store.uri})
        place = _place(console, settings, around, machines, faces) if machines else None
        with _writer(store, settings, splits, around, resume) as writer:
            trials = (
                _observed(console, settings, faces, place, writer, around) if place else earlier
            )
            unwritten = export_optuna_study(folder, settings, trials)
            over = _is_over(trials, settings)
            note = outcome.render_summary(trials, settings)
            front = format_pareto_front_csv(trials, settings.metric, settings.space)
            missing = writer.close("finished" if over else "interrupted", note, front)
    return Ran(settings, store, writer.run_id, trials, over, missing, unwritten)


def _is_over(trials: Sequence[TrialRecord], settings: StudySettings) -> bool:
    return sum(trial.has_final_status for trial in trials) >= settings.trials


@contextmanager
def _held(console: Console, settings: StudySettings, around: Surroundings) -> Iterator[None]:
    """Hold the study's folder for this process alone.

    If the study does not begin, delete the lock, and the folder if this process made it.
    """
    folder = around.storage.local_dir / settings.name
    is_new = not folder.exists()
    with hold_lock(folder / LOCK, f"study {settings.name}"):
        try:
            yield
        except BaseException as error:
            if not (folder / SETTINGS).exists():
                files = DiskFolder(folder)
                files.delete(LOCK)
                if is_new:
                    files.delete_if_empty()
            elif isinstance(error, KeyboardInterrupt):  # a second one, or before the first trial
                console.print(format_resume_line(settings, around.records), soft_wrap=True)
            raise


def _place(
    console: Console,
    settings: StudySettings,
    around: Surroundings,
    machines: Sequence[Machine],
    faces: StudyData,
) -> "RunContext":
    """Where the study runs; what each trial gets is measured where that is asked for."""
    from fer_tune.study.tune.tuner import (
        RunContext,  # Ray Tune: it takes a second, so Ray goes first
    )

    storage, kept = around.storage, around.storage.open_study_directory(settings.name)
    if around.address is not None:
        with console.status("checking that every machine reaches the storage"):
            check_storage_access(str(storage), kept)
    with console.status("settling what each trial gets"):
        wanted, rates = resolve_gpu_share(around.wanted, machines, faces)
    for rate in rates:
        told = f"{rate.faces_per_second:,.0f} faces a second together"
        console.print(f"Trials at once on a GPU: {rate.trials}, {told}.")
    resources = allocate_resources(machines, settings.trials, wanted)
    console.print(f"Study {settings.name}: {settings.trials} trials, {resources}.")
    # A cluster may grow while the study runs.
    at_once = resources.concurrent if around.address is None else wanted.concurrent
    return RunContext(
        storage.local_dir / settings.name, kept, resources, at_once, around.time_budget
    )


@contextmanager
def _started(
    uri: str | None, address: str | None, *, nothing_to_run: bool
) -> Iterator[tuple[Store, list[Machine]]]:
    """The store and Ray, made ready at the same time: each takes seconds.

    With nothing to run, only the store, and no machines.
    Where the store cannot be opened, Ray is stopped again and the UserError raised.
    """
    with ThreadPoolExecutor(1) as beside:
        opening = beside.submit(open_store, uri)
        with suppress(TimeoutError):  # a wrong address or folder is told before Ray starts
            opening.result(timeout=0.2)
        session = nullcontext[list[Machine]]([]) if nothing_to_run else open_ray_session(address)
        with session as machines:
            yield opening.result(), machines


def _writer(
    store: Store, settings: StudySettings, splits: Splits, around: Surroundings, resume: bool
) -> StudyWriter:
    """The writer to MLflow, once the study's folder and its run are there: both or neither."""
    folder = around.storage.local_dir / settings.name
    if resume:
        write_settings(folder, settings)
    else:
        around.storage.check_not_in_bucket(settings.name)
        create_study_directory(around.storage.local_dir, settings)
    try:
        around.storage.upload_settings(settings.name)
        described = describe(settings, splits, around.command)
        return StudyWriter(store, described, EventLogReader(folder), resume)
    except UserError:
        if not resume:
            around.storage.delete_settings(settings.name)
        raise


def _observed(
    console: Console,
    settings: StudySettings,
    faces: StudyData,
    place: "RunContext",
    writer: StudyWriter,
    around: Surroundings,
) -> list[TrialRecord]:
    from fer_tune.study.tune.tuner import run_study

    tidier = CheckpointPruner(place.shared_dir, settings.metric, settings.space.max_gap)
    with closing(EventLog(place.local_dir)) as journal, LiveTable(console, settings) as table:
        for event in read_events(place.local_dir):
            for observer in (table, tidier):
                observer.on_event(event)
        table.start_clock()
        mirrors = around.storage.make_bucket_logs(settings.name)
        try:
            return run_study(settings, faces, place, [journal, *mirrors, writer, table, tidier])
        except UserError as error:
            again = f"put that right, then go on with --resume {settings.name}"
            raise UserError(f"{error}; {again}") from error
