"""How files are written is found out: format, compression, encoding, dialect, and where the rows begin."""

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operations.exceptions import SampleError
from operations.new_use_case.columns import columns_of, missing_texts
from operations.new_use_case.dialect import Dialect
from operations.new_use_case.file_rows import MOST_ROWS
from operations.new_use_case.files import find_files
from operations.new_use_case.problems import Findings
from operations.new_use_case.sample import Sample, read_samples

ROWS = [("a1", f"2024-01-0{n % 9 + 1}", f"{n}.5", "north" if n % 2 else "south") for n in range(40)]


def sample_of(*paths: Path) -> Sample:
    (sample,) = samples_of(*paths)
    return sample


def samples_of(*paths: Path) -> list[Sample]:
    findings = Findings()
    found = read_samples(find_files(paths, findings), findings)
    findings.stop_at_problems()
    return found


def problems_of(*paths: Path) -> list[str]:
    with pytest.raises(SampleError) as error:
        samples_of(*paths)
    return error.value.problems


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def csv_text(separator: str = ",", quote: str = "", header: str = "id,day,size,side") -> str:
    lines = [header.replace(",", separator)] if header else []
    lines += [separator.join(f"{quote}{field}{quote}" for field in row) for row in ROWS]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (csv_text(), {}),
        (csv_text(";"), {"separator": ";"}),
        (csv_text("\t"), {"separator": "\t"}),
        (csv_text("|", '"'), {"separator": "|"}),
        (csv_text(";", "'"), {"separator": ";", "quote": "'"}),
        ("Report of May\nmade by hand\n" + csv_text(), {"skip_lines": 2}),
        ("# made by hand\n# twice\n" + csv_text(), {"comment": "#"}),
        (csv_text(header=""), {"header": False, "names": ("column_1", "column_2", "column_3", "column_4")}),
        (csv_text().replace("north", '"no\\"rth"'), {"escape": "\\"}),
    ],
)
def test_the_dialect_of_a_csv_file_is_found(tmp_path: Path, text: str, dialect: dict[str, object]) -> None:
    sample = sample_of(written(tmp_path / "rows.csv", text))
    assert sample.dialect == Dialect(**{"names": ("id", "day", "size", "side"), **dialect})  # type: ignore[arg-type]
    assert sample.table.num_rows == 40 and sample.whole
    assert sample.table.column(2).to_pylist() == [row[2] for row in ROWS]
    line = text.splitlines()[sample.parts[0].first_line - 1]
    assert "2024-01-01" in line and "0.5" in line


def test_a_file_without_header_has_names_from_what_stands_above_its_columns(tmp_path: Path) -> None:
    rows = "".join(f"2022;0{n}001;{n}.70{n},5;2{n},3\r\n" for n in range(1, 9))
    above = "Tabelle 1: Einkommen;;;\r\n;;Einkommen je Kopf;Anteil\r\n;;EUR;Prozent\r\n"
    sample = sample_of(written(tmp_path / "rows.csv", above + rows, "latin-1"))
    assert (sample.dialect.skip_lines, sample.dialect.header, sample.dialect.separator) == (3, False, ";")
    assert sample.names == ["column_1", "column_2", "Einkommen je Kopf EUR", "Anteil Prozent"]
    columns, style = columns_of(sample)
    assert (style.decimal, style.thousands) == (",", ".")
    assert columns["column_2"].kind == "string"  # codes with a leading zero stay texts
    assert columns["Einkommen je Kopf EUR"].row_numbers[:2].tolist() == [1701.5, 2702.5]


def test_a_first_row_with_marks_for_gaps_is_a_row(tmp_path: Path) -> None:
    rows = "".join(
        f"{n};0{n % 9 + 1}.02.2023;{'k.A.' if n % 13 == 1 else n};{'-' if n == 1 else n * 7}\n" for n in range(1, 90)
    )
    sample = sample_of(written(tmp_path / "rows.csv", "Nummer;Tag;Fläche;Preis\n" + rows))
    assert sample.names == ["Nummer", "Tag", "Fläche", "Preis"] and sample.table.num_rows == 89


