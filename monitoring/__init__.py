"""Watches production: drift, performance, alerts. Its modules come with their issue."""
