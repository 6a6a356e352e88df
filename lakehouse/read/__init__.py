"""Questions to the tables: what is there, where a row came from, what was known when."""
