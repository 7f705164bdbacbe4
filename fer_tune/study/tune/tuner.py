"""A study on Ray Tune: run it, and go on after whatever ended it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tune.common import atomic
from fer_tune.common.filesystem import Directory, DiskDirectory
from fer_tune.events import Ending, Event, Observer, TrialEnded
from fer_tune.study.records.checkpoint_pruner import CHECKPOINTS, is_trial_dirname, trial_dirname
from fer_tune.study.records.event_log import build_trials, read_events
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.tune.callback import MAX_RETRIES, StudyCallback
from fer_tune.study.tune.interrupt import restore_sigint
from fer_tune.study.tune.resources import ResourceAllocation
from fer_tune.study.tune.scheduler import StudyScheduler
from fer_tune.study.tune.searcher import StudySearcher
from fer_tune.study.tune.shared_data import SharedStudyData, StudyData, put_study_data
from fer_tune.study.tune.trainable import TrialOptions, train_trial

# What Ray calls for a trial: see `train_trial`.
Trainable = Callable[[dict[str, Any], SharedStudyData, TrialOptions], None]


@dataclass(frozen=True)
class RunContext:
    """Where a study runs, and with what.

    folder: of the study on this machine: its settings and its journal.
    kept: where every worker reaches what is kept of the trials.
    at_once: trials; None where as many run as a cluster has room for, which may change.
    time_budget: seconds after which no trial goes on; None for no limit.
    """

    local_dir: Path
    shared_dir: Directory
    resources: ResourceAllocation
    max_concurrent: int | None
    time_budget: float | None = None

    @classmethod
    def on_this_machine(cls, folder: Path, resources: ResourceAllocation) -> "RunContext":
        """All of it on this machine."""
        return cls(folder, DiskDirectory(folder.resolve()), resources, resources.concurrent)


def run_study(
    settings: StudySettings,
    faces: StudyData,
    context: RunContext,
    observers: Sequence[Observer],
    trainable: Trainable = train_trial,
) -> list[TrialRecord]:
    """Run what the journal in `place.folder` says is not done yet, and return all trials.

    Needs Ray to be connected (`open_ray_session`). Observers hear of new events only; the journal
    must be the first of them. Ends early, with trials "interrupted", at Ctrl-C or when the time
    is up. Raises UserError where the study, or a trial of it, cannot be kept any more.

    train: runs in the workers; reports as `train_trial` does.
    """
    scheduler = StudyScheduler(settings)
    earlier = build_trials(_replay_events(context.local_dir, scheduler), settings.metric)
    _record_endings(
        earlier, lambda each: _find_missing_ending(each, settings, scheduler), observers
    )
    if not _is_study_done(earlier, settings, scheduler):
        search = StudySearcher(settings, earlier, context.resources.gpus, scheduler.asha)
        reported = {each.number: len(each.history) for each in earlier if not each.has_final_status}
        del earlier  # nothing of them is needed while the study runs
        relay = StudyCallback(observers, scheduler, settings, reported)
        _run_tuner(search, relay, _build_trainable(trainable, faces, settings, context), context)
        relay.end_running_trials()
        earlier = build_trials(read_events(context.local_dir), settings.metric)
    if _is_study_done(earlier, settings, scheduler):
        _record_endings(
            earlier, lambda each: "stopped" if each.ending == "paused" else None, observers
        )
    return earlier


def _replay_events(folder: Path, scheduler: StudyScheduler) -> Iterator[Event]:
    """The events of the journal; the scheduler takes them in as they pass."""
    for event in read_events(folder):
        scheduler.replay_event(event)
        yield event


def _record_endings(
    trials: Iterable[TrialRecord],
    find_ending: Callable[[TrialRecord], Ending | None],
    observers: Sequence[Observer],
) -> None:
    """Tell of those that have an ending which is not on record, and put it there."""
    for record in trials:
        if ending := find_ending(record):
            event = TrialEnded(number=record.number, ending=ending)
            record.apply_event(event)
            for observer in observers:
                observer.on_event(event)


def _find_missing_ending(
    record: TrialRecord, settings: StudySettings, scheduler: StudyScheduler
) -> Ending | None:
    """How a trial ended whose last epoch is on record but not its end: a kill came between."""
    if record.has_final_status:
        return None
    if record.number in scheduler.pruned:
        return "stopped"
    if record.number in scheduler.asha.paused:
        return "paused" if record.ending != "paused" else None
    return "finished" if len(record.history) == settings.epochs else None


def _is_study_done(
    trials: Sequence[TrialRecord], settings: StudySettings, scheduler: StudyScheduler
) -> bool:
    """Whether no trial goes on or begins any more; some may still be paused."""
    paused = scheduler.asha.paused
    if sum(each.has_final_status or each.number in paused for each in trials) < settings.trials:
        return False
    return scheduler.asha.find_promotable() is None


def _build_trainable(
    trainable: Trainable, faces: StudyData, settings: StudySettings, context: RunContext
) -> object:
    from ray import tune

    options = TrialOptions(
        epochs=settings.epochs,
        metric=settings.metric,
        seed=settings.seed,
        threads=context.resources.cpus,
        shared_dir=context.shared_dir,
    )
    cpus = context.resources.cpus

    def make_placement_group(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": cpus, "GPU": config["gpus"]}])

    return tune.with_resources(
        tune.with_parameters(trainable, faces=put_study_data(faces), options=options),
        make_placement_group,
    )


def _run_tuner(
    searcher: StudySearcher, callback: StudyCallback, trainable: object, context: RunContext
) -> None:
    from ray import tune

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    _delete_leftovers(context.shared_dir)  # of a run that was killed
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=callback.scheduler,
            num_samples=-1,  # until the search says that it is over
            max_concurrent_trials=context.max_concurrent,
            time_budget_s=context.time_budget,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial_dirname(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            # Only this process writes there, so that all of it can be deleted.
            name=atomic.make_partial_name("run"),
            storage_path=str(context.shared_dir),
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=MAX_RETRIES),
            verbose=0,
        ),
    )
    try:
        with restore_sigint():
            tuner.fit()
    except Exception as error:
        if callback.failure:
            raise callback.failure from error
        raise
    finally:
        _delete_leftovers(context.shared_dir)


def _delete_leftovers(study: Directory) -> None:
    """Delete what Ray Tune wrote, and files that a killed process did not finish."""
    study.delete_partial_files()
    checkpoints = study / CHECKPOINTS
    for name in filter(is_trial_dirname, checkpoints.list_names()):
        (checkpoints / name).delete_partial_files()
