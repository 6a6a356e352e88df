"""The report of a run as one HTML page that opens offline: figures (Plotly) and the page around them."""
