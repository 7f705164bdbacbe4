"""The command retrain: train a study's best trial again, test it and register its model."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune.common import cli
from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.defaults import STUDIES_FOLDER

if TYPE_CHECKING:
    from rich.console import Console

    from fer_tune.retrain.train_seeds import RetrainSpec
    from fer_tune.tracking.store import Store

_EXAMPLE = """\
example:
  %(prog)s --study paper-0412-101500 --seeds 3
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("retrain"),
        description="Train a study's best trial again, on the whole training split. Score it once "
        "on the test split, compare it with the baseline and with the champion, and register its "
        "model.",
        epilog=_EXAMPLE,
    )
    add, text, path = parser.add_argument, cli.parse_nonempty, cli.parse_path
    number, count = cli.make_number_parser(0, int), cli.make_number_parser(1, int)
    add("--study", type=text, required=True, metavar="NAME", help="the study")
    add("--trial", type=number, metavar="N", help="the trial (default: the best one)")
    add("--epochs", type=count, metavar="N", help="epochs to train (default: those of the study)")
    seeds = "train with K seeds, one after the other (default: 1)"
    add("--seeds", type=count, default=1, metavar="K", help=seeds)
    baseline = "also train the baseline, the paper's configuration, and compare (default: yes)"
    add("--against-paper", action=argparse.BooleanOptionalAction, default=True, help=baseline)
    tta = "also report test-time augmentation: each face averaged with its mirror image"
    add("--flip", action="store_true", help=tta)
    add("--data", type=path, metavar="PATH", help="the study's faces, if they have moved")
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    storage = str(STUDIES_FOLDER)
    add("--storage", type=text, default=storage, metavar="DIR", help="as for the search")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train the trial again with each seed, compare the best model and register it."""
    args = build_parser().parse_args(argv)
    from fer_tune.common.console import create_console, show_step
    from fer_tune.common.lock import hold_lock
    from fer_tune.retrain.promote import RetrainResult, compare_and_register
    from fer_tune.retrain.train_seeds import load_or_train_baseline, load_or_train_seed
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.terminal import formatting
    from fer_tune.tracking.retrain_run import open_retrain_run
    from fer_tune.tracking.store import open_store
    from fer_tune.trial_config import BASELINE

    console, command = create_console(), cli.format_command_line("fer_tune.retrain", argv)
    with open_storage(args.storage).suggest_resume(args.study):
        with show_step(console, "connecting to MLflow"):
            store = open_store(args.tracking_uri, create=False)
        spec = _make_spec(console, store, args, command)
    info, baseline = spec.info, None
    needs_baseline = args.against_paper and info.trial.config != BASELINE
    formatting.show_data_source(console, spec.splits)
    console.print(_describe_plan(spec, needs_baseline=needs_baseline))
    try:
        with hold_lock(spec.lock_path, "this retraining"):
            with open_retrain_run(store, info) as run:
                seeds = range(spec.seeds)
                outcomes = [load_or_train_seed(console, run, spec, seed) for seed in seeds]
                if needs_baseline:
                    baseline = load_or_train_baseline(console, store, spec)
                result = RetrainResult(info, spec.splits, outcomes, baseline, args.flip)
                uri = compare_and_register(console, store, run, result)
            spec.remove_checkpoints()
    except KeyboardInterrupt:
        hint = f"Stopped. The same command continues after the last epoch: {info.command}"
        console.print(hint, soft_wrap=True)
        raise
    store_options = ["--tracking-uri", args.tracking_uri] if args.tracking_uri else []
    use = cli.format_command_line("fer_tune.predict", ["FILE", "--model", uri, *store_options])
    console.print(f"To use the model: {use}", soft_wrap=True)


def _make_spec(
    console: "Console", store: "Store", args: argparse.Namespace, command: str
) -> "RetrainSpec":
    from fer_tune.common.console import show_step
    from fer_tune.common.version import read_code_version
    from fer_tune.data.faces import SPLIT_NAMES
    from fer_tune.data.load import collect_remarks, reload_splits
    from fer_tune.retrain.train_seeds import RetrainSpec
    from fer_tune.scoring.metrics import list_metric_names
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.tracking.choose_trial import choose_trial
    from fer_tune.tracking.queries import find_study
    from fer_tune.tracking.study_and_retrain_info import RetrainInfo

    study = find_study(store, args.study)
    trial = choose_trial(store, study, args.trial)
    with show_step(console, "reading the faces"):
        splits = reload_splits(args.data or study.data, study.read_options)
    source, classes = args.data or splits.source, splits.classes
    if splits.content_hash() != study.faces_hash:
        problem = f"{source}: these are not the faces of study {study.name}"
        raise UserError(f"{problem}; name their file or folder with --data")
    if study.metric not in list_metric_names(classes):
        raise UserError(f"study {study.name}: no metric is called {study.metric}; was it changed?")
    epochs, note = args.epochs or study.epochs, "\n\n".join(collect_remarks(splits))
    size, version = len(classes), read_code_version()
    counts = {str(name): splits[name].count_by_class(size).tolist() for name in SPLIT_NAMES}
    info = RetrainInfo(
        study, trial, epochs, classes, command, version, note, counts, splits.protocol
    )
    return RetrainSpec(info, splits, open_storage(args.storage), args.seeds)


def _describe_plan(spec: "RetrainSpec", *, needs_baseline: bool) -> str:
    from fer_tune.model import FerNet, count_parameters

    study, trial, epochs = spec.info.study, spec.info.trial, pluralize(spec.info.epochs, "epoch")
    parameters = count_parameters(FerNet(trial.config, len(spec.splits.classes)))
    gap, max_gap = trial.best_metrics.get("gap", 0.0), study.max_gap
    seeds = pluralize(spec.seeds, "seed")
    plan = (
        f"Training trial {trial.number:03d} of study {study.name} with {seeds}: "
        f"{epochs} on {len(spec.splits.train):,} faces, {parameters / 1e6:.2f} M parameters."
    )
    if needs_baseline:
        plan += (
            " Then the baseline, the paper's configuration, if it was not trained like this yet."
        )
    plan += f" {spec.info.sample_remark}".rstrip()
    if max_gap is not None and gap > max_gap:
        plan += f" The trial's gap of {gap:.3f} is above the limit of {max_gap:g}."
    return plan


if __name__ == "__main__":
    cli.run_command(main)
