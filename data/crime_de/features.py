"""Shares that no file has; rates for 100,000 people are the police's own."""


def cleared_now(solved, cases):
    return solved / cases


def attempts_share(attempts, cases):
    """Of no cases no share; rounding apart, attempts are among the cases."""
    return min(1.0, attempts / cases)
