"""What production looks like: one set of panels, drawn by Grafana and by the monitor's own /dashboard."""
