"""The records of a study's trials, built from their events, and the names of trials."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from fer_tune.events import RESUMABLE_ENDINGS, Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.trial_config import BASELINE, TrialConfig, count_steps_per_epoch

# The first trial of every study: the paper's configuration.
BASELINE_TRIAL = 0
# A repeat of trial N with seed S has the number S * NUMBERS_PER_SEED + N, which no trial has.
NUMBERS_PER_SEED = 1_000_000

_MAX_LABEL_PARAMETERS = 4
_SHORT_NAMES = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "weight_decay": "decay",
    "label_smoothing": "smooth",
    "augmentation": "aug",
    "averaging": "ema",
    "self_distillation": "distil",
    "dropout": "drop",
    "convolutions": "convs",
    "hidden_1": "h1",
    "hidden_2": "h2",
    "optimizer": "",  # its values need no name
    "schedule": "",
    "data_plan": "",
    "labels": "",
    "suspect_share": "share",
}


@dataclass
class TrialRecord:
    """One trial, or a repeat of a finalist, from its start to its end.

    number: in its study; 0 is the baseline.
    name: for people; see `format_trial_label`.
    history: the results of the epochs, in order, without repetition.
    ending: None while the trial runs.
    error: the traceback, if the trial failed.
    faces_per_epoch, steps_per_epoch: faces and training steps of an epoch; None if not recorded.
    repeat_of: number of the finalist that a repeat trains again; None for a trial.
    repeats: the repeats of a finalist, in the order of their starts.
    """

    number: int
    name: str
    config: TrialConfig
    history: list[EpochResult] = field(default_factory=list)
    ending: Ending | None = None
    error: str | None = None
    faces_per_epoch: int | None = None
    steps_per_epoch: int | None = None
    repeat_of: int | None = None
    repeats: list["TrialRecord"] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What people call it: `trial 003`, or `finalist 003, seed 2`."""
        if self.repeat_of is None:
            return f"trial {self.number:03d}"
        return f"finalist {self.repeat_of:03d}, seed {self.number // NUMBERS_PER_SEED}"

    def apply_event(self, event: Event) -> None:
        """Update the record by an event of its trial."""
        match event:
            case TrialStarted(faces_per_epoch=faces, steps_per_epoch=steps):
                self.ending = self.error = None
                self.faces_per_epoch = faces or self.faces_per_epoch
                self.steps_per_epoch = steps or self.steps_per_epoch
            case EpochEnded(result=result):
                # If a trial repeats an epoch, the first result counts: the scheduler, the searcher
                # and MLflow have it already.
                if not self.history or result.epoch > self.history[-1].epoch:
                    self.history.append(result)
            case TrialEnded(ending=ending, error=error):
                self.ending, self.error = ending, error

    @property
    def has_final_status(self) -> bool:
        """Whether the trial has ended and cannot be resumed."""
        return self.ending is not None and self.ending not in RESUMABLE_ENDINGS

    def find_best_epoch(self, metric: str) -> EpochResult | None:
        """Return the epoch with the best value of the metric, the trial's score."""
        return find_best_epoch(self.history, metric)

    def find_result(self, metric: str) -> EpochResult | None:
        """Return the best epoch of a completed trial; None if the trial is not completed."""
        return self.find_best_epoch(metric) if self.ending == "finished" else None


def build_trial_started(
    number: int, config: TrialConfig, space: SearchSpace, faces: int | None
) -> TrialStarted:
    """Return the start of a trial of a search.

    faces: faces of an epoch; None if they are not known.
    """
    point = space.extract_point(config.model_dump())
    return TrialStarted(
        number=number,
        name=format_trial_label(number, point),
        config=config,
        absent=tuple(name for name in space.parameters if name not in point),
        faces_per_epoch=faces,
        steps_per_epoch=count_steps_per_epoch(faces, config) if faces else None,
    )


class TrialRecords:
    """An observer that keeps a record of each trial of a study, and of its repeats.

    events: those so far.
    metric: saves memory: all epochs except the best by this metric keep no other metric, and no
        confusion matrix.
    """

    def __init__(self, events: Iterable[Event] = (), metric: str | None = None) -> None:
        self._metric, self._records = metric, dict[int, TrialRecord]()
        for event in events:
            self.on_event(event)

    def __getitem__(self, number: int) -> TrialRecord:
        return self._records[number]

    def to_list(self) -> list[TrialRecord]:
        """Return the trials, sorted by number, without repeats."""
        return [each for _, each in sorted(self._records.items()) if each.repeat_of is None]

    def list_repeats(self) -> list[TrialRecord]:
        """Return the repeats of the finalists, seed by seed."""
        return [each for _, each in sorted(self._records.items()) if each.repeat_of is not None]

    def on_event(self, event: Event) -> None:
        if isinstance(event, TrialStarted) and event.number not in self._records:
            record = TrialRecord(event.number, event.name, event.config, repeat_of=event.repeat_of)
            self._records[event.number] = record
            if event.repeat_of is not None:
                self._records[event.repeat_of].repeats.append(record)
        record = self._records[event.number]
        record.apply_event(event)
        if isinstance(event, EpochEnded) and self._metric:
            best = record.find_best_epoch(self._metric)
            for index, result in enumerate(record.history):
                if len(result.metrics) > 1 and result is not best:
                    kept = {self._metric: result.metrics[self._metric]}
                    record.history[index] = replace(result, metrics=kept, confusion=())


def format_trial_label(number: int, point: Mapping[str, object]) -> str:
    """Return a trial's name, such as `007 lr 3.1e-4 depth 4`, or `000 baseline`.

    After the number come up to four parameters that differ from the baseline's.

    point: the parameters that the space varies, with the trial's values.
    """
    words = [f"{number:03d}"]
    if number == BASELINE_TRIAL:
        return " ".join([*words, "baseline"])
    changed = {name: value for name, value in point.items() if value != getattr(BASELINE, name)}
    for name, value in islice((changed or point).items(), _MAX_LABEL_PARAMETERS):
        words.append(f"{_SHORT_NAMES.get(name, name)} {_format_short_value(value)}".strip())
    return " ".join(words)


def format_parameters(point: Mapping[str, object]) -> str:
    """Return parameters as text, such as `learning_rate=0.0001 depth=3`."""
    return " ".join(f"{name}={format_value(value)}" for name, value in point.items())


def format_value(value: object) -> str:
    """Return a value as text, a float with three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _format_short_value(value: object) -> str:
    """Return a value in as few letters as possible, a float with two significant digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.2g}"
    if "e" not in text and (value == 0 or abs(value) >= 0.01):
        return text
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
