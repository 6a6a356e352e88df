"""What terminal and pages say alike."""


def counted(count: int, noun: str) -> str:
    """How many there are: `1 file`, `1,200 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