def test_a_spreadsheets_mark_stands_before_comments_too(tmp_path: Path) -> None:
    rows = "".join(f"{n};{n},5;x\r\n" for n in range(40))
    text = "\ufeff# exported\r\n# today\r\nnumber;value;value\r\n" + rows
    sample = sample_of(written(tmp_path / "rows.csv", text))
    assert (sample.dialect.comment, sample.dialect.skip_lines) == ("#", 3), "lines of the file, as the lake counts them"
    assert sample.table["number"].to_pylist()[:2] == ["0", "1"] and sample.table.num_rows == 40


def test_columns_that_share_a_name_are_told_apart_by_their_places(tmp_path: Path) -> None:
    rows = "".join(f"{n};{n}.5;x\n" for n in range(40))
    sample = sample_of(written(tmp_path / "rows.csv", "value;value;side\n" + rows))
    assert (sample.names, sample.dialect.header, sample.dialect.skip_lines) == (["value", "value 2", "side"], False, 1)


def test_row_numbers_without_a_name_in_the_header_are_a_column(tmp_path: Path) -> None:
    rows = "".join(f'"{n}","2015-02-02 14:{n % 60:02}:00",23.{n},{n % 2}\n' for n in range(1, 80))
    sample = sample_of(written(tmp_path / "room.txt", '"date","Temperature","Occupancy"\n' + rows))
    assert sample.names == ["column_1", "date", "Temperature", "Occupancy"] and sample.table.num_rows == 79
    assert (sample.dialect.header, sample.dialect.skip_lines) == (False, 1)


@pytest.mark.parametrize(
    ("encoding", "text", "found"),
    [
        ("utf-8", "Größe,Straße", "utf-8"),
        ("latin-1", "Größe,Straße", "latin-1"),
        ("cp1252", "Größe in €,Straße", "cp1252"),
        ("utf-16", "Größe,Straße", "utf-16"),
        ("cp1251", "Улица Ленина,Площадь Победы", "cp1251"),
    ],
)
def test_the_encoding_is_found(tmp_path: Path, encoding: str, text: str, found: str) -> None:
    lines = [f"{number},{text}" for number in range(200)]
    sample = sample_of(written(tmp_path / "rows.csv", "number,one,two\n" + "\n".join(lines) + "\n", encoding))
    assert sample.dialect.encoding == found
    assert sample.table["one"][0].as_py() == text.split(",")[0]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.zst", ".csv.zip"])
def test_packed_files_are_read_like_plain_ones(tmp_path: Path, ending: str) -> None:
    path, content = tmp_path / f"rows{ending}", csv_text().encode()
    if ending.endswith("gz"):
        path.write_bytes(gzip.compress(content))
    elif ending.endswith("zst"):
        path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    elif ending.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("rows.csv", content)
    else:
        path.write_bytes(content)
    sample = sample_of(path)
    assert sample.table["size"].to_pylist() == [row[2] for row in ROWS] and sample.files[0].ending == ending


