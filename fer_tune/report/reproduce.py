"""The section on how to reproduce a study."""

import platform
from importlib.metadata import version

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import Section, Table
from fer_tune.tracking import tags

TITLE = "How to reproduce the study"
_LENGTH_SETTINGS = ("train_faces", "epochs", "sampler", "scheduler", "grace", "reduction")
_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy")
NOTE = (
    "The same seed gives the same study on the same machine if one trial runs at a time. Versions "
    "of Python and its packages are those of the machine that made this page."
)


def build_reproduction_section(study: ReportedStudy) -> Section:
    """Return the section: command, search space, seed, versions and the hash of the faces."""
    recorded, settings = study.run.tags, study.run.settings
    rows = [
        ["seed", recorded.get(tags.SEED, "-")],
        ["faces", recorded.get(tags.SOURCE, "-")],
        ["SHA-256 of the faces", study.run.faces_hash],
        *([name, settings.get(name, "-")] for name in _LENGTH_SETTINGS),
        ["metric", study.metric],
        ["fer_tune", recorded.get(tags.CODE_VERSION, "-")],
        ["Python", platform.python_version()],
        *([name, version(name)] for name in _PACKAGES),
    ]
    command = study.command or "(the command is not recorded)"
    code = [command.strip(), study.space.to_yaml().strip()]
    summary = "Run this command on the same faces. Below it is the search space."
    return Section(TITLE, summary, NOTE, tables=[Table(["", ""], rows)], code=code)
