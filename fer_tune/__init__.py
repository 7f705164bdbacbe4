"""A distributed hyperparameter study of small face-expression CNNs.

The names below are the Python API. `fer_tune.python_api` is imported at the first use of one,
because it needs large libraries.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_tune.python_api import (
        Study,
        UserError,
        list_studies,
        load_faces,
        load_model,
        load_study,
        run_study,
    )

__all__ = [
    "Study",
    "UserError",
    "list_studies",
    "load_faces",
    "load_model",
    "load_study",
    "run_study",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # with it, mypy would take every name for one of this module

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("fer_tune.python_api"), name)
