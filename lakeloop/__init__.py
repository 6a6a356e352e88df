"""The base that all packages stand on: use case, contract, settings, clock, events, what several of them read."""
