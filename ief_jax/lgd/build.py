"""A fitter from its configuration: the problem on a body, the network, its first weights."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ief_jax.body import joints, smpl
from ief_jax.geometry import keypoints2d, skeletons
from ief_jax.io import checkpoint_files
from ief_jax.io.files import InputError
from ief_jax.lgd import belief, checkpoints, iteration, parameters, reprojection, upright
from ief_jax.lgd import features as lgd_features
from ief_jax.lgd.config import LGDConfig
from ief_jax.precision import cast

if TYPE_CHECKING:
    from ief_jax.lgd.network import UpdateNetwork

PARAMETERISATIONS = {
    "axis_angle": parameters.AXIS_ANGLE,
    "six_d": parameters.SIX_D,
}

FEATURES = {
    "gradient": lgd_features.gradient_features,
    "theta": lgd_features.theta_features,
    "keypoints": lgd_features.keypoint_features,
}

LAYOUT = skeletons.UNION_27
"""The keypoints that the networks know."""

HEIGHTS = upright.heights(LAYOUT)
"""How the keypoints show which way up a person is."""


def problem(configuration: LGDConfig, model: joints.JointModel) -> reprojection.Problem:
    """The fitting problem of a configuration on a body."""
    model = joints.restrict(model, LAYOUT)
    return reprojection.Problem(
        PARAMETERISATIONS[configuration.parameterisation],
        model,
        jnp.asarray(skeletons.selection(LAYOUT, model.names)),
        skeletons.opposite(LAYOUT),
    )


def features(configuration: LGDConfig) -> lgd_features.Features:
    """What a configuration's network sees."""
    return lgd_features.concatenate(*(FEATURES[name] for name in configuration.inputs))


def network(configuration: LGDConfig, task: reprojection.Problem) -> "UpdateNetwork":
    """A configuration's network, without weights."""
    # flax, which a program that is kept does not need, takes longer to import than a fit.
    from ief_jax.lgd.network import UpdateNetwork

    outputs = iteration.theta_size(task)
    if configuration.second_order_steps:
        outputs += belief.output_size(task.model.betas, len(LAYOUT))
    return UpdateNetwork(outputs, configuration.width, configuration.blocks)


def proposal(
    configuration: LGDConfig,
    task: reprojection.Problem,
    weights: checkpoint_files.Weights,
    compute: DTypeLike | None = None,
) -> iteration.Proposal:
    """What a configuration's network proposes, as it is trained.

    Args:
      configuration: of the network.
      task: the problem that it is part of.
      weights: of the network.
      compute: dtype that the network alone is computed in; by default that of its weights.
    """
    module = network(configuration, task)

    def apply(shown: jax.Array) -> jax.Array:
        # Cast at each step, so that the gradients of the steps are added up uncast.
        network_alone = {"params": weights["params"]}
        found = module.apply(cast(network_alone, compute), cast(shown, compute))
        return jnp.asarray(found, shown.dtype)

    return iteration.proposal(apply, features(configuration))


def correlation(weights: checkpoint_files.Weights) -> jax.Array:
    """How errors of the network's bodies go together: `GaussianPrior.correlation`.

    Raises:
      KeyError: the weights are of a configuration without second-order steps.
    """
    return belief.correlation_of(weights["correlation"]["factor"])


def initial_weights(
    configuration: LGDConfig, task: reprojection.Problem, key: jax.Array
) -> checkpoint_files.Weights:
    """First weights of a configuration: a random network whose errors do not go together."""
    module = network(configuration, task)

    @jax.jit  # one program, where each small operation would be compiled for itself
    def initial(key: jax.Array) -> checkpoint_files.Weights:
        theta = task.parameterisation.start(task.model.betas)
        observed = keypoints2d.Keypoints2D(jnp.zeros((len(LAYOUT), 2)), jnp.ones(len(LAYOUT)))
        weights = module.init(key, features(configuration)(theta, theta, observed)[None])
        if configuration.second_order_steps:
            size = 3 * smpl.JOINTS + task.model.betas
            weights = {**weights, "correlation": {"factor": jnp.eye(size)}}
        return weights

    return initial(key)


def check_checkpoint(checkpoint: checkpoints.Checkpoint, model: joints.JointModel) -> None:
    """Sees that a checkpoint's weights fit its configuration and the body.

    Raises:
      InputError: there is no such parameterisation or input; or lists what is missing, unknown or
        of another shape.
    """
    configuration = checkpoint.configuration
    source = f"checkpoint '{configuration.name}'"
    if configuration.parameterisation not in PARAMETERISATIONS:
        raise InputError(
            f"{source}: parameterisation '{configuration.parameterisation}' is not one of "
            f"{', '.join(PARAMETERISATIONS)}"
        )
    for name in configuration.inputs:
        if name not in FEATURES:
            raise InputError(f"{source}: input '{name}' is not one of {', '.join(FEATURES)}")

    def initial(key: jax.Array) -> checkpoint_files.Weights:
        return initial_weights(configuration, problem(configuration, model), key)

    expected = checkpoint_files.shapes(initial, source)
    checkpoint_files.check_weights(checkpoint.weights, expected, source)
