"""The language of `label.made`: an expression over delivered columns, such as `refund > 0.2 * price`.

Python's parser reads it and what is not listed here is a mistake: nothing of it is ever run as Python. It has one
meaning, that of SQL, whoever computes it: a value is missing where one it needs is, where it divides by 0, and where
it leaves the range of floats; `and` is false where either side is, `or` true where either is, missing or not.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, permutations
from typing import Any, Literal

from lakeloop.exceptions import ExpressionError

ValueKind = Literal["number", "text", "condition"]
KINDS: Mapping[str, ValueKind] = {
    "float": "number", "int": "number", "decimal": "number", "string": "text", "bool": "condition"
}  # fmt: skip
"""What a column's values are in an expression, by the column's type."""
ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="
}  # fmt: skip
OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "and": operator.and_, "or": operator.or_,
}  # fmt: skip
ALLOWED = "allowed are columns, numbers, texts in quotes, + - * / ( ), < <= > >= == !=, and, or, not"
LONGEST, DEEPEST = 500, 100


@dataclass(frozen=True)
class Named:
    """A column's value."""

    column: str
    kind: ValueKind


@dataclass(frozen=True)
class Constant:
    """A number or a text."""

    value: float | str
    kind: ValueKind


@dataclass(frozen=True)
class Step:
    """What an operator makes of its operands: two, or one of `not`."""

    operator: str
    operands: tuple["Expression", ...]
    kind: ValueKind


Expression = Named | Constant | Step


def read_expression(text: str, types: Mapping[str, str]) -> Expression:
    """The expression that `text` says. `types`: of the columns that have one already, by the contract's words.

    Any other column is a text where it is compared with one in quotes, else a number.

    Raises:
        ExpressionError: it cannot be read, computes with what is no number, or names no column.
    """
    line = " ".join(text.split("\n")).strip()
    if len(line) > LONGEST:
        raise ExpressionError(f"has {len(line):,} characters; {LONGEST} are the most")
    try:
        tree = ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, MemoryError) as error:
        place = error.offset if isinstance(error, SyntaxError) and error.offset else 1
        rest = line[place - 1 :][:20]
        where = f"`{rest}` (character {place})" if rest else "its end"
        raise ExpressionError(f"cannot be read at {where}; {ALLOWED}") from None
    found = _Reader(line, types, tree).read(tree)
    if not any(True for _ in columns_in(found)):
        raise ExpressionError("names no column, so every row would have the same truth")
    return found


def number_of_set(labels: Sequence[str]) -> Expression:
    """The number of the set of the labels that are true, columns of conditions: the sum of 2 to the power of their
    places.
    """
    parts: list[Expression] = [
        Step("*", (Named(name, "number"), Constant(float(2**place), "number")), "number")
        for place, name in enumerate(labels)
    ]
    return reduce(lambda sum_so_far, part: Step("+", (sum_so_far, part), "number"), parts)


def columns_in(expression: Expression) -> Iterator[Named]:
    """The columns an expression needs, each as often as it stands there."""
    if isinstance(expression, Named):
        yield expression
    elif isinstance(expression, Step):
        for operand in expression.operands:
            yield from columns_in(operand)


def computed(
    expression: Expression,
    column: Callable[[Named], Any],
    divided: Callable[[Any, Any], Any],
    finite: Callable[[Any], Any],
) -> Any:
    """The expression's value, from values that know Python's operators: columns of Spark, or nullable ones of pandas.

    `finite` gives a missing value for one that is no finite number.
    """
    if isinstance(expression, Named):
        return column(expression)
    if isinstance(expression, Constant):
        return expression.value
    values = [computed(operand, column, divided, finite) for operand in expression.operands]
    if expression.operator == "not":
        return ~values[0]
    if expression.operator == "/":
        return finite(divided(*values))
    made = OPERATORS[expression.operator](*values)
    return finite(made) if expression.kind == "number" else made


