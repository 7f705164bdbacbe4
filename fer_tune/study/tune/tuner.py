"""A run of a study on Ray Tune; it resumes what the event log has not finished."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from fer_tune.common import atomic
from fer_tune.common.disk_or_bucket import Directory, DiskDirectory, delete_partial_files
from fer_tune.events import Ending, Observer, TrialEnded
from fer_tune.study.ablation_plan import list_missing_configs
from fer_tune.study.asha import Asha
from fer_tune.study.planned_repeats import list_missing_repeats
from fer_tune.study.records.checkpoint_pruner import CHECKPOINTS, trial_dirname
from fer_tune.study.records.event_log import read_events
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord, TrialRecords
from fer_tune.study.tune.callback import MAX_RETRIES, StudyCallback
from fer_tune.study.tune.planned_searcher import PlannedSearcher
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.study.tune.resources import RunResources
from fer_tune.study.tune.searcher import StudySearcher
from fer_tune.study.tune.shared_data import SharedStudyData, StudyData, count_faces, put_study_data
from fer_tune.study.tune.trainable import TrialOptions, train_trial

# The type of `train_trial`; tests and benchmarks pass others.
Trainable = Callable[[dict[str, Any], SharedStudyData, TrialOptions], None]


def run_study(
    settings: StudySettings,
    faces: StudyData,
    context: RunResources,
    records: TrialRecords,
    observers: Sequence[Observer],
    trainable: Trainable = train_trial,
) -> None:
    """Run the trials that the event log does not show as ended, then the repeats of the finalists.

    Ray must be connected (`open_ray_session`). At Ctrl-C, or when the time is up, the run ends
    early with its trials "interrupted".

    records: the trials of the event log; they get each new event before the observers.
    observers: receive the new events only; the first must be the event log.
    trainable: runs on the workers, and reports as `train_trial` does.

    Raises UserError if the study or one of its trials cannot be stored.
    """
    scheduler, observers = StudyScheduler(settings), [records, *observers]
    _replay_log(context.local_dir, records, scheduler, observers)
    build = cache(partial(_build_trainable, trainable, faces, settings, context))
    count, end_time = partial(count_faces, faces), time.monotonic() + (context.time_budget or 0)

    def run(searcher: Searcher, scheduler: StudyScheduler) -> None:
        callback = StudyCallback(observers, scheduler, settings, records, count)
        budget = context.time_budget and max(1.0, end_time - time.monotonic())
        _run_tuner(searcher, callback, build(), replace(context, time_budget=budget))
        callback.end_running_trials()

    gpus = context.resources.gpus
    if not _is_search_done(records, settings.trials, scheduler):
        run(_make_searcher(settings, records, gpus, scheduler.asha), scheduler)
    if _is_search_done(records, settings.trials, scheduler):
        for trial in records.to_list():
            if trial.ending == "paused":
                _end_trial(trial, "stopped", observers)
        if repeats := list_missing_repeats(settings, records.to_list()):
            never_stops = StudyScheduler(settings.model_copy(update={"scheduler": "none"}))
            run(PlannedSearcher(lambda: repeats, gpus), never_stops)


def _replay_log(
    folder: Path, records: TrialRecords, scheduler: StudyScheduler, observers: Sequence[Observer]
) -> None:
    """Restore the scheduler, and end the trials whose end a kill has prevented.

    Repeats of finalists are no rivals of the trials, so the scheduler does not see them.
    """
    trials, repeats = records.to_list(), records.list_repeats()
    numbers = {trial.number for trial in trials}
    for event in read_events(folder):
        if event.number in numbers:
            scheduler.replay_event(event)
    for trial in (*trials, *repeats):
        if ending := _infer_ending(trial, scheduler):
            _end_trial(trial, ending, observers)


def _make_searcher(
    settings: StudySettings, records: TrialRecords, gpus: float, asha: Asha
) -> Searcher:
    """Return the searcher that hands out the trials."""
    if ablation := settings.ablation:
        metric = settings.metric
        return PlannedSearcher(
            lambda: list_missing_configs(ablation, metric, records.to_list()), gpus
        )
    return StudySearcher(settings, records.to_list(), gpus, asha)


def _end_trial(trial: TrialRecord, ending: Ending, observers: Sequence[Observer]) -> None:
    event = TrialEnded(number=trial.number, ending=ending)
    for observer in observers:
        observer.on_event(event)


def _infer_ending(trial: TrialRecord, scheduler: StudyScheduler) -> Ending | None:
    """Return how a trial ended, if a kill came between its last epoch and its end."""
    if trial.has_final_status:
        return None
    if trial.number in scheduler.pruned:
        return "stopped"
    if trial.number in scheduler.asha.paused:
        return "paused" if trial.ending != "paused" else None
    return "finished" if len(trial.history) == scheduler.epochs else None


def _is_search_done(records: TrialRecords, count: int, scheduler: StudyScheduler) -> bool:
    """Return whether no trial starts or resumes any more; some may still be paused."""
    trials, paused = records.to_list(), scheduler.asha.paused
    done = sum(trial.has_final_status or trial.number in paused for trial in trials)
    return done >= count and scheduler.asha.find_promotable() is None


def _build_trainable(
    trainable: Trainable, faces: StudyData, settings: StudySettings, context: RunResources
) -> object:
    from ray import tune

    cpus = context.resources.cpus
    common = settings.epochs, settings.metric, settings.seed
    options = TrialOptions(*common, cpus, context.shared_dir)

    with_data = tune.with_parameters(trainable, faces=put_study_data(faces), options=options)
    group = tune.PlacementGroupFactory
    return tune.with_resources(with_data, lambda own: group([{"CPU": cpus, "GPU": own["gpus"]}]))


def _run_tuner(
    searcher: Searcher, callback: StudyCallback, trainable: object, context: RunResources
) -> None:
    from ray import tune

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    _delete_leftovers(context.shared_dir)  # of a killed run
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=callback.scheduler,
            num_samples=-1,  # the searcher decides when the study is done
            max_concurrent_trials=context.max_concurrent,
            time_budget_s=context.time_budget,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial_dirname(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            # Only this process writes into this folder, so it may delete it.
            name=atomic.make_partial_name("run"),
            storage_path=str(context.shared_dir),
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=MAX_RETRIES),
            verbose=0,
            progress_reporter=tune.CLIReporter(),  # Tune's for notebooks clears what was printed
        ),
    )
    sigint_handler = signal.getsignal(signal.SIGINT)
    try:
        tuner.fit()
    except Exception as error:
        if callback.failure:
            raise callback.failure from error
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, sigint_handler)  # Ray Tune leaves its own
        _delete_leftovers(context.shared_dir)


def _delete_leftovers(study: Directory) -> None:
    """Delete Ray Tune's folders, and files that a killed process left unfinished."""
    delete_partial_files(study)
    checkpoints = study / CHECKPOINTS
    if isinstance(checkpoints, DiskDirectory):  # a bucket has no unfinished files
        for folder in checkpoints.path.glob("trial-*/"):
            delete_partial_files(DiskDirectory(folder))
