"""The pages on the monitor's port: the start page, every model and run, their windows and their lineage.

Read from the lake, ML Metadata and the runs' records when they are asked for; nothing is loaded from elsewhere.
"""
