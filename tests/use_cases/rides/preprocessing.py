"""What a mile costs, beside the features: dear miles are the short ones in the city, where more is tipped."""

import tensorflow as tf


def preprocess(inputs, learn):
    """The price of a mile, scaled, and whether it is a dear one, by the training rows' median."""
    price = tf.math.log1p(inputs["fare"] / tf.maximum(inputs["miles"], 0.1))
    median = learn.percentiles(price)[49]
    return {
        "price_a_mile": learn.z_score(tf.minimum(price, 2 * median)),
        "dear_by_card": tf.logical_and(price > median, inputs["paid"] == "card"),
    }
