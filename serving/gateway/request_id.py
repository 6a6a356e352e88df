"""Request ids: UUIDs of version 7, which sort by time (RFC 9562, section 5.7)."""

import random
import time

LONGEST_ID = 128
ID_CHARACTERS = "^[!-~]+$"
"""Ids given by clients: printable ASCII without blanks."""


def new_request_id() -> str:
    """48 bits of Unix milliseconds, then 74 random ones; ids are no secrets, so none of them is asked of the system."""
    drawn = random.getrandbits(74)
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (drawn >> 62) << 64 | 0b10 << 62 | drawn & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
