"""The TFX pipeline: from a gold export to a checked, pushed model, node by node, with lineage in ML Metadata.

`gate`, `parameters` and `run_record` import no TensorFlow; everything else may.
"""
