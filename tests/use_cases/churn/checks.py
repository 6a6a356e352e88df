"""What the model is to be worth in money: a customer who leaves unseen costs 40, a call to one who would stay 5."""

import numpy as np

MISSED, CALLED, MOST = 40.0, 5.0, 4.0


def checks(model):
    """The cost of a row of those held out, and that plans differ in how often their customers are called."""
    rows, leaves = model.eval, model.class_names.index("leaves")
    missed = (rows.labels == leaves) & (rows.answers != leaves)
    called = (rows.labels != leaves) & (rows.answers == leaves)
    cost = float(np.mean(MISSED * missed + CALLED * called))
    yield {"name": "cost_of_a_row", "value": cost, "passed": cost < MOST, "text": f"< {MOST:g}"}
    shares = (rows.answers == leaves).astype(float)
    by_plan = rows.features.assign(called=shares).groupby("plan")["called"].mean()
    apart = by_plan.max() - by_plan.min()
    yield {"name": "plans_are_told_apart", "value": apart, "passed": apart > 0.1, "text": "> 0.1"}
