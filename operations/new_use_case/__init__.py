"""The first draft of a use case from a sample of its data: what is in the files, and a contract that says so."""
