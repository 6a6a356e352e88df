"""What `make bench` measures: the speeds of docs/benchmarks.md, as ratios where two ways can be compared."""
