"""Plain lines are split as Spark's parser would split them, and lines that are not plain are left to it."""

import json
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.bronze.admission import Layout
from lakehouse.bronze.extra_values import extra_values
from lakehouse.bronze.odd_lines import odd_rows, read_lines
from lakehouse.bronze.plain_lines import plain_fields

FIELDS = 3
COLUMNS = tuple(f"c{position}" for position in range(FIELDS))
PIECES = ["a", "1", "é", " ", "\t", "\\", "'", "#", "null", "NaN", "0", "\u2028", "\x1a", "\ufeff", ""]


def lines(count: int) -> list[str]:
    """Lines as files have them, some of them with a quote, a separator or a field more than they should."""
    choice = random.Random(5)

    def text() -> str:
        inside = "".join(choice.choices(PIECES, k=choice.randrange(4)))
        kind = choice.randrange(12)
        if kind < 5:
            return inside
        if kind < 9:
            return f'"{inside}"'
        odd = [f'"{inside};{inside}"', f'"{inside}""{inside}"', f'{inside}"', f'"{inside}"x', f' "{inside}"', '"']
        return choice.choice(odd)

    made = [";".join(text() for _ in range(choice.choice([FIELDS] * 8 + [2, 4]))) for _ in range(count)]
    return [line for line in made if line]


def test_plain_lines_have_the_fields_that_spark_finds_in_them(spark: SparkSession, tmp_path: Path) -> None:
    delivered = lines(4_000)
    found = [plain_fields(f"{line}\n".encode(), ";", FIELDS) for line in delivered]
    plain = {number: table.to_pylist()[0] for number, table in enumerate(found, 2) if table is not None}
    (tmp_path / "000000000002.00000001.0").write_text("".join(f"{line}\n" for line in delivered), encoding="utf-8")
    rows = odd_rows(read_lines(spark, [str(tmp_path)]), Layout(COLUMNS), COLUMNS, ";", ["file"], 1).collect()
    by_spark = {row["_line"]: row for row in rows}
    for number, fields in plain.items():
        row = by_spark[number]
        assert (row["_flaw"], {c: row[c] for c in COLUMNS}) == (None, fields), delivered[number - 2]
    assert len(plain) > 1_000
    quoted = sum('"' in delivered[number - 2] for number in plain)
    flawed = [line for line, row in by_spark.items() if row["_flaw"]]
    assert quoted > 500 and len(flawed) > 500 and not plain.keys() & set(flawed)


def test_columns_that_the_contract_does_not_name_are_the_same_json_either_way(
    spark: SparkSession, tmp_path: Path
) -> None:
    header = ("c0", 'other "\u00e4"', "more")
    (tmp_path / "000000000002.00000001.0").write_text("".join(f"{line}\n" for line in lines(2_000)), encoding="utf-8")
    rows = odd_rows(read_lines(spark, [str(tmp_path)]), Layout(header), ("c0",), ";", ["file"], 1).collect()
    by_spark = {row["_line"]: row["_extra"] for row in rows}
    compared = 0
    for number, line in enumerate(lines(2_000), 2):
        fields = plain_fields(f"{line}\n".encode(), ";", FIELDS)
        if fields is not None:
            (text,) = extra_values({header[1]: fields["c1"], header[2]: fields["c2"]}).to_pylist()
            assert json.loads(text) == json.loads(by_spark[number]), line
            compared += 1
    assert compared > 500


def test_lines_together_are_plain_if_each_of_them_is() -> None:
    delivered = [f"{line}\n" for line in lines(300)]
    plain = [line for line in delivered if plain_fields(line.encode(), ";", FIELDS) is not None]
    whole = plain_fields("".join(plain).encode(), ";", FIELDS)
    assert whole is not None
    each = [table.to_pylist()[0] for line in plain if (table := plain_fields(line.encode(), ";", FIELDS))]
    assert whole.to_pylist() == each
    for line in sorted({line for line in delivered if line not in plain}):
        assert plain_fields("".join([plain[0], line, plain[1]]).encode(), ";", FIELDS) is None, line


@pytest.mark.parametrize(
    "data",
    [b"a;b\n\nc;d\n", b"\na;b\n", b"a;b", b"a;b\rc;d\n", b"a;\0\n", b"\xef\xbb\xbfa;b\n", b"a;\xff\n", b'"a;b\nc";d\n',
     b'a;";\nb;c"d"\n', b"a;b;c\n", b"a\n", b"a;" + b"x" * (9 << 20) + b"\n"],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_not_plain(data: bytes) -> None:
    assert plain_fields(data, ";", 2) is None


def test_a_line_of_one_field_or_another_separator_than_one_byte_is_not_plain() -> None:
    assert plain_fields(b"a\nb\n", ";", 1) is None
    assert plain_fields("a§b\n".encode(), "§", 2) is None
