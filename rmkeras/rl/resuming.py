"""What a run needs to go on where it stopped, beside the policy's weights."""

from __future__ import annotations

import keras

from rmkeras.distribute.same_run import check_alike


class Resuming:
    """State of a trainer: taken, and given back to a new one that is made alike.

    A trainer has `policy`, `optimizer`, `variables` (what the optimizer changes) and
    `steps_done`, and says in `decides` what may not change on the way.
    """

    def decides(self):
        """What a run may not change on the way, or it would be another: a dict."""
        return {"algorithm": type(self).__name__}

    def _own(self):
        """Variables beside the policy's."""
        known = {id(v) for v in self.policy.trainable_variables}
        return [v for v in self.variables if id(v) not in known]

    def state(self):
        """Returns numbers for JSON and arrays, which `load_state` takes back.

        The policy's weights are not among them: they are saved as a model.
        """
        arrays = {f"optimizer_{i}": v for i, v in enumerate(self.optimizer.variables)}
        arrays |= {f"own_{i}": v for i, v in enumerate(self._own())}
        arrays = {k: keras.ops.convert_to_numpy(v) for k, v in arrays.items()}
        return {"decides": self.decides(), "steps_done": self.steps_done}, arrays

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned.

        Raises:
            ValueError: If it is that of another algorithm, or of another seed,
                batch or prompts.
        """
        check_alike(numbers["decides"], self.decides())
        self.steps_done = numbers["steps_done"]
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"optimizer_{i}"])
        for i, variable in enumerate(self._own()):
            variable.assign(arrays[f"own_{i}"])
