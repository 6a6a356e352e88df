"""Writes the small SavedModels of the model server's tests: `python make_models.py FOLDER`.

`half_plus_two` has the signatures and tensor names of TensorFlow Serving's test model of that name; the
others give back what they are given, so that an answer shows what the request was read as.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf2
import tensorflow.compat.v1 as tf

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress"))


def write(folder: Path, session: tf.Session, signatures: dict) -> None:
    builder = tf.saved_model.builder.SavedModelBuilder(str(folder))
    builder.add_meta_graph_and_variables(
        session,
        [tf.saved_model.tag_constants.SERVING],
        {
            name: tf.saved_model.signature_def_utils.build_signature_def(
                {key: tf.saved_model.utils.build_tensor_info(tensor) for key, tensor in inputs.items()},
                {key: tf.saved_model.utils.build_tensor_info(tensor) for key, tensor in outputs.items()},
                method,
            )
            for name, (inputs, outputs, method) in signatures.items()
        },
    )
    builder.save()


def half_plus(folder: Path, plus: float = 2.0, documented: bool = False) -> None:
    """TensorFlow Serving's test model; the one of its documentation has a signature of another name."""
    with tf.Graph().as_default(), tf.Session() as session:
        half, two, three = (tf.Variable(value, name=name) for name, value in (("a", 0.5), ("b", plus), ("c", 3.0)))
        example = tf.placeholder(tf.string, name="tf_example")
        parsed = tf.parse_example(
            tf.reshape(example, [-1]),
            {"x": tf.FixedLenFeature([1], tf.float32), "x2": tf.FixedLenFeature([1], tf.float32, [0.0])},
        )
        x, x2 = tf.identity(parsed["x"], name="x"), tf.identity(parsed["x2"], name="x2")
        y, y2 = tf.add(tf.multiply(half, x), two, name="y"), tf.add(tf.multiply(half, x), three, name="y2")
        y3 = tf.add(tf.multiply(half, x2), three, name="y3")
        session.run(tf.global_variables_initializer())
        extra = {"tensorflow/serving/regress": ({"inputs": example}, {"outputs": y}, REGRESS)} if documented else {}
        write(
            folder,
            session,
            {
                **extra,
                "regress_x_to_y": ({"inputs": example}, {"outputs": y}, REGRESS),
                "regress_x_to_y2": ({"inputs": example}, {"outputs": y2}, REGRESS),
                "regress_x2_to_y3": ({"inputs": x2}, {"outputs": y3}, REGRESS),
                "classify_x_to_y": ({"inputs": example}, {"scores": y}, CLASSIFY),
                "classify_x2_to_y3": ({"inputs": x2}, {"scores": y3}, CLASSIFY),
                "serving_default": ({"x": x}, {"y": y}, PREDICT),
            },
        )


def echo(folder: Path, inputs: dict[str, tf.DType], outputs: Callable[[dict], dict] | None = None) -> None:
    """A model that gives back its inputs, or what `outputs` makes of them."""
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.placeholder(dtype, name=name) for name, dtype in inputs.items()}
        given = outputs(fed) if outputs else {name: tf.identity(tensor) for name, tensor in fed.items()}
        write(folder, session, {"serving_default": (fed, given, PREDICT)})


def on_examples(folder: Path, features: dict, signatures: Callable[[dict], dict[str, tuple[dict, str]]]) -> None:
    """A model that parses tf.Examples; `signatures` makes outputs and method of each signature from the features."""
    with tf.Graph().as_default(), tf.Session() as session:
        examples = tf.placeholder(tf.string, [None], name="examples")
        parsed = tf.parse_example(examples, features)
        made = signatures(parsed)
        write(folder, session, {name: ({"inputs": examples}, *what) for name, what in made.items()})


def echo_classes(folder: Path) -> None:
    """Classes and scores as the examples hold them."""
    on_examples(
        folder,
        {"scores": tf.FixedLenFeature([3], tf.float32), "labels": tf.FixedLenFeature([3], tf.string)},
        lambda fed: {"serving_default": ({"classes": fed["labels"], "scores": fed["scores"]}, CLASSIFY)},
    )


