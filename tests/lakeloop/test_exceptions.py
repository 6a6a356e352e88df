"""What is said of errors of any kind."""

from lakeloop.exceptions import first_line


def test_an_error_is_told_in_one_line_even_where_it_says_nothing() -> None:
    assert first_line(ValueError("\nno table\nat all")) == "no table"
    assert first_line(OSError("x" * 300)) == "x" * 200
    assert [first_line(ConnectionError(text)) for text in ("", " \n ")] == ["ConnectionError"] * 2
