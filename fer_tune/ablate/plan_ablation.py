"""The plan of an ablation: the study that it takes apart, and the settings of its own study."""

from argparse import Namespace
from dataclasses import replace

from rich.console import Console

from fer_tune.ablate.__main__ import DEFAULT_SEEDS
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.suspect_list import SuspectList
from fer_tune.report.load_study import ReportedStudy, load_study
from fer_tune.search.new_study import describe_faces, name_study
from fer_tune.search.search_plan import SearchPlan, make_plan, require_equal
from fer_tune.study.ablation_changes import build_ablation_space, group_changes
from fer_tune.study.ablation_plan import SPACE_NAME, Ablation
from fer_tune.study.records.settings import SINGLE_TRAINING, StudySettings, read_settings, slugify
from fer_tune.study.records.study_storage import StudyStorage, open_storage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.tracking.store import open_store
from fer_tune.trial_config import BASELINE


def make_ablation_plan(console: Console, options: Namespace, command: str) -> SearchPlan:
    """Return the plan for the options of `ablate`, and print which faces it uses.

    command: the command line, for the records.
    Raises UserError for a mistake in the options.
    """
    if options.resume:
        _check_resumed(options)
    elif not options.source:
        raise UserError("--study is missing: name the study whose best trial is taken apart")
    plan = make_plan(console, options, command, _make_settings)
    if not options.resume or not options.seeds:
        return plan
    return replace(plan, settings=_add_seeds(plan.settings, options.seeds))


def _add_seeds(settings: StudySettings, seeds: int) -> StudySettings:
    """Return the settings of an ablation with so many seeds."""
    assert settings.ablation
    ablation = settings.ablation.model_copy(update={"seeds": seeds})
    return settings.model_copy(update={"ablation": ablation, "trials": ablation.count_trials()})


def _check_resumed(options: Namespace) -> None:
    """Raise UserError if no ablation of these options is to be resumed.

    The options that a search has too are checked with those of a search.
    """
    storage, name = open_storage(options.storage), options.resume
    storage.fetch_study(name)
    ablation = read_settings(storage.local_dir, name)[1].ablation
    if ablation is None:
        raise UserError(f"--resume {name}: this study is no ablation; resume it with search")
    for name, option in (("study", "source"), ("trial", "trial")):
        require_equal(name, getattr(options, option), getattr(ablation, name))
    if options.seeds and options.seeds < ablation.seeds:
        problem = f"--seeds {options.seeds}: the ablation has {ablation.seeds} already"
        raise UserError(f"{problem}; give more")


def _make_settings(options: Namespace, storage: StudyStorage) -> tuple[Splits, StudySettings]:
    """Return the faces and the settings of a new ablation."""
    store = open_store(options.tracking_uri, create=False, needs_write=False)
    with storage.suggest_resume(options.source):
        storage.fetch_study(options.source)
        study = load_study(store, options.source, storage)
    trial = _choose_trial(study, options.trial)
    changes, seeds = group_changes(trial.config, study.space), options.seeds or DEFAULT_SEEDS
    ablation = Ablation(study=study.run.name, trial=trial.number, changes=changes, seeds=seeds)
    splits, suspects = _load_faces(study, options, trial)
    return splits, StudySettings(
        name=name_study(storage, options.study, f"{slugify(study.run.name)}-ablation", splits),
        space_name=SPACE_NAME,
        space=build_ablation_space(ablation, study.space.constraints),
        **describe_faces(splits, study.run.read_options.move_votes(options.votes), suspects),
        train_faces=study.run.train_faces,
        trials=ablation.count_trials(),
        epochs=options.epochs or study.run.epochs,
        scheduler="none",
        metric=study.metric,
        seed=int(study.run.settings["seed"]),
        ablation=ablation,
    )


def _load_faces(
    study: ReportedStudy, options: Namespace, trial: TrialRecord
) -> tuple[Splits, SuspectList | None]:
    """Return the study's faces, and its list of suspects if the trial leaves some out."""
    splits = study.run.load_splits(options.data, options.votes)
    if not options.suspects and trial.config.labels != "without_suspects":
        return splits, None
    suspects = study.run.read_suspects(options.suspects)
    return suspects.rank_faces(splits), suspects


def _choose_trial(study: ReportedStudy, number: int | None) -> TrialRecord:
    """Return the trial of this number, by default the best. Raises UserError if it cannot be."""
    name = study.run.name
    if study.ablation:
        raise UserError(f"study {name} is an ablation itself; name the study that it takes apart")
    if study.run.settings.get("space_name") == SINGLE_TRAINING:
        raise UserError(f"study {name} is a single training; name a study of a search")
    if not study.scored:
        raise UserError(f"study {name} has no trial with a result yet; resume it")
    trials = {trial.number: trial for trial in study.trials}
    trial = study.best.record if number is None else trials.get(number)
    if trial is None:
        raise UserError(f"--trial {number}: study {name} has trials {min(trials)} to {max(trials)}")
    if not trial.history:
        raise UserError(f"--trial {number}: this trial of study {name} has no result; name another")
    if trial.config == BASELINE:
        subject = "its best trial" if number is None else f"trial {number}"
        advice = "name another trial with --trial"
        raise UserError(f"study {name}: {subject} is the baseline, so nothing changes; {advice}")
    return trial