def echo_features(folder: Path) -> None:
    """Labels that show what an example of TensorFlow Serving's own test was read as: two names, two ratings, an age."""

    def labels(fed: dict) -> tf.Tensor:
        ratings = tf.strings.as_string(fed["ratings"], shortest=True)
        texts = [fed["names"], tf.where(fed["ratings"] < -1e38, tf.fill(tf.shape(ratings), "-inf"), ratings)]
        return tf.concat([*texts, tf.strings.as_string(fed["age"])], 1)

    features = {
        "names": tf.FixedLenSequenceFeature([], tf.string, allow_missing=True),
        "ratings": tf.FixedLenSequenceFeature([], tf.float32, allow_missing=True, default_value=-1.0),
        "age": tf.FixedLenFeature([1], tf.int64, [-1]),
    }
    on_examples(
        folder,
        features,
        lambda fed: {name: ({"classes": labels(fed)}, CLASSIFY) for name in ("serving_default", "custom_signture")},
    )


def echo_value(folder: Path) -> None:
    """The number an example holds, as a regression."""
    features = {"value": tf.FixedLenFeature([], tf.float32)}
    on_examples(folder, features, lambda fed: {"serving_default": ({"outputs": tf.identity(fed["value"])}, REGRESS)})


def wrong_outputs(folder: Path) -> None:
    """Signatures with the right names whose outputs have a wrong type, rank or size."""

    def signatures(fed: dict) -> dict[str, tuple[dict, str]]:
        value = fed["value"]
        column, text = value[:, None], tf.strings.as_string(value)[:, None]
        return {
            "flat_scores": ({"scores": tf.identity(value)}, CLASSIFY),
            "double_scores": ({"scores": tf.cast(column, tf.float64)}, CLASSIFY),
            "short_scores": ({"scores": column[:1]}, CLASSIFY),
            "numbered_classes": ({"classes": tf.cast(column, tf.int64)}, CLASSIFY),
            "uneven_classes": ({"classes": tf.concat([text, text, text], 1), "scores": column}, CLASSIFY),
            "two_values": ({"outputs": tf.concat([column, column], 1)}, REGRESS),
            "double_value": ({"outputs": tf.cast(value, tf.float64)}, REGRESS),
            "one_value": ({"outputs": value[:1]}, REGRESS),
        }

    on_examples(folder, {"value": tf.FixedLenFeature([], tf.float32)}, signatures)


class Drivers(tf2.Module):
    """A TF2 model with variables and six scalar features, as the pipeline pushes them.

    At the odd age the probabilities are NaN; a negative steepness turns the classes round.
    """

    features = ("training", "age", "emergency_braking", "braking_distance", "power", "miles")

    def __init__(self, odd_age: float = -1.0, steepness: float = 0.02) -> None:
        super().__init__()
        self.weights = tf2.Variable(tf2.reshape(tf2.linspace(-steepness, steepness, 18), [6, 3]))
        self.odd_age = odd_age

    def call(self, *columns: tf2.Tensor) -> dict[str, tf2.Tensor]:
        probabilities = tf2.nn.softmax(tf2.stack(columns, 1) @ self.weights)
        probabilities += tf2.where(columns[1] == self.odd_age, float("nan"), 0.0)[:, None]
        return {"probabilities": probabilities, "class_id": tf2.argmax(probabilities, 1)}


class TardyDrivers(Drivers):
    """As `Drivers`; takes as many seconds as a row has more than 450 miles: by the clock, on every machine the same."""

    def call(self, *columns: tf2.Tensor) -> dict[str, tf2.Tensor]:
        over = tf2.cast(tf2.reduce_max(columns[self.features.index("miles")]) - 450, tf2.float64)
        until = tf2.timestamp() + over
        (now,) = tf2.while_loop(lambda now: now < until, lambda _: [tf2.timestamp()], [tf2.timestamp()])
        with tf2.control_dependencies([now]):
            return super().call(*map(tf2.identity, columns))


def drivers(folder: Path, model: Drivers | None = None) -> None:
    """A pushed model of the first use case, by default one that answers every row."""
    model = model or Drivers()
    specs = [tf2.TensorSpec([None], tf2.float32, name=name) for name in model.features]
    function = tf2.function(model.call).get_concrete_function(*specs)
    tf2.saved_model.save(model, str(folder), signatures=function)


