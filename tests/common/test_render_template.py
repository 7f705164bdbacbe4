from pathlib import Path

import pytest
from jinja2 import UndefinedError

from fer_tune.common.render_template import render_template


@pytest.mark.parametrize(("suffix", "expected"), [(".html", "a &lt; b\n"), (".md", "a < b\n")])
def test_values_are_escaped_in_html_only(tmp_path: Path, suffix: str, expected: str) -> None:
    template = tmp_path / f"page{suffix}"
    template.write_text("{% if text %}\n{{ text }}\n{% endif %}\n")
    assert render_template(template, text="a < b") == expected


def test_a_value_that_is_not_given_is_an_error(tmp_path: Path) -> None:
    template = tmp_path / "page.md"
    template.write_text("{{ text }}")
    with pytest.raises(UndefinedError, match="text"):
        render_template(template)
