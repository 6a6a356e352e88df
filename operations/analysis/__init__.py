"""What changed between two periods, told in figures and words."""