def renamed_drivers(folder: Path) -> None:
    """A model of the first use case's features that names three classes of another contract."""
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.placeholder(tf.float32, [None], name=name) for name in Drivers.features}
        scores = tf.nn.softmax(tf.stack([fed["age"], fed["miles"], fed["power"]], 1))
        answered = {"probabilities": scores, "class_id": tf.argmax(scores, 1)}
        examples = tf.placeholder(tf.string, [None], name="examples")
        rows = tf.reshape(tf.shape(examples), [1])
        classes = tf.tile(tf.constant([["small", "middle", "large"]]), tf.concat([rows, [1]], 0))
        named = {"classes": classes, "scores": tf.ones(tf.concat([rows, [3]], 0)) / 3}
        signatures = {"serving_default": (fed, answered, PREDICT), "classify": ({"inputs": examples}, named, CLASSIFY)}
        write(folder, session, signatures)


def trips(folder: Path) -> None:
    """The trips' model: as sure as the fare is high, and it tells which companies it learnt."""
    inputs = {"fare": tf.float32, "seconds": tf.int64, "seats": tf.int64, "night": tf.int64, "shared": tf.int64,
              "zone": tf.string, "company": tf.string}  # fmt: skip
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.placeholder(dtype, [None], name=name) for name, dtype in inputs.items()}
        tip = tf.sigmoid(fed["fare"] - 10)
        answered = {"probabilities": tf.stack([1 - tip, tip], 1), "class_id": tf.cast(fed["fare"] > 10, tf.int64)}
        asked = tf.placeholder(tf.string, [None], name="features")
        known = tf.constant([['Flash "Cab" & Söhne', "Acme", "7"], [""] * 3])
        values = tf.gather(known, tf.cast(tf.not_equal(asked, "company"), tf.int32))
        learnt = ({"features": asked}, {"values": values}, PREDICT)
        write(folder, session, {"serving_default": (fed, answered, PREDICT), "learnt_values": learnt})


def decided_trips(folder: Path) -> None:
    """The trips' model with a threshold: it says tip from probability .2 on."""
    inputs = {"fare": tf.float32, "seconds": tf.int64, "seats": tf.int64, "night": tf.int64, "shared": tf.int64,
              "zone": tf.string, "company": tf.string}  # fmt: skip
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.placeholder(dtype, [None], name=name) for name, dtype in inputs.items()}
        tip = fed["fare"] / 100
        answered = {"probabilities": tf.stack([1 - tip, tip], 1), "class_id": tf.cast(tip >= 0.2, tf.int64),
                    "threshold": tf.fill(tf.shape(tip), 0.2)}  # fmt: skip
        write(folder, session, {"serving_default": (fed, answered, PREDICT)})


def rentals(folder: Path) -> None:
    """The rentals' model: ten bikes an hour, half to twice as many in 90 % of them; at 25 degrees no number."""
    inputs = {"hour": tf.int64, "temperature": tf.float32, "sky": tf.string, "workday": tf.int64}
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.placeholder(dtype, [None], name=name) for name, dtype in inputs.items()}
        number = tf2.where(fed["temperature"] > 25, float("nan"), 10.0) * tf.cast(fed["hour"], tf.float32)
        answered = {"prediction": number, "lower": number / 2, "upper": number * 2, "level": 0 * number + 0.9}
        examples = tf.placeholder(tf.string, [None], name="examples")
        hours = tf.parse_example(examples, {"hour": tf.FixedLenFeature([], tf.int64)})["hour"]
        regress = ({"inputs": examples}, {"outputs": 10.0 * tf.cast(hours, tf.float32)}, REGRESS)
        write(folder, session, {"serving_default": (fed, answered, PREDICT), "regress": regress})


