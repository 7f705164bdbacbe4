"""The addresses of tracking stores, as the user names them."""

from pathlib import Path

DEFAULT_DATABASE = Path("mlruns/mlflow.db")


def resolve_tracking_uri(uri: str | None) -> str:
    """Return the address of the store that `open_store` opens for `uri`, as MLflow takes it."""
    database = find_local_database(uri)
    return f"sqlite:///{database.absolute()}" if database else str(uri)


def find_local_database(uri: str | None) -> Path | None:
    """Return the database file of a local store; None for a server or a database on one."""
    if uri is None or ":" not in uri:
        return Path(uri or DEFAULT_DATABASE.parent) / DEFAULT_DATABASE.name
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
