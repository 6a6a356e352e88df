"""A network whose answer to the district is added to that to the traffic, so that both can be looked at apart."""

import keras


def build_model(columns, settings):
    """(batch, columns.width) -> the probabilities of columns.class_names."""
    inputs = keras.Input(shape=(columns.width,))
    traffic = keras.layers.Dense(settings.units, activation="relu")(inputs[:, columns.slice_of("cars")])
    parts = [keras.layers.Dense(columns.outputs)(part) for part in (traffic, inputs[:, columns.slice_of("area")])]
    return keras.Model(inputs, keras.layers.Softmax()(keras.layers.add(parts)))