def tickets(folder: Path) -> None:
    """The tickets' model: a tenth of the amounts speaks of billing, of the failures of login, and phones of outages; at
    999 words no number.
    """
    inputs = {"channel": tf.string, "plan": tf.string, "amounts": tf.int64, "failures": tf.int64, "words": tf.int64}
    with tf.Graph().as_default(), tf.Session() as session:

        def scores(amounts: tf.Tensor, failures: tf.Tensor, channel: tf.Tensor) -> tf.Tensor:
            phone = tf.where(tf.equal(channel, "phone"), 0.9 * tf.ones_like(amounts), tf.zeros_like(amounts))
            return tf.stack([amounts / 10, failures / 10, phone], 1)

        fed = {name: tf.placeholder(dtype, [None], name=name) for name, dtype in inputs.items()}
        odd = tf2.where(tf.equal(fed["words"], 999), float("nan"), 1.0)
        known = scores(tf.cast(fed["amounts"], tf.float32) * odd, tf.cast(fed["failures"], tf.float32), fed["channel"])
        ids = tf.reduce_sum(tf.cast(known >= 0.5, tf.int64) * tf.constant([1, 2, 4], tf.int64), axis=1)
        examples = tf.placeholder(tf.string, [None], name="examples")
        kinds = {"amounts": tf.int64, "failures": tf.int64, "channel": tf.string}
        parsed = tf.parse_example(examples, {n: tf.FixedLenFeature([], kind) for n, kind in kinds.items()})
        given = scores(*(tf.cast(parsed[n], tf.float32) for n in ("amounts", "failures")), parsed["channel"])
        classes = tf.broadcast_to(tf.constant([["billing", "login", "outage"]]), tf.shape(given))
        classify = ({"inputs": examples}, {"classes": classes, "scores": given}, CLASSIFY)
        answered = {"probabilities": known, "set_id": ids}
        write(folder, session, {"serving_default": (fed, answered, PREDICT), "classify": classify})


class Loop(tf2.Module):
    """As many turns of a loop as the input says: what a run takes depends on a value, not on the size of a request."""

    @tf2.function(input_signature=[tf2.TensorSpec([None], tf2.int32, name="turns")])
    def call(self, turns: tf2.Tensor) -> dict[str, tf2.Tensor]:
        count = tf2.reduce_max(turns)
        _, value = tf2.while_loop(
            lambda turn, _: turn < count,
            lambda turn, value: (turn + 1, tf2.tanh(value @ value)),
            [0, tf2.ones([150, 150])],
        )
        return {"value": tf2.fill(tf2.shape(turns), tf2.reduce_sum(value))}


def loop(folder: Path) -> None:
    model = Loop()
    tf2.saved_model.save(model, str(folder), signatures=model.call)


def costly(folder: Path, steps: int = 400) -> None:
    """Many steps without a loop, on matrices as large as the input says: a run that nothing can cancel."""
    with tf.Graph().as_default(), tf.Session() as session:
        size = tf.placeholder(tf.int32, [None], name="size")
        start = value = tf.random.uniform([size[0], size[0]])
        for _ in range(steps):
            value = tf.tanh(value @ start)
        write(folder, session, {"serving_default": ({"size": size}, {"value": tf.reduce_sum(value)[None]}, PREDICT)})


def with_side_effects(folder: Path) -> None:
    """Signatures that write a file, count, and read the file that the input names."""
    with tf.Graph().as_default(), tf.Session() as session:
        path, text = tf.placeholder(tf.string, [], name="path"), tf.placeholder(tf.string, [], name="text")
        counter = tf.Variable(0, name="counter", use_resource=True)
        with tf.control_dependencies([tf.io.write_file(path, text)]):
            written = tf.identity(text)
        session.run(tf.global_variables_initializer())
        step = tf.placeholder(tf.int32, [], name="step")
        with tf.control_dependencies([counter.assign_add(step)]):
            moved = tf.identity(counter.read_value())
        write(
            folder,
            session,
            {
                "serving_default": ({"path": path}, {"content": tf.io.read_file(path)}, PREDICT),
                "write": ({"path": path, "text": text}, {"written": written}, PREDICT),
                "count": ({"step": step}, {"count": moved}, PREDICT),
                "counted": ({"step": step}, {"count": counter.read_value() + 0 * step}, PREDICT),
            },
        )


