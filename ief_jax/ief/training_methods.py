"""What a network is trained on: the paper's method, what the paper compares it with, and ours."""

from collections.abc import Mapping
from typing import NamedTuple

from ief_jax.ief import losses
from ief_jax.ief.losses import ErrorMeasure


class Method(NamedTuple):
    """How a network is trained.

    Attributes:
      bounded: target corrections are at most L long.
      consolidated: one step first, then two, and so on (Fixed Path Consolidation, Algorithm 1);
        else all from the beginning.
      on_policy: the states are those that the network's own corrections lead to, not those of the
        fixed path.
      jitter: states off the start are moved by up to this many L (standard deviation).
      steps: T.
      apply_bound: corrections are cut to L before they are added.
      h: how much an error counts, [..., 2] in units of L.
    """

    bounded: bool
    consolidated: bool
    on_policy: bool
    jitter: float
    steps: int
    apply_bound: bool = False
    h: ErrorMeasure = losses.squared_error


METHODS: Mapping[str, Method] = {
    # Algorithm 1.
    "ief": Method(True, True, False, 0.0, 4),
    # Figure 4: all steps from the first epoch on.
    "no_fpc": Method(True, False, False, 0.0, 4),
    # Table 3: the whole correction in one step.
    "direct": Method(False, False, False, 0.0, 1),
    # Table 3: the whole correction, again and again, from wherever the last one led.
    "iterative_direct": Method(False, True, True, 0.0, 4),
    # Ours: on the fixed path the direction can be read off y_t - y_0 without the image,
    # but at test time the steps before were not as good. Moved states take that away.
    "jittered": Method(True, True, False, 1.0, 4),
    # Ours, for networks that say where a keypoint is: the target is the whole correction, the
    # first L of it is applied, and the next training state is where that led.
    "on_policy": Method(False, True, True, 0.0, 4, apply_bound=True, h=losses.smooth_distance),
}
