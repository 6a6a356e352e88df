"""What the map shows: shapes of places or cells of a grid, and what the lake knows of the rows in them by period."""
