"""What a run came to, for a person: summary.md and curves.png in its folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax

from ief_jax.io.files import replacing
from ief_jax.training import history

FILE_NAME, PICTURE = "summary.md", "curves.png"

Lines = Sequence[Mapping[str, float]]


def write(workdir: Path, name: str, ending: str, best: str, *, done: int, batch_size: int) -> None:
    """Writes both files, of the lines of metrics that there are.

    Args:
      workdir: the run's folder.
      name: of what is trained.
      ending: how the run ended, as "finished".
      best: of which weights validation thinks most; empty if there was none.
      done: steps made.
      batch_size: examples a step.

    Raises:
      OutputError: they cannot be written.
    """
    from ief_jax.viz import step_figure, training_curves  # Matplotlib is slow to import

    lines = history.lines(workdir, done)
    step_figure.write(workdir / PICTURE, training_curves.figure(lines, f"{name}: {workdir.name}"))
    text = "\n".join(_text(lines, name, ending, best, done, batch_size))
    with replacing(workdir / FILE_NAME) as file:
        file.write(f"{text}\n".encode())


def _text(
    lines: Lines, name: str, ending: str, best: str, done: int, batch_size: int
) -> Iterator[str]:
    device = jax.devices()[0]
    yield f"# {name}: {ending}"
    yield ""
    yield f"- {done} steps of {batch_size} examples"
    yield f"- on {jax.device_count()} x {device.device_kind}, JAX {jax.__version__}"
    if not lines:
        return
    seconds = sum(_seconds(lines, batch_size))
    yield f"- trained for {_duration(seconds)}, compiling included, without breaks and checkpoints"
    lowest = min(lines, key=lambda line: line["loss"])
    yield f"- lowest loss {lowest['loss']:.5g} at step {lowest['step']}"
    if best:
        yield f"- {best}"
    yield ""
    yield f"![Curves]({PICTURE})"
    yield ""
    yield f"| | step {lines[0]['step']} | step {lines[-1]['step']} |"
    yield "|---|---|---|"
    for metric in lines[-1]:
        if metric not in ("step", "time"):
            first = f"{lines[0][metric]:.4g}" if metric in lines[0] else ""
            yield f"| {metric} | {first} | {lines[-1][metric]:.4g} |"


def _seconds(lines: Lines, batch_size: int) -> Iterator[float]:
    """That the steps up to each line took since the one before."""
    before = 0.0
    for line in lines:
        yield (line["step"] - before) * batch_size / line["examples_per_second"]
        before = line["step"]


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
