"""The options of a training that ends with a registered model, for `retrain` and `train`."""

import argparse

from fer_tune.common import cli
from fer_tune.common.errors import UserError


def add_moved_options(group: argparse._ActionsContainer) -> None:
    """Add the options that say where the faces of a recorded study are now."""
    add, path = group.add_argument, cli.parse_path
    add("--data", type=path, metavar="PATH", help="the study's faces, if they have moved")
    add("--votes", type=path, metavar="FILE", help="people's votes on them, if they have moved")
    suspects = "the study's list of suspects, if it has moved"
    add("--suspects", type=path, metavar="FILE", help=suspects)


def add_training_options(parser: cli.CommandParser) -> None:
    """Add the options that `train_and_register` reads."""
    add, count = parser.add_argument, cli.make_number_parser(1, int)
    seeds = "train with K seeds, one after the other (default: 1)"
    add("--seeds", type=count, default=1, metavar="K", help=seeds)
    baseline = "also train the baseline, the paper's configuration, and compare (default: yes)"
    add("--against-paper", action=argparse.BooleanOptionalAction, default=True, help=baseline)
    add("--ensemble", action="store_true", help="register the mean of the K networks as one model")
    views = parser.add_mutually_exclusive_group()
    tta = "register a model that averages over views: mirror adds the mirror image, six shifts both"
    views.add_argument("--tta", choices=("none", "mirror", "six"), default="none", help=tta)
    flip = "also report test-time augmentation: each face averaged with its mirror image"
    views.add_argument("--flip", action="store_true", help=flip)


def check_training_options(args: argparse.Namespace) -> None:
    """Raise UserError if the options contradict each other."""
    if args.ensemble and args.seeds == 1:
        raise UserError("--ensemble averages several networks; give --seeds 2 or more")
