"""Search spaces read from YAML: search_spaces/*.yaml, or a user's own file."""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from fer_tune.common.errors import UserError
from fer_tune.common.validation_errors import format_validation_error
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.study.search_space.validate_space import find_space_errors
from fer_tune.study.search_space.yaml_loader import parse_yaml

_PACKAGE_DIR = Path(__file__).parents[2]
# In a checkout, and inside an installed wheel.
SPACE_DIRS = (_PACKAGE_DIR.parent / "search_spaces", _PACKAGE_DIR / "search_spaces")

_MAX_BYTES = 1 << 20  # reading a fer2013.csv as YAML by mistake would take an hour

# Replace pydantic's messages, which name its own types.
_MESSAGES = {
    "union_tag_not_found": "its type is missing: float, int or choice",
    "union_tag_invalid": "its type is none of float, int and choice",
}


def find_space_file(name: str) -> Path:
    """Return the file of a search space.

    name: a path, or the name of a space in search_spaces/.

    Raises UserError if no file has this name.
    """
    candidates = [Path(name), *(folder / f"{name}.yaml" for folder in SPACE_DIRS)]
    for path in candidates:
        with suppress(OSError):  # such as a name too long
            if path.is_file():
                return path
    known = sorted({path.stem for folder in SPACE_DIRS for path in folder.glob("*.yaml")})
    raise UserError(f"no search space {name}: give a YAML file or one of {', '.join(known)}")


def load_space(path: Path) -> SearchSpace:
    """Load and validate a search space.

    Raises UserError with one line that names the file, the key and the value.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: too large for a search space, a few lines of YAML")
        return parse_space(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def parse_space(text: str, source: str) -> SearchSpace:
    """Parse and validate a search space in YAML.

    source: the name of the text in errors.

    Raises UserError if the text is no valid search space.
    """
    content = parse_yaml(text, source)
    if not isinstance(content, dict):
        raise UserError(f"{source}: has no `parameters:`")
    try:
        space = SearchSpace.model_validate(content)
    except ValidationError as error:
        raise UserError(
            f"{source}: {format_validation_error(error, _MESSAGES, limit=1)}"
        ) from error
    if errors := find_space_errors(space):
        raise UserError(f"{source}: {errors[0]}")
    return space
