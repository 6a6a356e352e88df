"""Names of delivered files: a pattern with wildcards and a period in it, as a regular expression and back.

`*` and `?` stand for any characters of one name, `[abc]` for one of these, `**/` for any sub-folders. One of {year},
{quarter}, {month}, {week}, {date} and {hour} says the period, in its usual form or in one of its own: {date:%Y%m%d}.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import PurePosixPath

from lakeloop.contract.periods import PERIODS, PeriodKind, kind_of

PLACEHOLDERS: dict[PeriodKind, str] = {kind: "date" if kind == "day" else kind for kind in PERIODS}
"""Kind of period -> what stands for it in a pattern."""
KINDS = {placeholder: PERIODS[kind] for kind, placeholder in PLACEHOLDERS.items()}
USUAL: dict[str, str] = {
    "year": "%Y", "quarter": "%Y-Q%q", "month": "%Y-%m", "week": "%G-W%V", "date": "%Y-%m-%d", "hour": "%Y-%m-%dT%H",
}  # fmt: skip
"""The form in which a period is written where a pattern gives none. `%q` is the quarter, 1 to 4."""
NEEDED: dict[str, tuple[str, ...]] = {
    "year": ("Y",), "quarter": ("Yq", "Ym"), "month": ("Ym",), "week": ("GV", "Ymd"), "date": ("Ymd", "Yj"),
    "hour": ("YmdH", "YjH"),
}  # fmt: skip
DIRECTIVES = {
    "Y": "[0-9]{4}", "G": "[0-9]{4}", "m": "(?:0[1-9]|1[0-2])",
    "d": "(?:0[1-9]|[12][0-9]|3[01])", "j": "[0-3][0-9]{2}", "V": "(?:0[1-9]|[1-4][0-9]|5[0-3])", "q": "[1-4]",
    "H": "(?:[01][0-9]|2[0-3])", "M": "[0-5][0-9]", "S": "[0-5][0-9]",
}  # fmt: skip
WIDTHS = {"Y": 4, "G": 4, "j": 3, "q": 1}
TOKEN = re.compile(r"\{(?P<kind>\w+)(?::(?P<form>[^{}]*))?\}|(?P<folders>\*\*/)|(?P<any>\*+)|(?P<one>\?)|"
                   r"(?P<set>\[!?[^\]/]+\])|(?P<text>[^{*?\[]+|.)")  # fmt: skip
ENDINGS = {
    "csv": (".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".data"), "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",), "parquet": (".parquet", ".pq"),
}  # fmt: skip
COMPRESSED = (".gz", ".zst", ".zip")
VERSION = re.compile(r"\.v([0-9]+)(?=(?:\.\w+){1,2}\Z)")


@dataclass(frozen=True)
class FileNames:
    """The names that a pattern stands for; `endings`: those a name must end in where the pattern itself says none."""

    pattern: str
    endings: tuple[str, ...] = ()

    @cached_property
    def kind(self) -> str:
        """The kind of period that the names say, e.g. `month`; '' for none."""
        return next((token["kind"] for token in self._tokens if token["kind"]), "")

    @cached_property
    def form(self) -> str:
        """The form in which they say it, e.g. `%Y-%m`."""
        return next((token["form"] or USUAL[token["kind"]] for token in self._tokens if token["kind"]), "")

    @property
    def wildcards(self) -> bool:
        """Whether one period may have several names that are no corrections."""
        return any(token["folders"] or token["any"] or token["one"] or token["set"] for token in self._tokens)

    @property
    def in_folders(self) -> bool:
        """Whether files may lie in folders below the source's own."""
        return "/" in self.pattern

    @property
    def problem(self) -> str:
        """What is wrong with the pattern; '' if nothing is."""
        kinds = [token["kind"] for token in self._tokens if token["kind"]]
        if unknown := [kind for kind in kinds if kind not in USUAL]:
            return f"{{{unknown[0]}}} is no period; there are {', '.join(f'{{{kind}}}' for kind in USUAL)}"
        if len(kinds) > 1:
            return "write the period once, e.g. 'rows-{month}.csv'"
        if any(token["text"] and set(token["text"]) & set("{}[\\\0\n") for token in self._tokens):
            return "`{`, `}`, `[` and `\\` stand for themselves nowhere; write a name such as 'rows-{month}*.csv'"
        parts = self.pattern.split("/")
        if "" in parts or any(part.startswith(".") for part in parts) or self.pattern.endswith(".part"):
            return "names that begin with a dot or end in .part are not looked at, and a folder needs a name"
        if len(self.pattern) > 200:
            return "a name may have 200 characters"
        return self._form_problem

    @property
    def _form_problem(self) -> str:
        if not self.kind:
            return ""
        given = re.findall(r"%(.)", self.form)
        if unknown := [f"%{letter}" for letter in given if letter not in DIRECTIVES]:
            return f"{unknown[0]} is not known in a file's name; there are {', '.join(f'%{d}' for d in DIRECTIVES)}"
        if len(set(given)) != len(given) or not any(set(each) <= set(given) for each in NEEDED[self.kind]):
            needed = " or ".join(" ".join(f"%{letter}" for letter in each) for each in NEEDED[self.kind])
            return f"a {self.kind} is written with {needed}, each once"
        return ""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Matches the names, corrections (`policies-2023-01.v2.csv`) included."""
        return self._compiled(strict=True)

    def period(self, name: str) -> str:
        """The period that a name says, in its kind's usual form; '' where it says none, or an impossible one."""
        match = self.regex.match(name) if self.kind else None
        return self._named(match) if match else ""

    def impossible_period(self, name: str) -> str:
        """What stands in a name where a period should, e.g. `2023-13`; '' where one does, or the name is another."""
        if not self.kind or (match := self._loose.match(name)) is None:
            return ""
        text = match["period"]
        exact = self.regex.match(name)
        return "" if exact and self._named(exact) else str(text)

    def name(self, period: str) -> str:
        """A name for a period in any kind's usual form, so that different periods have different names."""
        first = _begins(period)
        pieces, said = [], bool(self.kind)
        for token in self._tokens:
            if token["kind"]:
                pieces.append(_written(first, self.form))
            elif token["folders"] or token["any"]:
                pieces.append("" if said or token["folders"] else period)
                said = said or bool(token["any"])
            elif token["one"] or token["set"]:
                pieces.append("0" if token["one"] else _member(token["set"]))
            else:
                pieces.append(token["text"])
        made = "".join(pieces) + (self.endings[0] if self.endings else "")
        if said:
            return made
        stem, ending = _parted(made)
        return f"{stem}.{period}{ending}"

    def is_correction(self, name: str) -> bool:
        """Whether a name is that of a correction: it has more than the pattern says, or a version."""
        if self.kind and not self.wildcards:
            match = self.regex.match(name)
            return match is not None and match["correction"] is not None
        return VERSION.search(name) is not None

    @cached_property
    def _tokens(self) -> list[re.Match[str]]:
        return list(TOKEN.finditer(self.pattern))

    @cached_property
    def _loose(self) -> re.Pattern[str]:
        return self._compiled(strict=False)

    def _compiled(self, strict: bool) -> re.Pattern[str]:
        pieces = [_regex(token, self.form, strict) for token in self._tokens]
        last = self._tokens[-1]["text"] or ""
        stem, ending = _parted(last)
        if self.endings:
            ended = f"(?:{'|'.join(map(re.escape, self.endings))})(?:{'|'.join(map(re.escape, COMPRESSED))})?"
        else:
            pieces[-1:] = [re.escape(stem)] if last else pieces[-1:]
            ended = re.escape(ending)
        return re.compile(rf"\A{''.join(pieces)}(?P<correction>\.[\w-]+)?{ended}\Z")

    def _named(self, match: re.Match[str]) -> str:
        """The period of a matched name in its usual form; '' where the calendar has none such."""
        found = {key[1:]: int(text) for key, text in match.groupdict().items() if key.startswith("_") and text}
        if self.kind == "month":
            return f"{found['Y']:04}-{found['m']:02}"
        try:
            if "G" in found:
                first = datetime.fromisocalendar(found["G"], found["V"], 1)
            elif "j" in found:
                first = datetime(found["Y"], 1, 1) + timedelta(days=found["j"] - 1)
                if first.year != found["Y"] or not found["j"]:
                    return ""
            else:
                month = found.get("m") or 3 * found.get("q", 1) - 2
                first = datetime(found["Y"], month, found.get("d", 1))
        except ValueError:
            return ""
        return KINDS[self.kind].name_at(first.replace(hour=found.get("H", 0)))


