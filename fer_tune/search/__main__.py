"""python -m fer_tune.search: run a study, or go on with one."""

import difflib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune import defaults
from fer_tune.common import cli as cli
from fer_tune.common.errors import UserError
from fer_tune.search.options import SearchOptions, parse_options
from fer_tune.search.options import build_parser as build_parser  # for completion

if TYPE_CHECKING:
    from rich.console import Console

    from fer_tune.data.faces import Splits
    from fer_tune.study.records.settings import StudySettings
    from fer_tune.study.records.study_storage import StudyStorage
    from fer_tune.study.tune.resources import ResourceRequest


def main(argv: Sequence[str] | None = None) -> None:
    """Settle what the study is from the command line, then show it or run it."""
    options = parse_options(argv)
    from fer_tune.common.console import create_console
    from fer_tune.data.load import load_splits, reload_splits
    from fer_tune.study.records.settings import open_study
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.terminal import formatting as formatting

    console = create_console()
    storage = open_storage(options.storage)
    if options.resume is not None:
        storage.fetch_study(options.resume)
        settings = open_study(storage.local_dir, options.resume)[1]
        splits = reload_splits(options.data or settings.data, skip_bad=settings.skip_bad)
        settings = _update_settings(settings, options, splits)
    else:
        splits = load_splits(options.data, skip_bad=bool(options.skip_bad))
        settings = _make_settings(options, splits, storage)
    formatting.show_data_source(console, splits)
    if options.warm_start:
        settings = _add_warm_start(console, options.warm_start, settings)
    if options.dry_run:
        _show_plan(console, settings, options)
        return
    from fer_tune.search.run import RunOptions, run_search

    around = RunOptions(
        command=cli.format_command_line("fer_tune.search", argv),
        storage=storage,
        store_options=_list_store_options(settings, options),
        resource_request=_make_resource_request(options),
        ray_address=options.address,
        time_budget=options.time_budget,
    )
    run_search(console, settings, splits, around, resume=options.resume is not None)


def _make_settings(
    options: SearchOptions, splits: "Splits", storage: "StudyStorage"
) -> "StudySettings":
    from fer_tune.data.demo import demo_splits as demo_splits
    from fer_tune.study.records.settings import StudySettings, slugify
    from fer_tune.study.search_space.load_space import find_space_file, load_space

    path = find_space_file(options.space or defaults.SPACE)
    name = options.study or f"{slugify(path.stem)}-{time.strftime('%m%d-%H%M%S')}"
    if splits.source == demo_splits.DEMO_SOURCE and not name.startswith("demo"):
        name = f"demo-{name}"
    storage.fetch_study(name)
    storage.check_name_available(name)
    return StudySettings(
        name=name,
        space_name=path.stem,
        space=load_space(path),
        data=splits.origin,
        skip_bad=bool(options.skip_bad),
        faces_hash=splits.content_hash(),
        train_faces=options.train_faces,
        trials=options.trials or defaults.TRIALS,
        epochs=options.epochs or defaults.EPOCHS,
        scheduler=options.scheduler or defaults.SCHEDULER,
        grace=options.grace or defaults.GRACE,
        reduction=options.reduction or defaults.REDUCTION,
        metric=_check_metric(options.metric or defaults.METRIC, splits),
        seed=defaults.SEED if options.seed is None else options.seed,
        tracking_uri=options.tracking_uri,
    )


def _add_warm_start(
    console: "Console", study_names: "Sequence[str]", settings: "StudySettings"
) -> "StudySettings":
    from fer_tune.search.warm_start import warm_start
    from fer_tune.tracking.store import open_store

    known, told = warm_start(open_store(settings.tracking_uri, create=False), study_names, settings)
    console.print(told, soft_wrap=True)
    return settings.model_copy(update={"known": known})


def _check_metric(name: str, splits: "Splits") -> str:
    from fer_tune.scoring.metrics import list_metric_names

    known = list_metric_names(splits.classes)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known
        raise UserError(f"--metric {name}: there is no such metric; closest: {', '.join(close)}")
    return name


def _update_settings(
    settings: "StudySettings", options: SearchOptions, splits: "Splits"
) -> "StudySettings":
    if splits.content_hash() != settings.faces_hash:
        raise UserError(
            f"study {settings.name} was begun on other faces than those of "
            f"{splits.origin or splits.source}; say with --data where they are now"
        )
    _check_metric(settings.metric, splits)
    trials = options.trials or settings.trials
    if trials < settings.trials:
        raise UserError(f"--trials {trials}: the study has {settings.trials} already; give more")
    changes = {
        "trials": trials,
        "data": splits.origin,
        "tracking_uri": options.tracking_uri or settings.tracking_uri,
    }
    return settings.model_copy(update=changes)


def _show_plan(console: "Console", settings: "StudySettings", options: SearchOptions) -> None:
    from fer_tune.study.records.trial_record import format_parameters
    from fer_tune.study.tune.resources import allocate_resources, detect_machine
    from fer_tune.study.tune.searcher import sample_points

    console.print(f"Study {settings.name}, space {settings.space_name}:")
    console.print(settings.space.to_yaml(), end="")
    if options.address is None:
        resources = allocate_resources(
            [detect_machine()], settings.trials, _make_resource_request(options)
        )
        console.print(f"Resources: {resources}")
    else:
        console.print(f"Resources: as the cluster at {options.address} has them")
    console.print("First trials:")
    for point in settings.list_untried_first_points():
        console.print(f"  {format_parameters(point)}", soft_wrap=True)
    console.print("Three sampled:")
    for point in sample_points(settings, 3):
        console.print(f"  {format_parameters(point)}", soft_wrap=True)


def _make_resource_request(options: SearchOptions) -> "ResourceRequest":
    from fer_tune.study.tune.resources import ResourceRequest

    return ResourceRequest(options.concurrent, options.cpus_per_trial, options.gpus_per_trial)


def _list_store_options(settings: "StudySettings", options: SearchOptions) -> list[str]:
    """The options that say where the study's records are, for the commands that come next."""
    from fer_tune.tracking.store import is_default_store

    records = []
    if settings.tracking_uri is not None and not is_default_store(settings.tracking_uri):
        records += ["--tracking-uri", settings.tracking_uri]
    if options.storage != str(defaults.STUDIES_FOLDER):
        records += ["--storage", options.storage]
    return records


if __name__ == "__main__":
    cli.run_command(main)
