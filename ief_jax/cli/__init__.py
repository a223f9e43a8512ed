"""The command `ief-jax`.

Whatever needs jax is imported inside the commands, so that help and errors in the input come at
once.
"""

from collections.abc import Callable, Sequence

from ief_jax.cli import body as body_commands
from ief_jax.cli import command_line, inspect_command
from ief_jax.cli import fit as fit_commands
from ief_jax.cli import keypoints as keypoint_commands

COMMANDS: dict[str, Callable[..., None]] = {
    "body": body_commands.body,
    "keypoints": keypoint_commands.keypoints,
    "fit": fit_commands.fit,
    "inspect": inspect_command.inspect,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 2 if the input or the output was no good."""
    return command_line.run(
        "ief-jax",
        COMMANDS,
        arguments,
        description="Keypoints of people in photographs, and 3D bodies fitted to keypoints.",
    )
