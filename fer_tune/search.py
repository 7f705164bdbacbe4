"""python -m fer_tune.search: run a study, or go on with one."""

import difflib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune import command
from fer_tune.errors import UserError
from fer_tune.options import SearchOptions, parse

if TYPE_CHECKING:
    from rich.console import Console

    from fer_tune.data.faces import Splits
    from fer_tune.study.resources import Wanted
    from fer_tune.study.settings import StudySettings

TRIALS, EPOCHS, GRACE, REDUCTION = 12, 20, 2, 3
METRIC = "val/macro_f1"


def main(argv: Sequence[str] | None = None) -> None:
    """Settle what the study is from the command line, then show it or run it."""
    options = parse(argv)
    from rich.console import Console

    from fer_tune.data.load import load_splits
    from fer_tune.study.settings import open_study

    console = Console()
    if options.resume:
        settings = open_study(options.storage, options.resume)[1]
        splits = load_splits(settings.data, skip_bad=settings.skip_bad)
        settings = _resumed(settings, options, splits)
    else:
        splits = load_splits(options.data, skip_bad=options.skip_bad)
        settings = _settled(options, splits)
    _show_faces(console, splits)
    if options.dry_run:
        _show_plan(console, settings, options)
    else:
        from fer_tune.conduct import Surroundings, conduct

        around = Surroundings(
            command=command.line("fer_tune.search", argv),
            storage=options.storage,
            wanted=_wanted(options),
            address=options.address,
            time_budget=options.time_budget,
        )
        conduct(console, settings, splits, around, resume=bool(options.resume))


def _settled(options: SearchOptions, splits: "Splits") -> "StudySettings":
    from fer_tune.data import demo
    from fer_tune.study.settings import StudySettings, check_name
    from fer_tune.study.space import find_space, read_space

    path = find_space(options.space or "paper")
    name = options.study or f"{path.stem}-{time.strftime('%m%d-%H%M%S')}"
    if splits.source == demo.SOURCE and not name.startswith("demo"):
        name = f"demo-{name}"
    check_name(name)
    return StudySettings(
        name=name,
        space_name=path.stem,
        space=read_space(path),
        data=options.data and options.data.absolute(),
        skip_bad=options.skip_bad,
        faces_hash=splits.content_hash(),
        train_faces=options.train_faces,
        trials=options.trials or TRIALS,
        epochs=options.epochs or EPOCHS,
        grace=options.grace or GRACE,
        reduction=options.reduction or REDUCTION,
        metric=_known_metric(options.metric or METRIC, splits),
        seed=options.seed or 0,
        tracking_uri=options.tracking_uri,
    )


def _known_metric(name: str, splits: "Splits") -> str:
    from fer_tune.training.metrics import metric_names

    known = metric_names(splits.classes)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known
        raise UserError(f"--metric {name}: there is no such metric; closest: {', '.join(close)}")
    return name


def _resumed(
    settings: "StudySettings", options: SearchOptions, splits: "Splits"
) -> "StudySettings":
    if splits.content_hash() != settings.faces_hash:
        raise UserError(
            f"study {settings.name} was begun on other faces than those in "
            f"{settings.data or splits.source}; put them back, or begin a new study"
        )
    trials = options.trials or settings.trials
    if trials < settings.trials:
        raise UserError(f"--trials {trials}: the study has {settings.trials} already; give more")
    uri = options.tracking_uri or settings.tracking_uri
    return settings.model_copy(update={"trials": trials, "tracking_uri": uri})


def _show_faces(console: "Console", splits: "Splits") -> None:
    from fer_tune.data import demo

    if splits.source == demo.SOURCE:
        console.print(demo.WARNING, style="bold reverse")
    console.print(f"Faces: {splits.source}. {splits.protocol}", highlight=False)
    for note in splits.notes:
        console.print(f"Note: {note}", highlight=False)


def _show_plan(console: "Console", settings: "StudySettings", options: SearchOptions) -> None:
    from fer_tune.study.resources import divide, this_machine
    from fer_tune.study.sampler import sampled_points
    from fer_tune.summary import configurations

    console.print(f"Study {settings.name}, space {settings.space_name}:", highlight=False)
    console.print(settings.space.as_yaml(), highlight=False, markup=False, end="")
    resources = divide(this_machine(), settings.trials, _wanted(options))
    console.print(f"Resources: {resources}", highlight=False)
    parameters = list(settings.space.parameters)
    console.print(configurations(parameters, settings.space.points(), title="First trials"))
    console.print(configurations(parameters, sampled_points(settings, 3), title="Three sampled"))


def _wanted(options: SearchOptions) -> "Wanted":
    from fer_tune.study.resources import Wanted

    return Wanted(options.concurrent, options.cpus_per_trial, options.gpus_per_trial)


if __name__ == "__main__":
    command.run(main)
