"""What whoever has a token may do. Imports no database: commands that ask nobody need none for it."""

from dataclasses import dataclass
from typing import Literal, get_args

from lakeloop.exceptions import WrongUseError

Role = Literal["read", "ask", "decide", "administer"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: see pages and figures; ask the gateway; decide; make and revoke tokens."""


@dataclass(frozen=True)
class User:
    """Whose token it is."""

    name: str
    role: Role

    def may(self, needed: Role) -> bool:
        """Whether the role is enough.

        >>> User("ann", "decide").may("ask"), User("ann", "decide").may("administer")
        (True, False)
        """
        return ROLES.index(self.role) >= ROLES.index(needed)


def checked_role(text: str) -> Role:
    """The role of that name. Raises WrongUseError where there is none."""
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise WrongUseError(f"there is no role {text!r}; roles, each with those before it: {', '.join(ROLES)}")
    return found
