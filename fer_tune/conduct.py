"""A settled study, conducted: Ray under it, the journal, MLflow and the terminal around it."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fer_tune import command, summary
from fer_tune.data import demo
from fer_tune.data.faces import Splits
from fer_tune.errors import UserError
from fer_tune.study.faces import StudyFaces, study_faces
from fer_tune.study.journal import Journal, tell_again
from fer_tune.study.record import TrialRecord
from fer_tune.study.resources import Wanted, divide, this_machine
from fer_tune.study.runner import Place, run_study
from fer_tune.study.session import ray_session
from fer_tune.study.settings import StudySettings, begin_study, write_settings
from fer_tune.terminal import LiveTable
from fer_tune.tracking.events import StudyDescription
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.studies import find_study
from fer_tune.tracking.study_run import StudyRun
from fer_tune.tracking.ui import study_address, ui_command
from fer_tune.version import code_version

# Parameters of the study's run in MLflow. The number of trials is not among them: a resumed
# study may get more.
DESCRIBED = {
    "space_name",
    "data",
    "skip_bad",
    "train_faces",
    "epochs",
    "grace",
    "reduction",
    "metric",
    "seed",
}


@dataclass(frozen=True)
class Surroundings:
    """Where and how long a study runs; none of it is part of what the study is.

    command: that began or resumed it.
    storage: folder of the studies' folders.
    address: of a Ray cluster; None starts Ray on this machine.
    time_budget: seconds.
    """

    command: str
    storage: Path
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

    Raises UserError, with nothing left behind, where it cannot begin.
    """
    store = open_store(settings.tracking_uri)
    settings = settings.model_copy(update={"tracking_uri": store.uri})
    if around.address is None:
        # Before the seconds that Ray takes to start.
        divide(this_machine(), settings.trials, around.wanted)
    with console.status("drawing the training faces"):
        faces = study_faces(splits, settings)
    with ray_session(around.address) as machine:
        resources = divide(machine, settings.trials, around.wanted)
        console.print(f"Study {settings.name}: {settings.trials} trials, {resources}.")
        folder = _folder(settings, around.storage, resume)
        with _tracker(store, folder, describe(settings, splits, around.command), resume) as tracker:
            place = Place(folder, resources, around.time_budget)
            trials = _observed(console, settings, faces, place, tracker)
            over = sum(trial.is_over for trial in trials) >= settings.trials
            note = summary.note(trials, settings)
            missing = tracker.close("finished" if over else "interrupted", note)
    if missing:
        console.print(f"Warning: {missing}", style="bold")
    show_outcome(console, trials, settings, store, over=over)


def _folder(settings: StudySettings, storage: Path, resume: bool) -> Path:
    if not resume:
        return begin_study(storage, settings)
    write_settings(storage / settings.name, settings)
    return storage / settings.name


def _tracker(store: Store, folder: Path, study: StudyDescription, resume: bool) -> StudyRun:
    try:
        return StudyRun(store, study, resume)
    except UserError:
        if not resume:
            shutil.rmtree(folder)
        raise


def _observed(
    console: Console, settings: StudySettings, faces: StudyFaces, place: Place, tracker: StudyRun
) -> list[TrialRecord]:
    with closing(Journal(place.folder)) as journal, LiveTable(console, settings) as table:
        for observer in (tracker, table):
            tell_again(place.folder, observer)
        table.start_clock()
        return run_study(settings, faces, place, [journal, tracker, table])


def describe(settings: StudySettings, splits: Splits, command: str) -> StudyDescription:
    """What MLflow is told of the study at its start."""
    demo_note = (demo.WARNING,) if splits.source == demo.SOURCE else ()
    return StudyDescription(
        name=settings.name,
        space=settings.space.as_yaml(),
        command=command,
        classes=splits.classes,
        source=splits.source,
        faces_hash=settings.faces_hash,
        protocol=splits.protocol,
        code_version=code_version(),
        seed=settings.seed,
        metric=settings.metric,
        settings=settings.model_dump(mode="json", include=DESCRIBED),
        notes=(*demo_note, *splits.notes),
    )


def show_outcome(
    console: Console,
    trials: Sequence[TrialRecord],
    settings: StudySettings,
    store: Store,
    *,
    over: bool,
) -> None:
    """The leaderboard, the paper's configuration against the best, and what to type next."""
    parameters = list(settings.space.parameters)
    console.print(summary.leaderboard(trials, settings.metric, parameters))
    console.print(summary.gain(trials, settings.metric), highlight=False)
    console.print(summary.spent(trials, settings.epochs), highlight=False)
    for what, typed in _next(settings, store, over=over):
        console.print(f"{what}: {typed}", highlight=False, soft_wrap=True)


def _next(settings: StudySettings, store: Store, *, over: bool) -> Iterator[tuple[str, str]]:
    if ui := ui_command(store):
        yield "To compare the trials", f"{command.python()} -m {ui}"
    yield "and open" if ui else "Open", study_address(store, find_study(store, settings.name))
    again = command.line("fer_tune.retrain", ["--study", settings.name])
    yield "To train the best again and test it", again
    if not over:
        resume = command.line("fer_tune.search", ["--resume", settings.name])
        yield "Not all trials are done. To go on", resume
