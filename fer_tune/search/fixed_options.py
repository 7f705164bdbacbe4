"""The options that a resumed study cannot change: if they are given, their values must be equal."""

from fer_tune.common.errors import UserError
from fer_tune.search.options import SearchOptions
from fer_tune.search.study_store import find_store_uri
from fer_tune.search.warm_start import warm_start
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.tracking.store import open_store

# Options whose values are the settings with the same names. The path of the faces is not among
# them: they may have been moved.
_SETTINGS = (
    *("skip_bad", "labels", "epochs", "train_faces"),
    *("metric", "seed", "scheduler", "grace", "reduction"),
)


def check_fixed_options(
    options: SearchOptions, settings: StudySettings, storage: StudyStorage
) -> None:
    """Raise UserError if an option differs from the settings of the study that is resumed."""
    for name in _SETTINGS:
        _require_equal(name, getattr(options, name), getattr(settings, name))
    if options.study and f"demo-{options.study}" != settings.name:
        _require_equal("study", options.study, settings.name)
    if options.space:
        _check_space(options.space, settings)
    if options.warm_start:
        _check_warm_start(options.warm_start, settings, storage)


def _require_equal(name: str, given: object, began_with: object) -> None:
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
        _require_equal("warm_start", " ".join(names), " ".join(sorted(began_with)) or None)