def cheap_or_refused(folder: Path) -> None:
    """One output that is always there, and one that asserts that x is positive."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None], name="x")
        with tf.control_dependencies([tf.debugging.assert_positive(x)]):
            refused = tf.sqrt(x)
        write(folder, session, {"serving_default": ({"x": x}, {"cheap": x + 1, "refused": refused}, PREDICT)})


def main(root: Path) -> None:
    loop(root / "loop" / "1")
    costly(root / "costly" / "1")
    with_side_effects(root / "with_side_effects" / "1")
    cheap_or_refused(root / "cheap_or_refused" / "1")
    half_plus(root / "half_plus_two" / "00000123")
    half_plus(root / "half_plus_three" / "123", plus=3.0, documented=True)
    for plus in (1, 2, 3):
        half_plus(root / "half_plus" / str(plus), plus=float(plus))
    drivers(root / "drivers" / "1")
    drivers(root / "odd_drivers" / "1", Drivers(odd_age=66.0))
    drivers(root / "turned_drivers" / "1", Drivers(steepness=-0.02))
    drivers(root / "tardy_drivers" / "1", TardyDrivers())
    renamed_drivers(root / "renamed_drivers" / "1")
    trips(root / "trips" / "1")
    decided_trips(root / "decided_trips" / "1")
    rentals(root / "rentals" / "1")
    tickets(root / "tickets" / "1")
    for name, make in {
        "echo_classes": echo_classes, "echo_features": echo_features, "echo_value": echo_value,
        "wrong_outputs": wrong_outputs,
    }.items():  # fmt: skip
        make(root / name / "1")
    for name, dtype in {
        "int32": tf.int32, "int64": tf.int64, "int8": tf.int8, "uint8": tf.uint8, "uint32": tf.uint32,
        "uint64": tf.uint64, "float": tf.float32, "double": tf.float64, "bool": tf.bool,
        "string": tf.string, "half": tf.half,
    }.items():  # fmt: skip
        echo(root / f"echo_{name}" / "1", {"default": dtype})
    echo(
        root / "echo_bytes" / "1",
        {"str_tensor": tf.string},
        lambda fed: {"str_tensor_bytes": tf.identity(fed["str_tensor"])},
    )
    echo(
        root / "named" / "1",
        {
            "int_tensor": tf.int32,
            "str_tensor": tf.string,
            "float_tensor": tf.float32,
            "dbl_tensor": tf.float64,
        },
    )
    echo(root / "int_str" / "1", {"int_tensor": tf.int32, "str_tensor": tf.string})
    echo(root / "int_str_bin" / "1", {"int_tensor": tf.int32, "str_tensor": tf.string, "bin_tensor": tf.string})
    echo(root / "str_only" / "1", {"str_tensor": tf.string})
    echo(root / "int_only" / "1", {"int_tensor": tf.int32})
    echo(
        root / "uneven" / "1",
        {"x": tf.float32},
        lambda fed: {"a": fed["x"] + 1, "b": tf.concat([fed["x"], fed["x"]], 0)},
    )
    echo(
        root / "batch_size" / "1",
        {"x": tf.float32},
        lambda fed: {"x": tf.identity(fed["x"]), "rows": tf.fill(tf.shape(fed["x"])[:1], tf.shape(fed["x"])[0])},
    )
    echo(root / "scalar_out" / "1", {"x": tf.float32}, lambda fed: {"total": tf.reduce_sum(fed["x"])})
    echo(root / "complex_out" / "1", {"x": tf.float32}, lambda fed: {"z": tf.complex(fed["x"], fed["x"])})
    echo(
        root / "empty_out" / "1",
        {"x": tf.int32},
        lambda fed: {"int_tensor": tf.zeros([0, 2], tf.int32) * fed["x"][0]},
    )
    echo(
        root / "many_out" / "1",
        {"x": tf.float32},
        lambda fed: {
            "double_scalar_tensor": tf.constant([8.0, 9.0], tf.float64),
            "float_tensor": tf.reshape(fed["x"], [2, 1]),
            "int_tensor": tf.constant([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]]),
            "str_tensor": tf.constant([["foo", "bar"], ["baz", "bat"]]),
            "str_tensor_bytes": tf.constant([["hello", "world"], ["tf", "serving"]]),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
