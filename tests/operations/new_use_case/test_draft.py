"""What a table's columns are is found out, and what stands in the way of a draft is told."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from operations.exceptions import SampleError
from operations.new_use_case.draft import Draft, Wishes, look

HOURS = pd.date_range("2023-01-01", periods=6_000, freq="h")


def trips(rows: int = 6_000, **more: object) -> pd.DataFrame:
    """Trips by the hour over eight months; the fare and the wind decide whether they are late."""
    random = np.random.default_rng(0)
    fare, wind = random.gamma(2, 10, rows).round(2), random.normal(20, 5, rows).round(1)
    score = fare / 20 + wind / 10 + random.normal(0, 0.7, rows)
    return pd.DataFrame(
        {
            "trip": [f"t{n:05d}" for n in range(rows)],
            "started": HOURS[:rows].strftime("%Y-%m-%d %H:%M:%S"),
            "Fare Amount": fare,
            "wind": wind,
            "district": random.choice(["0101", "0202", "0303"], rows),
            "zone": random.integers(1, 6, rows),
            "late": np.where(score > 3.4, "yes", "no"),
        }
    ).assign(**more)


def drafted(tmp_path: Path, frame: pd.DataFrame, label: str = "late", **wishes: object) -> Draft:
    path = tmp_path / "trips.csv"
    frame.to_csv(path, index=False)
    return look([path], Wishes(label, **wishes))  # type: ignore[arg-type]


def problems_of(tmp_path: Path, frame: pd.DataFrame, label: str = "late", **wishes: object) -> list[str]:
    with pytest.raises(SampleError) as error:
        drafted(tmp_path, frame, label, **wishes)
    return error.value.problems


def words_of(draft: Draft) -> dict[str, dict[str, object]]:
    return {one.column: one.words for one in draft.features}


def test_a_tables_columns_become_what_they_are(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips())
    assert draft.key.columns == ("trip",)
    assert draft.time is not None and (draft.time.name, draft.time.format, draft.period) == (
        "started", "timestamp", "month"
    )  # fmt: skip
    assert [one.name for one in draft.label.classes] == ["no", "yes"]
    words = words_of(draft)
    assert list(words) == ["started", "Fare Amount", "wind", "district", "zone"]
    assert words["started"] == {
        "type": "timestamp", "role": "time", "parts": ["hour", "weekday"], "example": "2023-05-06T00:00:00"
    }  # fmt: skip
    assert draft.table.names["Fare Amount"] == "fare_amount"
    assert words["Fare Amount"]["role"] == "numeric" and words["Fare Amount"]["valid"][0] == 0  # type: ignore[index]
    assert (words["district"]["type"], words["district"]["role"]) == ("string", "categorical")
    assert (words["zone"]["type"], words["zone"]["role"]) == ("int", "categorical")


def test_dates_and_times_are_taken_in_parts_unless_they_come_later(tmp_path: Path) -> None:
    born, booked = HOURS - pd.Timedelta(days=9000), HOURS - pd.Timedelta(hours=30)
    frame = trips(
        born=born.strftime("%d.%m.%Y"), booked=booked.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ended=(HOURS + pd.Timedelta(minutes=20)).strftime("%Y-%m-%d %H:%M:%S"),
        birthday=(HOURS - pd.Timedelta(days=25000)).strftime("%m/%d/%Y"), until=["9999-12-31", "2024-01-31"] * 3000,
        opened=(born.astype("int64") // 10**9).astype(str), valid_to=(born + pd.Timedelta(days=10)).strftime("%m/%Y"),
    )  # fmt: skip
    frame.loc[::5, "booked"] = None
    draft = drafted(tmp_path, frame, time="started", key=("trip",))
    words, left_out = words_of(draft), {one.column: one.why for one in draft.left_out}
    assert words["born"] == {
        "type": "date", "role": "time", "parts": ["age_days"], "format": "%d.%m.%Y", "example": "1998-09-14"
    }  # fmt: skip
    assert (words["booked"]["type"], words["booked"]["missing"]) == ("timestamp", "category")
    assert words["booked"]["parts"] == ["age_days", "hour", "weekday", "month"], "hours before, not years"
    assert words["opened"]["format"] == "unix_seconds" and "missing" not in words["opened"]
    assert left_out["ended"].startswith("is later than `started` in 100.0% of the rows, so it is not known then")
    assert "says no day" in left_out["valid_to"]
    assert words["birthday"]["format"] == "%m/%d/%Y", "of a year before there were seconds to count from"
    assert words["until"]["role"] == "categorical", "half of it is no time that could be told from others"
    kept = words_of(drafted(tmp_path, frame, time="started", key=("trip",), keep=("ended",)))
    assert kept["ended"]["role"] == "time"


def test_gaps_say_what_the_model_gets_and_flag_numbers(tmp_path: Path) -> None:
    frame = trips()
    frame.loc[::10, "wind"] = np.nan
    frame.loc[::7, "district"] = None
    words = words_of(drafted(tmp_path, frame))
    assert words["wind"]["missing"] == "median" and words["wind"]["missing_flag"] is True
    assert words["district"]["missing"] == "category" and "missing" not in words["zone"]


def test_constants_identifiers_and_empty_columns_are_left_out_with_the_reason(tmp_path: Path) -> None:
    frame = trips(source="web", note=None, user_id=np.arange(6_000) * 7 % 6_001)
    left_out = {one.column: one.why for one in drafted(tmp_path, frame, key=("trip",)).left_out}
    assert left_out["source"] == "is 'web' in every row" and left_out["note"] == "has no value in any row"
    assert "looks like an identifier" in left_out["user_id"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("%Y-%m-%d", "date"), ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"), ("%m/%d/%Y", "%m/%d/%Y"),
        ("%Y-%m-%dT%H:%M:%SZ", "timestamp"), ("%Y%m%d", "%Y%m%d"), ("%Y-%m", "period"), ("%b %d, %Y", "%b %d, %Y"),
    ],
)  # fmt: skip
def test_times_are_read_as_they_are_written(tmp_path: Path, text: str, form: str) -> None:
    draft = drafted(tmp_path, trips(started=HOURS.strftime(text)))
    assert draft.time is not None and draft.time.format == form
    assert str(draft.time.times.iloc[-1])[:7] == "2023-09" and not draft.time.unreadable.size


@pytest.mark.parametrize(("factor", "form"), [(1, "unix_seconds"), (1000, "unix_milliseconds")])
def test_seconds_and_milliseconds_since_1970_are_times(tmp_path: Path, factor: int, form: str) -> None:
    draft = drafted(tmp_path, trips(started=(HOURS.astype("int64") // 10**9) * factor))
    assert draft.time is not None and draft.time.format == form and str(draft.time.times.iloc[0])[:10] == "2023-01-01"


def test_day_and_month_that_could_be_either_way_round_are_said(tmp_path: Path) -> None:
    days = [f"0{1 + n % 9}/0{1 + n % 7}/2023" for n in range(6_000)]
    draft = drafted(tmp_path, trips(started=days))
    assert any("can be read as %m/%d/%Y and as %d/%m/%Y" in note for note in draft.notes)


@pytest.mark.parametrize(
    ("frequency", "period"), [("min", "hour"), ("10min", "day"), ("h", "week"), ("6h", "quarter"), ("5D", "year")]
)
def test_the_period_is_the_finest_with_enough_rows_of_which_there_are_six_to_sixty(
    tmp_path: Path, frequency: str, period: str
) -> None:
    times = pd.date_range("2001-01-01", periods=3_000, freq=frequency)
    draft = drafted(tmp_path, trips(3_000, started=times.strftime("%Y-%m-%d %H:%M:%S")))
    assert draft.period == period


def test_without_a_key_one_is_made_and_two_columns_together_are_found(tmp_path: Path) -> None:
    without = trips().drop(columns="trip")
    without["started"] = [str(HOURS[n // 40 * 40]) for n in range(6_000)]
    assert drafted(tmp_path, without).key.columns == ()
    assert drafted(tmp_path, trips().drop(columns="trip")).key.columns == ()  # nothing ever happens at the same time
    sensors = pd.concat([trips(1_500).assign(trip=name) for name in ("a", "b", "c")])
    draft = drafted(tmp_path, sensors)
    assert draft.key.columns == ("trip", "started") and "trip" in words_of(draft)


def test_a_number_as_label_is_predicted_itself_and_its_thirds_are_offered(tmp_path: Path) -> None:
    label = drafted(tmp_path, trips(), "wind").label
    assert label.number.startswith("a number from ") and label.in_words == label.number
    assert [one.name for one in label.classes] == ["low", "medium", "high"]
    assert all(0.3 < one.share < 0.37 for one in label.classes)
    most_zero = trips(tip=np.where(np.arange(6_000) % 5 < 3, 0.0, np.arange(6_000) / 7))
    low, high = drafted(tmp_path, most_zero, "tip").label.classes
    assert (low.name, high.name) == ("low", "high") and 0.59 < low.share < 0.61
    assert drafted(tmp_path, trips()).label.number == ""


def test_an_expression_is_a_label_and_its_outcome_is_no_feature(tmp_path: Path) -> None:
    frame = trips()
    frame["tips"] = (frame["Fare Amount"] * np.random.default_rng(1).uniform(0, 0.4, len(frame))).round(2)
    draft = drafted(tmp_path, frame.drop(columns="late"), "tips > 0.2 * fare_amount")
    assert draft.label.made == "tips > 0.2 * fare_amount" and draft.label.type == "bool"
    truth = frame["tips"] > 0.2 * frame["Fare Amount"]
    assert np.array_equal(draft.label.ids, truth.astype(int))
    assert "tips" not in words_of(draft) and "Fare Amount" in words_of(draft)
    assert any("`Fare Amount` stands in the label's expression" in note for note in draft.notes)


def test_values_become_class_names_and_rare_ones_share_one(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips(late=np.where(np.arange(6_000) % 3 == 0, ">50K", "<=50K")))
    assert [one.name for one in draft.label.classes] == ["up_to_50k", "above_50k"]
    many = [f"kind {min(n % 97, n % 31)}" for n in range(6_000)]
    classes = drafted(tmp_path, trips(late=many)).label.classes
    assert len(classes) == 21 and classes[-1].name == "other" and not classes[-1].when


@pytest.mark.parametrize(
    ("leak", "how"),
    [
        (lambda frame: frame["late"], "equals `late`"),
        (lambda frame: frame["late"].map({"yes": "L", "no": "P"}), "each of which stands with one class"),
        (lambda frame: np.where(frame["late"] == "yes", 9.0, 1.0) + np.arange(6_000) / 6_000, "lie apart by class"),
    ],
)
def test_a_column_that_tells_the_label_is_said_and_is_no_feature(tmp_path: Path, leak: object, how: str) -> None:
    frame = trips().assign(outcome=leak)
    draft = drafted(tmp_path, frame)
    assert [one.columns for one in draft.leaks] == [("outcome",)] and how in draft.leaks[0].how
    assert "outcome" not in words_of(draft)
    kept = drafted(tmp_path, frame, keep=("outcome",))
    assert not kept.leaks and "outcome" in words_of(kept)


def test_columns_whose_sum_is_the_label_are_a_leak_together(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    frame = trips(casual=random.integers(0, 90, 6_000), registered=random.integers(0, 400, 6_000))
    frame["count"] = frame["casual"] + frame["registered"]
    (leak,) = drafted(tmp_path, frame, "count").leaks
    assert leak.columns == ("casual", "registered") and "together give `count`" in leak.how


def test_columns_are_found_by_own_name_place_and_in_other_letters(tmp_path: Path) -> None:
    for spelled in ("Fare Amount", "fare_amount", "column_3", "FARE AMOUNT"):
        assert drafted(tmp_path, trips(), spelled).label.needs == ("Fare Amount",)


def test_everything_that_stands_in_the_way_is_told_at_once_with_the_line(tmp_path: Path) -> None:
    frame = trips(same="x", when="soon")
    frame.loc[7, "trip"] = "t00003"
    problems = problems_of(tmp_path, frame, "same", key=("trip",), time="when", features=("fuel",))
    assert len(problems) == 4
    assert "--label same: is constant ('x' in every row), so there is nothing to learn" in problems[0]
    assert "trips.csv, line 2: `when` is 'soon', and so are others: no time that can be read" in problems[1]
    assert "trips.csv, line 9: the key `trip` repeats: 't00003' stood in an earlier row" in problems[2]
    assert problems[3].startswith("--features: there is no column fuel; columns: trip, started")


def test_a_label_that_is_not_there_or_has_a_value_a_row_is_told(tmp_path: Path) -> None:
    assert "--label lat: there is no such column; columns: trip, started" in problems_of(tmp_path, trips(), "lat")[0]
    assert "has 6,000 different texts in 6,000 rows; classes are needed" in problems_of(tmp_path, trips(), "trip")[0]
    assert "--label wind >> 3: " in problems_of(tmp_path, trips(), "wind >> 3")[0]
    assert "is false in every row" in problems_of(tmp_path, trips(), "wind > 1000")[0]


def test_more_columns_than_a_model_takes_are_told_with_the_remedy(tmp_path: Path) -> None:
    extra = pd.DataFrame({f"c{n}": np.random.default_rng(n).normal(size=200).round(3) for n in range(310)})
    (problem,) = problems_of(tmp_path, pd.concat([trips(200), extra], axis="columns"))
    assert (
        "line 1: 315 of its 317 columns could be features, and 300 are the most; say which with --features" in problem
    )


def test_an_enormous_vocabulary_is_hashed_and_one_that_never_repeats_left_out(tmp_path: Path) -> None:
    draft = drafted(
        tmp_path, trips(street=[f"street {n % 2_500}" for n in range(6_000)], name=[f"n{n}" for n in range(6_000)])
    )
    assert words_of(draft)["street"]["vocabulary"] == {"top": 1000}
    assert "looks like an identifier: 6,000 different texts" in {one.column: one.why for one in draft.left_out}["name"]


def test_an_ordinary_value_of_each_column_is_its_example(tmp_path: Path) -> None:
    place = np.where(np.arange(200) % 3 == 0, "north", "south")
    words = words_of(drafted(tmp_path, trips(200, weight=np.arange(200) / 8 + 1, place=place)))
    assert words["weight"]["example"] == 13.4375 and words["place"]["example"] == "south"


def test_features_and_truth_in_two_files_are_joined_by_their_key(tmp_path: Path) -> None:
    frame = trips()
    frame.drop(columns="late").to_csv(tmp_path / "trips.csv", index=False)
    frame.sample(frac=1, random_state=1)[["trip", "late"]].to_csv(tmp_path / "truth.csv", index=False)
    draft = look([tmp_path / "trips.csv", tmp_path / "truth.csv"], Wishes("late", key=("trip",)))
    assert draft.truth is not draft.table and draft.truth.sample.file.name == "truth.csv"
    assert np.array_equal(draft.label.ids, (frame["late"] == "yes").astype(int))
    (tmp_path / "truth.csv").write_text(
        "trip,late\n" + "".join(f"x{n},{'yes' if n % 2 else 'no'}\n" for n in range(50))
    )
    with pytest.raises(SampleError, match=r"never meet: no `trip` of the first \('t00000', …\) is in the second"):
        look([tmp_path / "trips.csv", tmp_path / "truth.csv"], Wishes("late", key=("trip",)))


def test_a_table_without_a_time_says_so(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips().drop(columns="started"))
    assert draft.time is None and draft.period == "month"


def test_rows_that_are_sorted_by_the_label_say_so(tmp_path: Path) -> None:
    assert not drafted(tmp_path, trips()).label.sorted_by_class
    assert drafted(tmp_path, trips().sort_values("late")).label.sorted_by_class


def test_0_and_1_are_no_and_yes(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips(late=np.arange(6_000) % 2))
    assert [(one.name, one.when) for one in draft.label.classes] == [("no", {"equals": 0}), ("yes", {"equals": 1})]


def test_json_records_make_the_same_draft(tmp_path: Path) -> None:
    frame = trips()
    document = tmp_path / "trips.json"
    document.write_text(json.dumps({"data": {"items": frame.to_dict("records")}}))
    draft, other = look([document], Wishes("late")), drafted(tmp_path, frame)
    assert words_of(draft) == words_of(other) and draft.period == other.period and draft.key == other.key


def test_marks_for_a_gap_between_numbers_are_no_values(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips(size=[f"{n}.5" if n % 7 else "unknown" for n in range(6_000)]))
    assert words_of(draft)["size"]["type"] == "float" and draft.table.columns["size"].own_gaps == ("unknown",)
    of_ten = drafted(tmp_path, trips(size=[str(n % 10) if n % 7 else "many" for n in range(6_000)]))
    assert words_of(of_ten)["size"]["type"] == "string"


def test_what_no_float_holds_is_no_number(tmp_path: Path) -> None:
    frame = trips(size=["1e400" if n == 5 else "1e30" if n == 6 else f"{n}.5" for n in range(6_000)])
    draft = drafted(tmp_path, frame)
    assert words_of(draft)["size"]["missing"] == "median" and draft.table.columns["size"].own_gaps == ("1e400",)


def test_a_slip_far_out_does_not_squeeze_the_others(tmp_path: Path) -> None:
    sizes = np.random.default_rng(0).normal(0, 1, 6_000).round(3)
    assert "transform" not in words_of(drafted(tmp_path, trips(size=sizes)))["size"]
    sizes[7] = 1e30
    assert words_of(drafted(tmp_path, trips(size=sizes)))["size"]["transform"] == "clip"


def test_whole_numbers_that_no_float_tells_apart_are_names(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips(trip=[str(2**60 + n) for n in range(6_000)]))
    assert draft.key.columns == ("trip",) and draft.table.columns["trip"].kind == "string"


def test_numbers_that_rows_were_given_are_the_key_in_any_order(tmp_path: Path) -> None:
    frame = trips().drop(columns="trip").assign(shipment=np.random.default_rng(4).permutation(6_000) + 10_000_000)
    draft = drafted(tmp_path, frame)
    assert draft.key.columns == ("shipment",) and "shipment" not in words_of(draft)


def test_where_many_rows_are_the_same_each_line_is_one(tmp_path: Path) -> None:
    few = trips()[["district", "zone", "late"]]
    draft = drafted(tmp_path, few)
    assert draft.key.made == "file_line" and any("5,97" in note and "the same" in note for note in draft.notes)
    twice = pd.concat([trips(), trips().head(5)]).drop(columns="trip")
    draft = drafted(tmp_path, twice)
    assert draft.key.made == "row_hash" and any("5 rows are the same" in note for note in draft.notes)


def test_blanks_around_values_are_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "trips.csv"
    rows = [", ".join(map(str, row)) for row in trips().itertuples(index=False)]
    path.write_text("\n".join([", ".join(trips().columns), *rows]) + "\n")
    draft = look([path], Wishes("late"))
    assert draft.table.style.trim and draft.table.columns["district"].values[0] in ("0101", "0202", "0303")
    assert draft.label.values == ("no", "yes")
    assert not drafted(tmp_path, trips(side=["left", " left", "right"] * 2_000)).table.style.trim


def test_lists_are_no_features(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips(tags=['["a"]', '["a", "b"]', "[]"] * 2_000))
    assert {one.column: one.why for one in draft.left_out}["tags"] == "has lists, and a feature is one value"


def test_names_that_yaml_reads_as_something_else_get_an_ending(tmp_path: Path) -> None:
    draft = drafted(tmp_path, trips(null=range(6_000), off=range(6_000)))
    assert draft.table.names["null"] == "null_value" and draft.table.names["off"] == "off_value"


def test_rows_without_a_truth_are_said(tmp_path: Path) -> None:
    frame = trips()
    frame.loc[::3, "late"] = None
    assert any("2,000 of 6,000 rows have no truth" in note for note in drafted(tmp_path, frame).notes)


def test_0_and_1_with_gaps_are_no_and_yes_too(tmp_path: Path) -> None:
    late = np.where(np.arange(6_000) % 3, np.arange(6_000) % 2, np.nan)
    assert [one.name for one in drafted(tmp_path, trips(late=late)).label.classes] == ["no", "yes"]


def test_units_beside_numbers_are_no_part_of_them(tmp_path: Path) -> None:
    fare, wind = trips()["Fare Amount"], trips()["wind"]
    frame = trips(
        price=[f"${value * 100:,.2f}" for value in fare], share=[f"{value:.0f} %" for value in wind],
        term=np.where(wind > 20, "36 months", "60 months"), quarter=[f"Q{n % 4 + 1}" for n in range(6_000)],
        plate=[f"A{n % 900}" for n in range(6_000)],
    )  # fmt: skip
    draft = drafted(tmp_path, frame, features=("price", "share", "term", "quarter", "plate"))
    words = words_of(draft)
    assert [(words[name]["role"], words[name].get("unit")) for name in words] == [
        ("numeric", "$"), ("numeric", "%"), ("numeric", "months"), ("categorical", None), ("categorical", None)
    ]  # fmt: skip
    assert draft.table.columns["price"].row_numbers[:3].tolist() == (fare * 100).round(2)[:3].tolist()
    assert (draft.table.style.decimal, draft.table.style.thousands) == (".", ",")


def test_an_amount_in_euros_makes_the_comma_a_decimal_one(tmp_path: Path) -> None:
    frame = trips(price=[f"€ {value:.2f}".replace(".", ",") for value in trips()["wind"]])
    draft = drafted(tmp_path, frame[["trip", "started", "price", "late"]])
    assert draft.table.style.decimal == "," and words_of(draft)["price"]["unit"] == "€"


def test_values_that_stand_where_none_is_are_gaps_and_are_said(tmp_path: Path) -> None:
    born = (HOURS - pd.Timedelta(days=9000)).strftime("%d.%m.%Y").to_numpy()
    gap = np.arange(6_000) % 11 == 3
    frame = trips(
        born=np.where(gap, "01.01.1900", born), wind=np.where(gap, -999, trips()["wind"]),
        riders=np.where(gap, "unknown", (np.arange(6_000) * 7 % 80).astype(str)),
        score=np.where(gap, 9999, np.arange(6_000) * 13 % 12_000),
    )  # fmt: skip
    draft = drafted(tmp_path, frame)
    own = {name: column.own_gaps for name, column in draft.table.columns.items() if column.own_gaps}
    assert own == {"wind": ("-999.0",), "born": ("01.01.1900",), "riders": ("unknown",)}  # 9999 is an ordinary score
    assert words_of(draft)["wind"]["missing"] == "median" and words_of(draft)["wind"]["valid"][0] >= 0  # type: ignore[index]
    assert words_of(draft)["born"]["missing"] == "category"
    said = [note for note in draft.notes if note.startswith("gaps: ")]
    assert len(said) == 3 and any("--keep wind" in note for note in said)
    assert any("read.columns.riders.missing" in note for note in said)
    kept = drafted(tmp_path, frame, keep=("wind",))
    assert not kept.table.columns["wind"].own_gaps and "missing" not in words_of(kept)["wind"]


def test_dates_in_several_forms_are_left_out_and_said(tmp_path: Path) -> None:
    booked = HOURS - pd.Timedelta(days=200)
    forms = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"]
    frame = trips(booked=[at.strftime(forms[n % 3]) for n, at in enumerate(booked)])
    draft = drafted(tmp_path, frame)
    (out,) = [one for one in draft.left_out if one.column == "booked"]
    assert "has dates in several forms, such as '2022" in out.why and "in one form they can be read" in out.why


def test_a_year_and_a_month_apart_are_one_time(tmp_path: Path) -> None:
    frame = (
        trips().drop(columns="started").assign(year=2020 + np.arange(6_000) // 1_500, month=np.arange(6_000) % 12 + 1)
    )
    draft = drafted(tmp_path, frame)
    assert (
        draft.period == "quarter" and draft.time is not None and draft.time.parts == {"year": "year", "month": "month"}
    )
    assert any("`year`, `month` say together when" in note for note in draft.notes)
