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
from fer_tune.common.lock import LOCK, locked
from fer_tune.data.faces import Splits
from fer_tune.search.conclude import Ran, conclude
from fer_tune.search.study_info import describe
from fer_tune.study.optuna_export import write_optuna
from fer_tune.study.pareto_front import front_table
from fer_tune.study.records.checkpoint_pruner import Tidier
from fer_tune.study.records.event_log import Journal, JournalReader, checked_trials, read_events
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import StudySettings, begin_study, write_settings
from fer_tune.study.records.study_storage import Storage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.tune.gpu_sharing import measured
from fer_tune.study.tune.ray_session import ray_session
from fer_tune.study.tune.resources import Machine, Wanted, divide, this_machine
from fer_tune.study.tune.shared_data import StudyFaces, study_faces
from fer_tune.study.tune.storage_check import require_reach
from fer_tune.terminal import study_summary as outcome
from fer_tune.terminal.closing import resume_line
from fer_tune.terminal.live_table import LiveTable
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.writer import StudyWriter

if TYPE_CHECKING:
    from fer_tune.study.tune.tuner import Place


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
    storage: Storage
    records: Sequence[str]
    wanted: Wanted
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
    if around.address is None and around.wanted != Wanted():
        divide([this_machine()], settings.trials, around.wanted)
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
        faces = study_faces(splits, settings)
    folder = around.storage.here / settings.name
    earlier = checked_trials(folder, settings) if resume else []
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
            unwritten = write_optuna(folder, settings, trials)
            over = _is_over(trials, settings)
            note = outcome.note(trials, settings)
            front = front_table(trials, settings.metric, settings.space)
            missing = writer.close("finished" if over else "interrupted", note, front)
    return Ran(settings, store, writer.run_id, trials, over, missing, unwritten)


def _is_over(trials: Sequence[TrialRecord], settings: StudySettings) -> bool:
    return sum(trial.is_over for trial in trials) >= settings.trials


@contextmanager
def _held(console: Console, settings: StudySettings, around: Surroundings) -> Iterator[None]:
    """Hold the study's folder for this process alone.

    If the study does not begin, delete the lock, and the folder if this process made it.
    """
    folder = around.storage.here / settings.name
    is_new = not folder.exists()
    with locked(folder / LOCK, f"study {settings.name}"):
        try:
            yield
        except BaseException as error:
            if not (folder / SETTINGS).exists():
                files = DiskFolder(folder)
                files.delete(LOCK)
                if is_new:
                    files.delete_if_empty()
            elif isinstance(error, KeyboardInterrupt):  # a second one, or before the first trial
                console.print(resume_line(settings, around.records), soft_wrap=True)
            raise


def _place(
    console: Console,
    settings: StudySettings,
    around: Surroundings,
    machines: Sequence[Machine],
    faces: StudyFaces,
) -> "Place":
    """Where the study runs; what each trial gets is measured where that is asked for."""
    from fer_tune.study.tune.tuner import Place  # Ray Tune: it takes a second, so Ray goes first

    storage, kept = around.storage, around.storage.study(settings.name)
    if around.address is not None:
        with console.status("checking that every machine reaches the storage"):
            require_reach(str(storage), kept)
    with console.status("settling what each trial gets"):
        wanted, rates = measured(around.wanted, machines, faces)
    for rate in rates:
        told = f"{rate.faces_per_second:,.0f} faces a second together"
        console.print(f"Trials at once on a GPU: {rate.trials}, {told}.")
    resources = divide(machines, settings.trials, wanted)
    console.print(f"Study {settings.name}: {settings.trials} trials, {resources}.")
    # A cluster may grow while the study runs.
    at_once = resources.concurrent if around.address is None else wanted.concurrent
    return Place(storage.here / settings.name, kept, resources, at_once, around.time_budget)


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
        session = nullcontext[list[Machine]]([]) if nothing_to_run else ray_session(address)
        with session as machines:
            yield opening.result(), machines


def _writer(
    store: Store, settings: StudySettings, splits: Splits, around: Surroundings, resume: bool
) -> StudyWriter:
    """The writer to MLflow, once the study's folder and its run are there: both or neither."""
    folder = around.storage.here / settings.name
    if resume:
        write_settings(folder, settings)
    else:
        around.storage.require_new(settings.name)
        begin_study(around.storage.here, settings)
    try:
        around.storage.keep_settings(settings.name)
        described = describe(settings, splits, around.command)
        return StudyWriter(store, described, JournalReader(folder), resume)
    except UserError:
        if not resume:
            around.storage.delete_settings(settings.name)
        raise


def _observed(
    console: Console,
    settings: StudySettings,
    faces: StudyFaces,
    place: "Place",
    writer: StudyWriter,
    around: Surroundings,
) -> list[TrialRecord]:
    from fer_tune.study.tune.tuner import run_study

    tidier = Tidier(place.kept, settings.metric, settings.space.max_gap)
    with closing(Journal(place.folder)) as journal, LiveTable(console, settings) as table:
        for event in read_events(place.folder):
            for observer in (table, tidier):
                observer.tell(event)
        table.start_clock()
        mirrors = around.storage.mirrors(settings.name)
        try:
            return run_study(settings, faces, place, [journal, *mirrors, writer, table, tidier])
        except UserError as error:
            again = f"put that right, then go on with --resume {settings.name}"
            raise UserError(f"{error}; {again}") from error
