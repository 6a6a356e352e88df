"""A use case whose truth comes in parts: what is paid for a claim, payment by payment."""

PARTS = """
use_case: claims
title: Claims
description: Will a claim be dear?
key: {column: claim, description: Number of the claim}
event_time: {column: month, description: Month of the claim, start: 2024-01}
sources:
  claims:
    description: Claims
    files: "claims-{month}.csv"
    columns: [claim, month, power]
  payments:
    description: Payments, some of them back
    files: "payments-*.csv"
    columns: [claim, payment, paid]
features:
  power: {description: Power of the car, type: int, role: numeric}
label:
  name: cost
  description: Whether more than a thousand was paid in all
  source: payments
  column: paid
  truth: {description: Paid in all, type: float, valid: [0, 10000], combine: sum, part: payment}
  classes: [{name: cheap}, {name: dear, when: {above: 1000}}]
split: {salt: "1", every: 4}
gate: {accuracy: {above: 0.0, below: 1.0}}
"""
