"""The command ablate: find out which changes of a trial help, one at a time."""

from collections.abc import Sequence

from fer_tune.common import cli
from fer_tune.retrain.training_options import add_moved_options
from fer_tune.search.options import add_machine_options, add_record_options
from fer_tune.search.options import build_parser as build_search_parser

_EXAMPLES = """\
examples:
  %(prog)s --study faces --dry-run
  %(prog)s --study faces --seeds 3
  %(prog)s --study faces --trial 7 --epochs 10
"""
DEFAULT_SEEDS = 2


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line. Options that the user leaves out are None."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("ablate"),
        description="Find out which changes between the baseline and a study's best trial reduce "
        "the gap or raise the score. It trains the baseline with each change, the best trial "
        "without each, and the path between the two, on the study's faces. Test faces are not "
        "read.",
        epilog=_EXAMPLES,
    )
    group = parser.add_argument_group("ablation")
    add, text, count = group.add_argument, cli.parse_nonempty, cli.make_number_parser(1, int)
    add("--study", dest="source", type=text, metavar="STUDY", help="the study with the trial")
    trial = "the trial that is taken apart (default: the best)"
    add("--trial", type=cli.make_number_parser(0, int), metavar="N", help=trial)
    seeds = f"trainings of each configuration, with different seeds (default: {DEFAULT_SEEDS})"
    add("--seeds", type=count, metavar="N", help=f"{seeds}; with --resume, more than before")
    add("--epochs", type=count, metavar="N", help="epochs of a training (default: the study's)")
    add_moved_options(group)
    name = "name of the ablation, which is a study itself (default: study and time)"
    add("--name", dest="study", type=text, metavar="NAME", help=name)
    add_machine_options(parser.add_argument_group("machine"))
    records = parser.add_argument_group("records")
    add_record_options(records, "continue this ablation")
    dry_run = "print the changes, the trainings and how long they take; start nothing"
    records.add_argument("--dry-run", action="store_true", help=dry_run)
    # What else a search has as an option, an ablation takes from its study.
    own = {action.dest for action in parser._actions}
    of_search = {action.dest for action in build_search_parser()._actions}
    parser.set_defaults(**dict.fromkeys(of_search - own))
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Plan the ablation that the command line describes, then print the plan or run it."""
    options = build_parser().parse_args(argv)

    from fer_tune.ablate.plan_ablation import make_ablation_plan
    from fer_tune.common.console import create_console

    console = create_console()
    plan = make_ablation_plan(console, options, cli.format_command_line("fer_tune.ablate", argv))
    if options.dry_run:
        from fer_tune.ablate.show_plan import show_ablation_plan

        show_ablation_plan(console, plan)
        return

    from fer_tune.search.run import run_search

    run_search(console, plan)


if __name__ == "__main__":
    cli.run_command(main)
