"""How to repeat a study."""

import platform
from importlib.metadata import version

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import Section, Table
from fer_tune.tracking import tags

TITLE = "How to repeat it"
_LENGTH_SETTINGS = ("epochs", "scheduler", "grace", "reduction")
_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy")
NOTE = (
    "The same seed gives the same study on the same machine as long as one trial runs at a time. "
    "The versions of Python and its packages are of where this page was made."
)


def build_reproduction_section(study: ReportedStudy) -> Section:
    """Command, seed, versions and the hash of the faces."""
    told, settings = study.run.tags, study.run.settings
    rows = [
        ["seed", told.get(tags.SEED, "-")],
        ["faces", told.get(tags.SOURCE, "-")],
        ["SHA-256 of the faces", study.run.faces_hash],
        [
            "; ".join(_LENGTH_SETTINGS),
            "; ".join(settings.get(name, "-") for name in _LENGTH_SETTINGS),
        ],
        ["searched by", study.metric],
        ["fer_tune", told.get(tags.CODE_VERSION, "-")],
        ["Python", platform.python_version()],
        *([name, version(name)] for name in _PACKAGES),
    ]
    words = "Run this on the same faces, with the search space below it."
    command = study.command or "(the command is not recorded)"
    code = [command.strip(), study.space.to_yaml().strip()]
    return Section(TITLE, words, NOTE, tables=[Table(["", ""], rows)], code=code)
