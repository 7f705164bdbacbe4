"""The plan of a search: all that its options decide, before anything is created or started."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fer_tune import defaults
from fer_tune.common.console import show_step
from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits, reload_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.suspect_list import read_recorded_suspects
from fer_tune.scoring.finalist_means import FURTHER_SEEDS
from fer_tune.search.new_study import check_finalists, check_metric, name_study, prepare_faces
from fer_tune.search.study_store import find_store_uri, format_store_address
from fer_tune.search.warm_start import warm_start
from fer_tune.study.records.settings import SINGLE_TRAINING, StudySettings, read_settings, slugify
from fer_tune.study.records.study_storage import StudyStorage, open_storage
from fer_tune.study.records.trial_record import format_parameters
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.resources import ResourceRequest, allocate_resources, detect_machine
from fer_tune.terminal.formatting import show_data_source
from fer_tune.tracking.store import open_store
from fer_tune.tracking.store_address import resolve_tracking_uri


@dataclass(frozen=True)
class SearchPlan:
    """A study, and where and how long it runs.

    is_resumed: whether the study exists already.
    command: the command line that begins or resumes it.
    request: the resources that the user asks for.
    ray_address: of a Ray cluster; None starts Ray on this machine.
    time_budget: seconds; None for no limit.
    tracking_uri: the tracking store, here and now (`settings.tracking_uri` is for the records).
    """

    settings: StudySettings
    splits: Splits
    storage: StudyStorage
    is_resumed: bool
    command: str
    request: ResourceRequest
    ray_address: str | None
    time_budget: float | None
    tracking_uri: str

    @property
    def folder(self) -> Path:
        """The study's folder on this machine."""
        return self.storage.local_dir / self.settings.name

    @property
    def store_options(self) -> list[str]:
        """The options with which other commands find the study."""
        is_default = self.tracking_uri == resolve_tracking_uri(None)
        own = [] if is_default else ["--tracking-uri", self.tracking_uri]
        return own + self.storage.options


# Returns the faces and the settings of a new study.
SettingsMaker = Callable[[Namespace, StudyStorage], tuple[Splits, StudySettings]]


def make_plan(
    console: Console, options: Namespace, command: str, make_settings: SettingsMaker | None = None
) -> SearchPlan:
    """Return the plan for these options; print the faces and the prior trials that it uses.

    command: the command line, for the records.
    make_settings: None for a search.
    Raises UserError for a mistake in the options.
    """
    storage = open_storage(options.storage)
    request = ResourceRequest(options.concurrent, options.cpus_per_trial, options.gpus_per_trial)
    with show_step(console, "reading the faces"):
        if options.resume is None:
            splits, settings = (make_settings or _make_settings)(options, storage)
        else:
            splits, settings = _load_settings(options, storage, options.resume)
    given, is_resumed = options.tracking_uri, options.resume is not None
    if is_resumed and given is None:
        given = find_store_uri(settings, storage)
    uri = resolve_tracking_uri(given)
    if not is_resumed or options.tracking_uri:  # else the recorded address is still right
        address = format_store_address(given, storage, settings.name)
        settings = settings.model_copy(update={"tracking_uri": address})
    if options.address is None and request != ResourceRequest():
        allocate_resources([detect_machine()], settings.trials, request)
    show_data_source(console, splits, settings.train_faces)
    if options.warm_start and not options.resume:
        store = open_store(uri, create=False, needs_write=False)
        known, summary = warm_start(store, options.warm_start, settings)
        console.print(summary)
        settings = settings.model_copy(update={"known": known})
    limits = request, options.address, options.time_budget
    return SearchPlan(settings, splits, storage, is_resumed, command, *limits, uri)


def _make_settings(options: Namespace, storage: StudyStorage) -> tuple[Splits, StudySettings]:
    """Return the faces and the settings of a new study."""
    read_options = ReadOptions(bool(options.skip_bad), options.labels, options.votes)
    splits = load_splits(options.data, read_options)
    path = find_space_file(options.space or defaults.SPACE)
    space = load_space(path)
    name = name_study(storage, options.study, slugify(path.stem), splits)
    labels = space.list_values("labels")
    splits, faces = prepare_faces(splits, read_options, labels, options.suspects)
    names = ("trials", "epochs", "sampler", "scheduler", "grace", "reduction", "seed")
    numbers = {each: getattr(options, each) or getattr(defaults, each.upper()) for each in names}
    return splits, StudySettings(
        name=name,
        space_name=path.stem,
        space=space,
        **faces,
        train_faces=options.train_faces,
        metric=check_metric(options.metric or defaults.METRIC, splits),
        **numbers,
        finalists=check_finalists(options.finalists, numbers["trials"]),
    )