class _Reader:
    """Python's tree -> an expression; every mistake names its piece of the text and the character it begins at."""

    def __init__(self, text: str, types: Mapping[str, str], tree: ast.expr) -> None:
        self._text, self._types, self._depth = text, types, 0
        self._texts = {name for node in ast.walk(tree) if isinstance(node, ast.Compare) for name in _beside_texts(node)}

    def read(self, node: ast.expr) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError(f"has more than {DEEPEST} steps inside one another; write it shorter")
        found = self._read(node)
        self._depth -= 1
        return found

    def _read(self, node: ast.expr) -> Expression:
        match node:
            case ast.Name(id=name):
                return Named(name, self._kind_of(node, name))
            case ast.Constant(value=str(text)):
                return Constant(text, "text")
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self._number(node, number)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
                operand = self._operand(inner, "number", "a sign is")
                return self._arithmetic(
                    node, "-" if isinstance(sign, ast.USub) else "+", Constant(0.0, "number"), operand
                )
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                sign_text = ARITHMETIC[type(op)]
                sides = [self._operand(side, "number", f"`{sign_text}` is") for side in (left, right)]
                return self._arithmetic(node, sign_text, *sides)
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in COMPARISONS for op in ops):
                sides = [self.read(side) for side in (left, *rights)]
                steps = [
                    self._comparison(node, COMPARISONS[type(op)], a, b)
                    for op, a, b in zip(ops, sides, sides[1:], strict=False)
                ]
                return _joined("and", steps)
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                return _joined(word, [self._operand(value, "condition", f"`{word}` is") for value in values])
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return Step("not", (self._operand(inner, "condition", "`not` is"),), "condition")
        raise self._mistake(node, f"is not known here; {ALLOWED}")

    def _kind_of(self, node: ast.expr, name: str) -> ValueKind:
        kind = self._types.get(name)
        if kind is None:
            return "text" if name in self._texts else "number"
        if kind not in KINDS:
            raise self._mistake(node, f"is a {kind}, which cannot be computed with")
        return KINDS[kind]

    def _number(self, node: ast.expr, number: float) -> Constant:
        try:
            value = float(number)
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise self._mistake(node, "is a number beyond all that a float holds")
        return Constant(value, "number")

    def _operand(self, node: ast.expr, kind: ValueKind, what: str) -> Expression:
        found = self.read(node)
        if found.kind != kind:
            wanted = "numbers" if kind == "number" else "conditions such as `refund > 0`"
            raise self._mistake(node, f"is a {found.kind}; {what} for {wanted}")
        return found

    def _arithmetic(self, node: ast.expr, sign: str, left: Expression, right: Expression) -> Expression:
        if sign == "/" and isinstance(right, Constant) and right.value == 0:
            raise self._mistake(node, "divides by 0")
        if isinstance(left, Constant) and isinstance(right, Constant):
            a, b = float(left.value), float(right.value)
            return self._number(node, a / b if sign == "/" else OPERATORS[sign](a, b))
        return Step(sign, (left, right), "number")

    def _comparison(self, node: ast.expr, sign: str, left: Expression, right: Expression) -> Step:
        if isinstance(left, Constant) and isinstance(right, Constant):
            raise self._mistake(node, "compares what is the same in every row; name a column")
        if left.kind != right.kind:
            raise self._mistake(node, f"compares a {left.kind} with a {right.kind}")
        if left.kind == "condition":
            raise self._mistake(node, "compares conditions; join them by and, or, not")
        if left.kind == "text" and sign not in ("==", "!="):
            raise self._mistake(node, "compares texts by size; take == or !=")
        return Step(sign, (left, right), "condition")

    def _mistake(self, node: ast.expr, what: str) -> ExpressionError:
        piece = ast.get_source_segment(self._text, node) or self._text
        place = len(self._text.encode()[: node.col_offset].decode()) + 1
        return ExpressionError(f"`{piece}` (character {place}) {what}")


def _joined(word: str, parts: Sequence[Expression]) -> Expression:
    joined = parts[0]
    for part in parts[1:]:
        joined = Step(word, (joined, part), "condition")
    return joined


def _beside_texts(node: ast.Compare) -> Iterator[str]:
    """Columns that stand beside a text in quotes."""
    sides = [node.left, *node.comparators]
    for pair in pairwise(sides):
        for one, other in permutations(pair):
            if isinstance(one, ast.Name) and isinstance(other, ast.Constant) and isinstance(other.value, str):
                yield one.id
