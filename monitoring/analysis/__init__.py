"""What changed between a model's reference and a period, in numbers and in words computed from them."""
