"""Keeps TensorFlow, TFX and Beam from talking over the command line; what we log ourselves is not touched."""

import logging
import os
import warnings

LIBRARIES = ("absl", "apache_beam", "tensorflow", "tfx", "tensorflow_transform", "root_beam", "h5py")


def quiet_libraries() -> None:
    """Call before TensorFlow is imported: its C++ part reads these variables once. Errors still show."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums on every machine, and no banner
    os.environ.setdefault("GLOG_minloglevel", "2")
    warnings.filterwarnings("ignore")
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def quiet_after_import() -> None:
    """absl resets its verbosity when TFX is imported, hence once more."""
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.FATAL)
    absl_logging.set_stderrthreshold("fatal")
    quiet_libraries()
