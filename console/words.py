"""What terminal and pages say alike."""

import re

from markupsafe import Markup, escape

CODE = re.compile(r"(?<!`)`([^\s`](?:[^`\n]*[^\s`])?)`(?!`)")
"""What stands in a sentence as it is typed."""


def counted(count: int, noun: str) -> str:
    """How many there are: `1 file`, `1,200 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def coded(text: str) -> Markup:
    """A sentence for a page: what stands in backticks is code, and nothing in it is markup."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))