def corrected_name(name: str) -> str:
    """A name for a correction of a file: `policies-2023-01.csv` -> `policies-2023-01.v2.csv`, and of that: `.v3`."""
    if version := VERSION.search(name):
        return f"{name[: version.start(1)]}{int(version[1]) + 1}{name[version.end(1) :]}"
    folder, slash, last = name.rpartition("/")
    stem, ending = _parted(last)
    return f"{folder}{slash}{stem}.v2{ending}"


def _begins(period: str) -> datetime:
    """When a period of any kind begins, by its name."""
    kind = kind_of(period)
    if kind is None:
        raise ValueError(f"{period!r} is no period")
    return kind.begins(period)


def format_by_ending(name: str) -> str:
    """The format that a name's ending says, compressed or not; '' where it says none."""
    path = PurePosixPath(name.lower())
    plain = path.with_suffix("") if path.suffix in COMPRESSED and path.stem else path
    return next((known for known, endings in ENDINGS.items() if plain.suffix in endings), "")


def _regex(token: re.Match[str], form: str, strict: bool) -> str:
    if token["kind"]:
        return f"(?P<period>{_form_regex(form, strict)})"
    if token["folders"]:
        return "(?:[^/]+/)*"
    if token["any"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["set"]:
        inside = token["set"][1:-1].replace("\\", "\\\\")
        return f"[{'^/' + inside[1:] if inside.startswith('!') else inside}]"
    return re.escape(token["text"])


def _form_regex(form: str, strict: bool) -> str:
    pieces = []
    for letter, text in re.findall(r"%(.)|([^%]+)", form):
        if text:
            pieces.append(re.escape(text))
            continue
        digits = DIRECTIVES[letter] if strict else rf"\d{{{WIDTHS.get(letter, 2)}}}"
        pieces.append(f"(?P<_{letter}>{digits})")
    return "".join(pieces)


def _written(moment: datetime, form: str) -> str:
    return moment.strftime(form.replace("%q", str((moment.month + 2) // 3)))


def _member(of_set: str) -> str:
    """A character that a set such as `[ab]` or `[!0]` stands for."""
    inside = of_set[1:-1]
    if not inside.startswith("!"):
        return inside[0]
    return next(letter for letter in "x0_" if not re.match(f"[{inside[1:]}]", letter))


def _parted(text: str) -> tuple[str, str]:
    """A name's end as stem and ending; `.csv.gz` is one."""
    known = "|".join(re.escape(ending) for endings in ENDINGS.values() for ending in endings)
    packed = "|".join(map(re.escape, COMPRESSED))
    if match := re.search(rf"(?:{known})(?:{packed})\Z", text):
        return text[: match.start()], match[0]
    stem, dot, ending = text.rpartition(".")
    return (stem, dot + ending) if dot else (text, "")
