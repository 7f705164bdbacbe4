"""The trainings of one configuration, from the first seed to the registered model."""

from argparse import Namespace

from rich.console import Console

from fer_tune.common import cli
from fer_tune.common.console import show_step
from fer_tune.common.errors import UserError
from fer_tune.common.lock import hold_lock
from fer_tune.common.safe_text import pluralize
from fer_tune.model import FerNet, count_parameters
from fer_tune.report.page import write_report_or_warn
from fer_tune.retrain.build_ensemble import load_or_build_ensemble
from fer_tune.retrain.promote import RetrainResult, compare_and_register
from fer_tune.retrain.train_seeds import RetrainSpec, load_or_train_baseline, load_or_train_seed
from fer_tune.retrain.training_options import check_training_options
from fer_tune.scoring.metrics import list_metric_names
from fer_tune.scoring.vote_metrics import list_vote_metric_names
from fer_tune.study.records.study_storage import open_storage
from fer_tune.terminal import formatting
from fer_tune.tracking.choose_trial import choose_trial
from fer_tune.tracking.models.log_model import CARD_FILE
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.retrain_run import open_retrain_run
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.tracking.ui_view_and_links import build_run_url
from fer_tune.trial_config import BASELINE


def retrain_trial(console: Console, args: Namespace, command: str) -> None:
    """Train a trial of a study again, test its models and register the best one.

    args: the parsed command line of `retrain`.
    command: the command line, for the records.
    Raises UserError for a mistake in the options.
    """
    storage = open_storage(args.storage)
    with storage.suggest_resume(args.study):
        with show_step(console, "connecting to MLflow"):
            store = open_store(args.tracking_uri, create=False)
        study = find_study(store, args.study)
        trial = choose_trial(store, study, args.trial)
    with show_step(console, "reading the faces"):
        splits = study.load_splits(args.data, args.votes)
        if args.suspects or trial.config.labels == "without_suspects":
            splits = study.read_suspects(args.suspects).rank_faces(splits)
    if study.metric not in list_metric_names(splits.classes) + list_vote_metric_names():
        raise UserError(f"study {study.name}: no metric is called {study.metric}; was it changed?")
    info = RetrainInfo(study, trial, args.epochs or study.epochs, splits, command, args.tta)
    try:
        spec = RetrainSpec(info, storage, range(args.seeds))
        uri, run_id = train_and_register(console, store, spec, args)
        write_report_and_advice(console, store, spec, args.tracking_uri, uri, run_id)
    except KeyboardInterrupt:
        hint = f"Stopped. The same command continues after the last epoch: {command}"
        console.print(hint, soft_wrap=True)
        raise


def train_and_register(
    console: Console, store: Store, spec: RetrainSpec, args: Namespace
) -> tuple[str, str]:
    """Train with each seed, test and compare the models, and register the best one.

    args: the options of `add_training_options`.
    Returns the model's address in the registry, and the ID of the retraining's run.
    """
    check_training_options(args)
    info, baseline, ensemble = spec.info, None, None
    needs_baseline = args.against_paper and info.trial.config != BASELINE
    formatting.show_data_source(console, info.splits)
    plan = _describe_plan(spec, needs_baseline=needs_baseline)
    console.print(plan + (" Their mean becomes one model." if args.ensemble else ""))
    with hold_lock(spec.lock_path, "this retraining"):
        with open_retrain_run(store, info) as run:
            outcomes = [load_or_train_seed(console, run, spec, seed) for seed in spec.seeds]
            if args.ensemble:
                ensemble = load_or_build_ensemble(console, store, run, spec, outcomes)
            if needs_baseline:
                baseline = load_or_train_baseline(console, store, spec)
            result = RetrainResult(info, outcomes, baseline, args.flip, ensemble)
            uri = compare_and_register(console, store, run, result)
        spec.remove_checkpoints()
    return uri, run.run_id


def write_report_and_advice(
    console: Console,
    store: Store,
    spec: RetrainSpec,
    tracking_uri: str | None,
    uri: str,
    run_id: str,
) -> None:
    """Write the report of the study, and print where it is and how to use the new model.

    uri, run_id: as `train_and_register` returns them.
    """
    store_options = ["--tracking-uri", tracking_uri] if tracking_uri else []
    name, storage, splits = spec.info.study.name, spec.storage, spec.info.splits
    page = write_report_or_warn(console, store, name, storage, splits, store_options)
    if page:
        console.print(f"Report: {page}", soft_wrap=True)
    url = build_run_url(store, run_id)
    console.print(f"Model card: {url}/artifacts/{CARD_FILE}\nRun: {url}", soft_wrap=True)
    use = cli.format_command_line("fer_tune.predict", ["FILE", "--model", uri, *store_options])
    console.print(f"To use the model: {use}", soft_wrap=True)


def _describe_plan(spec: RetrainSpec, *, needs_baseline: bool) -> str:
    study, trial, epochs = spec.info.study, spec.info.trial, pluralize(spec.info.epochs, "epoch")
    parameters = count_parameters(FerNet(trial.config, len(spec.info.classes)))
    gap, max_gap = trial.best_metrics.get("gap", 0.0), study.max_gap
    seeds = pluralize(len(spec.seeds), "seed")
    plan = (
        f"Training trial {trial.number:03d} of study {study.name} with {seeds}: "
        f"{epochs} on {len(spec.info.splits.train):,} faces, {parameters / 1e6:.2f} M parameters."
    )
    if needs_baseline:
        plan += " Then the baseline, the paper's configuration, unless it was trained like this."
    for remark in filter(None, (spec.info.sample_remark, spec.info.suspects_remark)):
        plan += f" {remark}"
    if max_gap is not None and gap > max_gap:
        plan += f" The trial's gap of {gap:.3f} is above the limit of {max_gap:g}."
    return plan
