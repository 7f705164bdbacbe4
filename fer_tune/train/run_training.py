"""The training of one configuration, recorded as a study of one trial."""

from argparse import Namespace
from dataclasses import replace

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.errors import UserError
from fer_tune.data.load import load_splits
from fer_tune.retrain.run_retraining import train_and_register, write_report_and_advice
from fer_tune.retrain.train_seeds import RetrainSpec
from fer_tune.retrain.training_options import check_training_options
from fer_tune.search.label_check import check_labels
from fer_tune.search.study_info import build_study_info
from fer_tune.study.records.study_storage import open_storage
from fer_tune.tracking.queries import find_study, find_trial
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.train.plan_training import TrainingPlan, choose_read_options, make_plan
from fer_tune.train.read_configuration import read_configuration
from fer_tune.train.single_trial_study import SingleTrialStudy, open_single_trial_study


def run_training(console: Console, args: Namespace, command: str) -> None:
    """Train the configuration with each seed, test and compare the models, and register the best.

    args: the parsed command line of `train`.
    command: the command line, for the records.
    Raises UserError for a mistake in the options, or if the training diverges.
    """
    check_training_options(args)
    config = read_configuration(args)
    storage = open_storage(args.storage)
    with show_step(console, "reading the faces"):
        read_options = choose_read_options(args, storage)
        splits = load_splits(args.data, read_options)
    check_labels([config.labels], splits)
    plan = make_plan(args, storage, splits, read_options, config)
    with show_step(console, "connecting to MLflow"):
        store = open_store(args.tracking_uri)
    info = build_study_info(plan.settings, splits, command, str(plan.storage))
    study: SingleTrialStudy | None = None
    try:
        with open_single_trial_study(
            store, plan.storage, plan.settings, info, plan.started
        ) as study:
            spec = replace(_make_spec(store, plan, command), on_epoch=study.record_epoch)
            uri, run_id = train_and_register(console, store, spec, args)
    except (KeyboardInterrupt, UserError):
        if study is None:
            raise
        hint = command if args.resume else f"{command} --resume {plan.settings.name}"
        console.print(f"Stopped. To continue after the last epoch: {hint}", soft_wrap=True)
        raise
    except ArithmeticError as error:  # it diverged
        problem = f"study {plan.settings.name}: {error}"
        raise UserError(f"{problem}; try a smaller learning_rate") from error
    # The report is on the study, which has ended now, and on all faces.
    spec = replace(spec, info=replace(spec.info, splits=splits))
    write_report_and_advice(console, store, spec, args.tracking_uri, uri, run_id)


def _make_spec(store: Store, plan: TrainingPlan, command: str) -> RetrainSpec:
    settings = plan.settings
    study = find_study(store, settings.name)
    info = RetrainInfo(
        study=study,
        trial=find_trial(store, study, plan.started.number),
        epochs=settings.epochs,
        splits=plan.sample,
        command=command,
        faces_params=plan.faces_params,
    )
    plan_seed = settings.seed if plan.repeats_trial else None
    return RetrainSpec(info, plan.storage, plan.seeds, plan.first_seed, plan_seed)
