"""How far requests have moved away from what their model was trained on: rows, their windows, distances, reports."""
