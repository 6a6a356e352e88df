"""What changed between two months, told in figures and words."""
