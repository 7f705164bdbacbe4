import pytest

from fer_tune.common.cli import format_command_line
from fer_tune.common.safe_text import hide_passwords, pluralize


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 trial"), (2, "2 trials"), (0.25, "0.25 trials"), (1.0, "1 trial"), (12345, "12,345 t")],
)
def test_a_noun_is_in_the_plural_unless_there_is_one(count: float, text: str) -> None:
    assert pluralize(count, "trial").startswith(text)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:secret@host:5000", "http://***@host:5000"),
        ("http://:se/c:r@et@host", "http://***@host"),
        ("https://token@host/path", "https://***@host/path"),
        ("postgresql://host/runs?user=me&password=secret&a=b", "password=***&a=b"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("models:/fer@champion", "models:/fer@champion"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, shown: str) -> None:
    assert hide_passwords(address).endswith(shown)


def test_the_arguments_after_an_address_with_a_password_stay_in_the_command_line() -> None:
    typed = ["--tracking-uri", "http://me:secret@host:5000", "--model", "models:/fer@champion"]
    line = format_command_line("fer_tune.predict", typed)
    assert "secret" not in line
    assert line.endswith("host:5000' --model models:/fer@champion")
