"""Bronze -> silver: typed, validated, one row a key, or a reject."""
