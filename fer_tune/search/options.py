"""The options of the command `search`, checked before anything is read or started."""

import argparse
import math
import os
import re
from typing import get_args

from fer_tune import defaults
from fer_tune.common import cli
from fer_tune.data.read_options import LABELS_HELP, VOTES_HELP, parse_labels
from fer_tune.study.tune.cluster_connection import parse_cluster_address

_SECONDS_PER_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600}
_EXAMPLES = """\
examples:
  %(prog)s                             the demo faces, about five minutes
  %(prog)s --data fer2013.csv --space regularize --trials 60
  %(prog)s --resume NAME --trials 80   resume a study, with more trials
  %(prog)s --data fer2013.csv --space regularize --warm-start NAME
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line. Options that the user leaves out are None.

    It returns `--time-budget` in seconds, and `--gpus-per-trial` as a number or "auto".
    """
    parser = cli.CommandParser(
        prog=cli.format_program_name("search"),
        description="Run a hyperparameter study: find out what reduces overfitting.",
        epilog=_EXAMPLES,
    )
    _add_study_options(parser.add_argument_group("study"))
    _add_search_options(parser.add_argument_group("search"))
    add_machine_options(parser.add_argument_group("machine"))
    records = parser.add_argument_group("records")
    add_record_options(records, "continue this study, possibly with more --trials")
    dry_run = "print the space, the resources and three sampled trials; run nothing"
    records.add_argument("--dry-run", action="store_true", help=dry_run)
    return parser


def _add_study_options(group: argparse._ArgumentGroup) -> None:
    add, text, count = group.add_argument, cli.parse_nonempty, _parse_count
    add_faces_options(group)
    space = f"YAML file, or paper, regularize or smoke (default: {defaults.SPACE})"
    add("--space", type=text, metavar="SPACE", help=space)
    add("--trials", type=count, metavar="N", help=f"trials in all (default: {defaults.TRIALS})")
    epochs = f"epochs of a completed trial (default: {defaults.EPOCHS})"
    add("--epochs", type=count, metavar="N", help=epochs)
    finalists = "train the K best trials with two further seeds; the mean decides (default: 0)"
    add("--finalists", type=cli.make_number_parser(0, int), metavar="K", help=finalists)
    add("--study", type=text, metavar="NAME", help="its name (default: space and time)")


def add_faces_options(group: argparse._ArgumentGroup) -> None:
    """Add the options on the faces of a new study."""
    add = group.add_argument
    data = "file or folder of the faces (default: $FER_TUNE_DATA, else data/, else demo faces)"
    add("--data", type=cli.parse_path, metavar="PATH", help=data)
    add("--skip-bad", action="store_true", default=None, help="leave out faces that cannot be read")
    add("--labels", type=parse_labels, metavar="PAIRS", help=LABELS_HELP)
    add("--votes", type=cli.parse_path, metavar="FILE", help=VOTES_HELP)
    sample = "train on a sample of N training faces, stratified by class"
    add("--train-faces", type=_parse_count, metavar="N", help=sample)
    suspects = "suspects.csv, for trials that leave out suspects (labels: without_suspects)"
    add("--suspects", type=cli.parse_path, metavar="FILE", help=suspects)


def _add_search_options(group: argparse._ArgumentGroup) -> None:
    add, text = group.add_argument, cli.parse_nonempty
    metric = f"what to optimise (default: {defaults.METRIC})"
    add("--metric", type=text, metavar="NAME", help=metric)
    seed = f"seed of the proposals and of the training (default: {defaults.SEED})"
    add("--seed", type=cli.make_number_parser(0, int, 2**31), metavar="N", help=seed)
    prior = "give Optuna the trials of these studies, which used the same faces"
    add("--warm-start", type=text, metavar="STUDY", nargs="+", help=prior)
    sampler = f"what proposes the trials (default: {defaults.SAMPLER})"
    add("--sampler", choices=get_args(defaults.SamplerName), help=sampler)
    scheduler = f"how weak trials are stopped or paused (default: {defaults.SCHEDULER})"
    add("--scheduler", choices=get_args(defaults.SchedulerName), help=scheduler)
    grace = f"epochs before the first rung (default: {defaults.GRACE})"
    add("--grace", type=_parse_count, metavar="N", help=grace)
    reduction = f"at each rung, one trial in N continues (default: {defaults.REDUCTION})"
    add("--reduction", type=cli.make_number_parser(2, int), metavar="N", help=reduction)


def add_machine_options(group: argparse._ArgumentGroup) -> None:
    """Add the options on how many trials run at once, where, and how long."""
    add, count = group.add_argument, _parse_count
    add("--concurrent", type=count, metavar="N", help="trials at once (default: as many as fit)")
    add("--cpus-per-trial", type=count, metavar="N", help="cores and threads of one trial")
    gpus = "GPUs of one trial; auto measures the best share (default: 0.25 if there is a GPU)"
    add("--gpus-per-trial", type=_parse_gpus, metavar="X", help=gpus)
    add("--time-budget", type=_parse_seconds, metavar="TIME", help="stop after 90s, 30m or 2h")
    address = "use this Ray cluster (default: $RAY_ADDRESS, else Ray starts on this machine)"
    own = os.environ.get("RAY_ADDRESS")
    add("--address", type=parse_cluster_address, default=own, metavar="ADDRESS", help=address)


def add_record_options(group: argparse._ArgumentGroup, resume: str) -> None:
    """Add the options on where a study is recorded, and `--resume` with this help."""
    add, text, folder = group.add_argument, cli.parse_nonempty, str(defaults.STUDIES_FOLDER)
    store = "MLflow's store: folder, database or server (default: mlruns/ in this folder)"
    add("--tracking-uri", type=text, metavar="URI", help=store)
    storage = f"folder or s3://... of event logs and checkpoints (default: {folder})"
    add("--storage", type=text, default=folder, metavar="DIR", help=storage)
    add("--resume", type=text, metavar="STUDY", help=resume)


_parse_count = cli.make_number_parser(1, int)


def _parse_gpus(text: str) -> float | str:
    return text if text == "auto" else cli.make_number_parser(0, float)(text)


_parse_gpus.__name__ = "number or auto"


def _parse_seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or not 0 < float(match[1]) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 30m or 2h")
    return float(match[1]) * _SECONDS_PER_UNIT[match[2]]
