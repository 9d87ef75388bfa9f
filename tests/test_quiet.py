import os
import platform
import subprocess
import sys

import pytest

PRINT = """
from rmkeras.quiet import import_tensorflow
import_tensorflow()
from tensorflow.python.framework import test_util
print(test_util.IsMklEnabled())
"""


def onednn(**environment):
    inherited = {k: v for k, v in os.environ.items() if "ONEDNN" not in k}
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip() == "True"


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorFlow has oneDNN on x86 under Linux",
)
def test_products_are_onednns_unless_the_user_says_no():
    assert onednn()
    assert not onednn(TF_ENABLE_ONEDNN_OPTS="0")
