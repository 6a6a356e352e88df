"""Answered requests: from the gateway's log files into silver's predictions."""
