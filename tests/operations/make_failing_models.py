"""make_failing_models.py FOLDER: models that load; `1` answers, `2` fails on every request, `3` on young drivers.

All but `1` are written as `2.part` and `3.part`, to be pushed by a rename.
"""

import sys
from pathlib import Path

import tensorflow as tf

FEATURES = ("training", "age", "emergency_braking", "braking_distance", "power", "miles")


class Model(tf.Module):
    """Fails where somebody is not older than `youngest`."""

    def __init__(self, youngest: float) -> None:
        super().__init__()
        self.youngest = tf.constant(youngest)
        self.weights = tf.Variable(tf.reshape(tf.linspace(-0.02, 0.02, 18), [6, 3]))

    def call(self, *columns: tf.Tensor) -> dict[str, tf.Tensor]:
        young = tf.debugging.assert_greater(columns[1], self.youngest, message="too young for this model")
        with tf.control_dependencies([young]):
            probabilities = tf.nn.softmax(5 * tf.stack(columns, 1) @ self.weights)
        return {"probabilities": probabilities, "class_id": tf.argmax(probabilities, 1)}


for name, youngest in {"1": -1.0, "2.part": 1000.0, "3.part": 30.0}.items():
    model = Model(youngest)
    specs = [tf.TensorSpec([None], tf.float32, name=feature) for feature in FEATURES]
    signature = tf.function(model.call).get_concrete_function(*specs)
    tf.saved_model.save(model, str(Path(sys.argv[1]) / name), signatures=signature)
