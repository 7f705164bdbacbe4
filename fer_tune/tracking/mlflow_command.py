"""MLflow's own commands, as the user types them."""

import shlex

from fer_tune.common.cli import find_command
from fer_tune.common.safe_text import hide_passwords


def format_mlflow_command(uri: str, *arguments: str) -> str:
    """Return the shell command that runs MLflow with these arguments on the store at `uri`."""
    shown = hide_passwords(uri)
    advice = "" if shown == uri else " (write your user and password for ***)"
    command = shlex.join((find_command("mlflow"), *arguments))
    return f"MLFLOW_TRACKING_URI={shlex.quote(shown)} {command}{advice}"