def _load_settings(
    options: Namespace, storage: StudyStorage, name: str
) -> tuple[Splits, StudySettings]:
    """Return the faces and the settings of a study to resume, with what the options change."""
    storage.fetch_study(name)
    settings = read_settings(storage.local_dir, name)[1]
    if settings.space_name == SINGLE_TRAINING:
        raise UserError(
            f"study {name} is a single training; to continue it, give the command that began it "
            f"(in MLflow: command.txt of its run) and --resume {name}"
        )
    reasons = {"trials": "has as many as its changes need", "finalists": "has none"}
    for option, reason in reasons.items():
        if settings.ablation and (given := getattr(options, option)):
            raise UserError(f"--{option} {given}: an ablation {reason}; leave out the option")
    check_fixed_options(options, settings, storage)
    read_options = settings.read_options.move_votes(options.votes)
    hashes = settings.faces_hash, settings.votes_hash
    splits = reload_splits(options.data or settings.data, read_options, name, *hashes)
    update: dict[str, object] = {"data": splits.origin, "votes": read_options.votes}
    if options.suspects or settings.suspects:
        recorded = settings.suspects, settings.suspects_hash
        suspects = read_recorded_suspects(*recorded, options.suspects)
        splits, update["suspects"] = suspects.rank_faces(splits), suspects.path
    check_metric(settings.metric, splits)
    trials = options.trials or settings.trials
    if trials < settings.trials:
        raise UserError(f"--trials {trials}: the study has {settings.trials} already; give more")
    finalists = check_finalists(options.finalists, trials, settings.finalists)
    update |= {"trials": trials, "finalists": finalists}
    return splits, settings.model_copy(update=update)


def show_plan(console: Console, plan: SearchPlan) -> None:
    """Print the search space, the resources, the first trials and three sampled ones."""
    from fer_tune.study.tune.searcher import preview_proposals

    settings = plan.settings
    resources = f"those of the cluster at {plan.ray_address}"
    if plan.ray_address is None:
        resources = str(allocate_resources([detect_machine()], settings.trials, plan.request))
    console.print(f"Study {settings.name}, space {settings.space_name}:")
    console.print(settings.space.to_yaml(), end="", soft_wrap=True)
    console.print(f"Resources: {resources}")
    if settings.finalists:
        again = f"trained again with {len(FURTHER_SEEDS)} further seeds"
        console.print(f"Finalists: {pluralize(settings.finalists, 'best trial')}, {again}.")
    first, sampled = settings.list_untried_first_points(), preview_proposals(settings, 3)
    for title, points in (("First trials:", first), ("Three sampled:", sampled)):
        console.print(title)
        for point in points:
            console.print(f"  {format_parameters(point)}", soft_wrap=True)


# Options whose values are the settings with the same names. The path of the faces is not among
# them: they may have been moved.
_SETTINGS = (
    *("skip_bad", "labels", "epochs", "train_faces"),
    *("metric", "seed", "sampler", "scheduler", "grace", "reduction"),
)


def check_fixed_options(options: Namespace, settings: StudySettings, storage: StudyStorage) -> None:
    """Raise UserError if an option differs from the settings of the study that is resumed."""
    for name in _SETTINGS:
        require_equal(name, getattr(options, name), getattr(settings, name))
    if options.study and f"demo-{options.study}" != settings.name:
        require_equal("study", options.study, settings.name)
    if options.space:
        _check_space(options.space, settings)
    if options.warm_start:
        _check_warm_start(options.warm_start, settings, storage)


def require_equal(name: str, given: object, began_with: object) -> None:
    """Raise UserError if an option differs from what the resumed study began with."""
    if given is None or given == began_with:
        return
    option = f"--{name.replace('_', '-')}" + ("" if given is True else f" {given}")
    is_absent = began_with is None or began_with is False
    setting = "began without it" if is_absent else f"has {began_with}"
    raise UserError(f"{option}: the study {setting}; leave out the option")


def _check_space(name: str, settings: StudySettings) -> None:
    try:
        space = load_space(find_space_file(name))
    except UserError as error:
        raise UserError(f"{error}; or leave out --space, since the study has a copy") from error
    if space != settings.space:
        given, began_with = (each.to_yaml().splitlines() for each in (space, settings.space))
        new = next((line.strip() for line in given if line not in began_with), "fewer lines")
        old = next((line.strip() for line in began_with if line not in given), "no such line")
        raise UserError(f"--space {name} has {new}, and the study has {old}; leave out --space")


def _check_warm_start(names: list[str], settings: StudySettings, storage: StudyStorage) -> None:
    began_with = {trial.study for trial in settings.known}
    # If no trial of a study fitted, the settings do not name the study.
    if unknown := sorted(set(names) - began_with):
        store = open_store(find_store_uri(settings, storage), create=False, needs_write=False)
        unknown = sorted({trial.study for trial in warm_start(store, unknown, settings)[0]})
    if unknown or not began_with <= set(names):
        require_equal("warm_start", " ".join(names), " ".join(sorted(began_with)) or None)
