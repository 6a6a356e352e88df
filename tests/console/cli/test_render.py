"""Tables in a terminal stay readable, however many columns they have."""

from console.cli.render import console, rows_of


def printed(columns: int, rows: int) -> list[str]:
    header = [f"column_{number}" for number in range(columns)]
    with console.capture() as shown:
        for part in rows_of(header, [[f"{row}.{number}" * 9 for number in range(columns)] for row in range(rows)]):
            console.print(part)
    return [line.rstrip() for line in shown.get().splitlines()]


def test_a_table_that_fits_is_a_table() -> None:
    assert [line.split() for line in printed(2, 2)] == [
        ["column_0", "column_1"], ["0.0" * 9, "0.1" * 9], ["1.0" * 9, "1.1" * 9]
    ]  # fmt: skip


def test_a_table_that_would_be_splintered_is_shown_row_by_row() -> None:
    lines = printed(25, 2)
    assert len(lines) == 2 * (1 + 25) and lines[0] == "row 1" and lines[26] == "row 2"
    assert lines[27].split() == ["column_0", "1.0" * 9]
