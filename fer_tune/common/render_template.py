"""Texts with blanks to fill in: pages in HTML, and Markdown."""

from pathlib import Path


def render_template(path: Path, **values: object) -> str:
    """Return the text of a Jinja template with these values; in HTML, they are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=path.suffix == ".html",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(path.name).render(values)
