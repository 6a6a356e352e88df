"""Watches production: drift, performance, alarms. What is found of drift is kept in `lakeloop.drift_store`; an event
arises from it in `alarm` and nowhere else: when an episode of drift opens, or its alert fires.
"""
