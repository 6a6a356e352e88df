"""What changed between a model's reference and a month, in numbers and in words computed from them."""
