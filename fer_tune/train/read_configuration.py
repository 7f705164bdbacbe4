"""The configuration to train: from a file, from a trial and from single values."""

from argparse import Namespace
from pathlib import Path

from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.study.search_space.load_space import find_value_errors, parse_yaml
from fer_tune.study.search_space.parameters import Choice, Point, make_choices
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.tracking.choose_trial import choose_trial
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.store import Store, open_store
from fer_tune.trial_config import BASELINE, TrialConfig


def read_configuration(args: Namespace) -> TrialConfig:
    """Return the configuration that the options of `train` describe.

    What they leave out is the baseline's.
    Raises UserError for a name or a value that no trial can have.
    """
    values: Point = BASELINE.model_dump()
    if args.config:
        values |= _read_values(args.config)
    if args.origin:
        store = open_store(args.tracking_uri, create=False, needs_write=False)
        values = _read_trial(store, args.origin).model_dump()
    for text in args.set:
        name, sign, value = text.partition("=")
        if not sign:
            raise UserError(f"--set {text}: write NAME=VALUE, such as learning_rate=3e-4")
        values |= _check({name.strip(): parse_yaml(value, f"--set {text}")}, "--set")
    return TrialConfig.model_validate(values)


def _read_values(path: Path) -> Point:
    with explain_os_errors(f"--config {path} cannot be read"):
        text = path.read_bytes().decode(errors="replace")
    content = parse_yaml(text, str(path))
    if not isinstance(content, dict):
        raise UserError(f"{path}: needs lines such as learning_rate: 3e-4")
    return _check(content, str(path))


def _check(values: Point, source: str) -> Point:
    for error in find_value_errors(values):
        raise UserError(f"{source}: {error}")
    return values


def _read_trial(store: Store, origin: str) -> TrialConfig:
    name, _, number = origin.partition(":")
    if number and not number.isdecimal():
        raise UserError(f"--from {origin}: write STUDY:TRIAL, such as faces:7")
    return choose_trial(store, find_study(store, name), int(number) if number else None).config


def build_space(config: TrialConfig) -> SearchSpace:
    """Return the space of a study whose only trial has this configuration.

    It has the values that differ from the baseline's, since a space contains the baseline.
    """
    changed = config.model_dump(exclude_defaults=True)
    only = Choice(type="choice", values=(BASELINE.learning_rate,))
    parameters = make_choices(changed) or {"learning_rate": only}
    first_trials = (changed,) if changed else ()
    return SearchSpace(parameters=parameters, fixed={}, first_trials=first_trials)
