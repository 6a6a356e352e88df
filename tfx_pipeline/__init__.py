"""The TFX pipeline from an exported manifest to a pushed model, its gate and its metadata."""