def test_json_lines_documents_and_parquet_are_tables_too(tmp_path: Path) -> None:
    records = [{"id": id_, "size": float(size), "wet": side == "north", "gap": None} for id_, _, size, side in ROWS]
    lines = written(tmp_path / "rows.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    document = written(tmp_path / "rows.json", json.dumps({"meta": {"n": 40}, "data": {"items": records}}))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "rows.parquet")
    from_lines, from_document, from_parquet = (sample_of(path) for path in (lines, document, tmp_path / "rows.parquet"))
    assert from_document.records == "data.items"
    for sample in (from_lines, from_document, from_parquet):
        assert sample.names == ["id", "size", "wet", "gap"]
        columns, _ = columns_of(sample)
        assert [columns[name].kind for name in sample.names] == ["string", "float", "bool", "empty"]


def test_files_with_the_same_columns_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    for number in range(5):
        written(folder / f"part-{number}.csv", csv_text())
    written(folder / ".hidden.csv", "something,else\n1,2\n")
    written(tmp_path / "truth.csv", "id,left\na1,yes\na2,no\n")
    rows, truth = samples_of(folder, tmp_path / "truth.csv")
    assert len(rows.files) == 5 and rows.whole and rows.table.num_rows == 200
    assert truth.names == ["id", "left"]
    monkeypatch.setattr("operations.new_use_case.sample.MOST_FILES", 4)
    (rows,) = samples_of(folder)
    assert len(rows.files) == 5 and not rows.whole and rows.table.num_rows == 120


def test_of_a_large_file_start_middle_and_end_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.new_use_case.sample.MOST_BYTES", 30_000)
    lines = [f"{number},{'quoted' if number % 7 else 'x' * 90}" for number in range(20_000)]
    sample = sample_of(written(tmp_path / "rows.csv", "number,text\n" + "\n".join(lines) + "\n"))
    numbers = [int(text) for text in sample.table["number"].to_pylist()]
    assert not sample.whole and numbers[0] == 0 and numbers[-1] == 19_999
    assert any(9_000 < number < 11_000 for number in numbers) and len(numbers) < 5_000


def test_at_most_so_many_rows_are_kept(tmp_path: Path) -> None:
    sample = sample_of(written(tmp_path / "rows.csv", "n,m\n" + "".join(f"{n},1\n" for n in range(MOST_ROWS + 3_000))))
    assert MOST_ROWS - 3 <= sample.table.num_rows <= MOST_ROWS and not sample.whole


def test_texts_that_mean_nothing_are_found_in_columns_of_numbers_and_of_words(tmp_path: Path) -> None:
    text = "a,b,c\n" + "".join(f"{n if n % 5 else '?'},{n}.5,{'NA' if n % 9 == 0 else 'word'}\n" for n in range(90))
    columns, _ = columns_of(sample_of(written(tmp_path / "rows.csv", text)))
    assert columns["a"].kind == "int" and columns["a"].missing == 18
    assert columns["c"].missing == 10 and columns["c"].values == ("word",)
    assert set(missing_texts(list(columns.values()))) == {"?", "NA"}


def test_a_row_s_place_is_its_own_file_and_line(tmp_path: Path) -> None:
    one = written(tmp_path / "a.csv", csv_text().replace("north", '"no\nrth"'))
    other = written(tmp_path / "b.csv", csv_text())
    sample = sample_of(one, other)
    assert sample.where(0) == f"{one}, line 2" and sample.where(3) == f"{one}, line 6"
    assert sample.where(41) == f"{other}, line 3"


def test_files_of_a_table_in_two_encodings_are_refused(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.csv", csv_text())
    west = written(tmp_path / "b.csv", csv_text().replace("north", "größe"), "latin-1")
    assert sample_of(plain, west).dialect.encoding == "latin-1"
    other = written(tmp_path / "c.csv", csv_text().replace("north", "größe"))
    assert f"{other}: is written in utf-8, and other files of the same table in latin-1" in problems_of(west, other)[0]


def test_everything_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.csv", "")
    bare = written(tmp_path / "bare.csv", "a,b,c\n")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(bytes(range(256)) * 20)
    book = tmp_path / "book.csv"
    book.write_bytes(b"PK\x03\x04" + b"x" * 100)
    broken = written(tmp_path / "broken.jsonl", '{"a": 1}\n{"a": \n')
    problems = problems_of(empty, bare, binary, book, broken, tmp_path / "gone.csv")
    assert f"{empty}: is empty; a sample with a header and rows is needed" in problems
    assert f"{bare}: has a header and no rows; a sample with rows is needed" in problems
    assert any(str(binary) in one and "NUL bytes" in one for one in problems)
    assert any(str(book) in one and "Excel workbook" in one for one in problems)
    assert any(str(broken) in one and "cannot be read as jsonl" in one for one in problems)
    assert any("gone.csv: there is no such file" in one for one in problems)


def test_thousands_of_columns_are_refused_with_the_line(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(5_000))
    (problem,) = problems_of(written(tmp_path / "wide.csv", names + "\n" + ",".join("1" * 5_000) + "\n"))
    assert "wide.csv, line 1: has 5,000 columns, and up to 2,000 can be read" in problem


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    path.write_bytes(bytes((n * 7919) % 255 + 1 for n in range(20_000)))
    (problem,) = problems_of(path)
    assert "is no text, though its name says so" in problem
