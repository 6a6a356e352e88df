"""Where something came from and what came of it, over the cut between the lakehouse and TFX, both ways."""
