"""A study on Ray Tune: run it, and go on after whatever ended it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tune.common import atomic
from fer_tune.common.filesystem import DiskFolder, Folder
from fer_tune.events import Ending, Event, Observer, TrialEnded
from fer_tune.study.records.checkpoint_pruner import CHECKPOINTS, trial_folder
from fer_tune.study.records.event_log import read_events, trials_of
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.tune.callback import RETRIES, Relay
from fer_tune.study.tune.interrupt import own_interrupt
from fer_tune.study.tune.resources import Resources
from fer_tune.study.tune.scheduler import StudyScheduler
from fer_tune.study.tune.searcher import StudySearch
from fer_tune.study.tune.shared_data import SentFaces, StudyFaces, sent
from fer_tune.study.tune.trainable import TrialOptions, train_trial

# What Ray calls for a trial: see `train_trial`.
Trainable = Callable[[dict[str, Any], SentFaces, TrialOptions], None]


@dataclass(frozen=True)
class Place:
    """Where a study runs, and with what.

    folder: of the study on this machine: its settings and its journal.
    kept: where every worker reaches what is kept of the trials.
    at_once: trials; None where as many run as a cluster has room for, which may change.
    time_budget: seconds after which no trial goes on; None for no limit.
    """

    folder: Path
    kept: Folder
    resources: Resources
    at_once: int | None
    time_budget: float | None = None

    @classmethod
    def here(cls, folder: Path, resources: Resources) -> "Place":
        """All of it on this machine."""
        return cls(folder, DiskFolder(folder.resolve()), resources, resources.concurrent)


def run_study(
    settings: StudySettings,
    faces: StudyFaces,
    place: Place,
    observers: Sequence[Observer],
    train: Trainable = train_trial,
) -> list[TrialRecord]:
    """Run what the journal in `place.folder` says is not done yet, and return all trials.

    Needs Ray to be connected (`ray_session`). Observers hear of new events only; the journal
    must be the first of them. Ends early, with trials "interrupted", at Ctrl-C or when the time
    is up. Raises UserError where the study, or a trial of it, cannot be kept any more.

    train: runs in the workers; reports as `train_trial` does.
    """
    scheduler = StudyScheduler(settings)
    earlier = trials_of(_replayed(place.folder, scheduler), settings.metric)
    _end(earlier, lambda each: _unrecorded_ending(each, settings, scheduler), observers)
    if not _is_over(earlier, settings, scheduler):
        search = StudySearch(settings, earlier, place.resources.gpus, scheduler.rungs)
        reported = {each.number: len(each.history) for each in earlier if not each.is_over}
        del earlier  # nothing of them is needed while the study runs
        relay = Relay(observers, scheduler, settings, reported)
        _tune(search, relay, _trainable(train, faces, settings, place), place)
        relay.end_open()
        earlier = trials_of(read_events(place.folder), settings.metric)
    if _is_over(earlier, settings, scheduler):
        _end(earlier, lambda each: "stopped" if each.ending == "paused" else None, observers)
    return earlier


def _replayed(folder: Path, scheduler: StudyScheduler) -> Iterator[Event]:
    """The events of the journal; the scheduler takes them in as they pass."""
    for event in read_events(folder):
        scheduler.replay(event)
        yield event


def _end(
    trials: Iterable[TrialRecord],
    ending_of: Callable[[TrialRecord], Ending | None],
    observers: Sequence[Observer],
) -> None:
    """Tell of those that have an ending which is not on record, and put it there."""
    for record in trials:
        if ending := ending_of(record):
            event = TrialEnded(number=record.number, ending=ending)
            record.take_in(event)
            for observer in observers:
                observer.tell(event)


def _unrecorded_ending(
    record: TrialRecord, settings: StudySettings, scheduler: StudyScheduler
) -> Ending | None:
    """How a trial ended whose last epoch is on record but not its end: a kill came between."""
    if record.is_over:
        return None
    if record.number in scheduler.stopped:
        return "stopped"
    if record.number in scheduler.rungs.paused:
        return "paused" if record.ending != "paused" else None
    return "finished" if len(record.history) == settings.epochs else None


def _is_over(
    trials: Sequence[TrialRecord], settings: StudySettings, scheduler: StudyScheduler
) -> bool:
    """Whether no trial goes on or begins any more; some may still be paused."""
    paused = scheduler.rungs.paused
    if sum(each.is_over or each.number in paused for each in trials) < settings.trials:
        return False
    return scheduler.rungs.next() is None


def _trainable(
    train: Trainable, faces: StudyFaces, settings: StudySettings, place: Place
) -> object:
    from ray import tune

    options = TrialOptions(
        epochs=settings.epochs,
        metric=settings.metric,
        seed=settings.seed,
        threads=place.resources.cpus,
        folder=place.kept,
    )
    cpus = place.resources.cpus

    def resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": cpus, "GPU": config["gpus"]}])

    return tune.with_resources(
        tune.with_parameters(train, faces=sent(faces), options=options), resources
    )


def _tune(search: StudySearch, relay: Relay, trainable: object, place: Place) -> None:
    from ray import tune

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    _delete_leftovers(place.kept)  # of a run that was killed
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=relay.scheduler,
            num_samples=-1,  # until the search says that it is over
            max_concurrent_trials=place.at_once,
            time_budget_s=place.time_budget,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial_folder(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            # Only this process writes there, so that all of it can be deleted.
            name=atomic.name_part("run"),
            storage_path=str(place.kept),
            callbacks=[relay],
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            verbose=0,
        ),
    )
    try:
        with own_interrupt():
            tuner.fit()
    except Exception as error:
        if relay.failure:
            raise relay.failure from error
        raise
    finally:
        _delete_leftovers(place.kept)


def _delete_leftovers(study: Folder) -> None:
    """Delete what Ray Tune wrote, and files that a killed process did not finish."""
    study.delete_parts()
    (study / CHECKPOINTS).delete_parts(deep=True)
