"""What crosses lakehouse, pipeline, serving and monitoring: one module or folder for each thing that is done."""
