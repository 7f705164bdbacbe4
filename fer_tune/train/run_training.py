"""The training of one configuration, recorded as a study of one trial."""

from argparse import Namespace
from dataclasses import replace

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.retrain.run_retraining import train_and_register, write_report_and_advice
from fer_tune.retrain.train_seeds import RetrainSpec
from fer_tune.retrain.training_options import check_training_options
from fer_tune.search.study_info import build_study_info
from fer_tune.study.records.study_storage import StudyStorage, open_storage
from fer_tune.tracking.queries import find_study, list_trials
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.train.plan_training import choose_read_options, plan_training, read_recorded_settings
from fer_tune.train.read_configuration import read_configuration
from fer_tune.train.single_trial_study import SingleTrialStudy, open_single_trial_study
from fer_tune.trial_config import derive_seed


def run_training(console: Console, args: Namespace, command: str) -> None:
    """Train the configuration with each seed, test and compare the models, and register the best.

    args: the parsed command line of `train`.
    command: the command line, for the records.
    Raises UserError for a mistake in the options, or if the training diverges.
    """
    check_training_options(args)
    config = read_configuration(args)
    storage = open_storage(args.storage)
    recorded = read_recorded_settings(args, storage)
    with show_step(console, "reading the faces"):
        splits = load_splits(args.data, choose_read_options(args, recorded))
    settings, started, sample = plan_training(args, storage, config, splits, recorded)
    with show_step(console, "connecting to MLflow"):
        store = open_store(args.tracking_uri)
    info = build_study_info(settings, splits, command, str(storage))
    study: SingleTrialStudy | None = None
    try:
        with open_single_trial_study(store, storage, settings, info, started) as study:
            spec = _make_spec(args, command, store, storage, settings.name, sample)
            spec = replace(spec, on_epoch=study.record_epoch)
            uri, run_id = train_and_register(console, store, spec, args)
    except (KeyboardInterrupt, UserError):
        if study is None:
            raise
        hint = command if args.resume else f"{command} --resume {settings.name}"
        console.print(f"Stopped. To continue after the last epoch: {hint}", soft_wrap=True)
        raise
    except ArithmeticError as error:  # it diverged
        problem = f"study {settings.name}: {error}"
        raise UserError(f"{problem}; try a smaller learning_rate") from error
    # The report is on the study, which has ended now, and on all faces.
    spec = replace(spec, info=replace(spec.info, splits=splits))
    write_report_and_advice(console, store, spec, args.tracking_uri, uri, run_id)


def _make_spec(
    args: Namespace, command: str, store: Store, storage: StudyStorage, name: str, sample: Splits
) -> RetrainSpec:
    """Return the trainings of the only trial of the study that has this name."""
    study = find_study(store, name)
    (trial,) = list_trials(store, study)
    seed, repeated_trial = args.seed
    is_repeated = repeated_trial is not None
    params = {"train_faces": args.train_faces} if args.train_faces else {}
    if args.train_faces or is_repeated:  # else all faces, as every training draws them
        params["faces_seed"] = seed
    info = RetrainInfo(study, trial, args.epochs, sample, command, args.tta, params)
    first_seed = derive_seed(seed, repeated_trial) if is_repeated else seed
    seeds = range(first_seed, first_seed + args.seeds)
    return RetrainSpec(info, storage, seeds, seed if is_repeated else None)
