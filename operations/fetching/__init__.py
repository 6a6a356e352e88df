"""Gets the files of sources by functions of the use case: each in a process of its own, landed whole or not at all."""
