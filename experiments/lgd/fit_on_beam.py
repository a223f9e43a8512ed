"""Bodies of very many keypoints on Apache Beam: the parts of `ief-jax fit`, by as many workers.

    pip install -e '.[beam]'
    python -m experiments.lgd.fit_on_beam keypoints/ --output out/ [Beam's own options]

Both folders are ones that all workers see. A part that is there is not made again, so that a worker
that is lost, or a job that is started anew, costs the parts that were under way. `ief-jax fit
keypoints/ --no-pictures --output out/` puts them together, where one file is wanted.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from ief_jax.cli import bodies, command_line, fit_parts, fit_source
from ief_jax.cli.fit_parts import Job
from ief_jax.formats import photographs
from ief_jax.formats.assembling import Options


def job(keypoints: Path, output: Path, checkpoint: str, skeleton: str | None) -> Job:
    """What `ief-jax fit keypoints/ --no-pictures` does with many frames."""
    body = bodies.load_body(None, "neutral")
    trained = bodies.load_checkpoint(checkpoint, body)
    source = fit_source.of_files((keypoints,), Options(skeleton))
    return Job(source, output, trained, body, "neutral", None, None, photographs.EMPTY, None, False)


class Fit(beam.DoFn):
    """Number of a part to itself, when the part has been made; a program is compiled a worker."""

    def __init__(self, prepare: Callable[[], Job]) -> None:
        self._prepare = prepare

    def setup(self) -> None:
        """Loads what all parts have in common."""
        self._job = self._prepare()
        self._fit = fit_parts.fitter(self._job.checkpoint, self._job.body)

    def process(self, number: int) -> Iterator[int]:
        """Makes the part if it is not there."""
        if not fit_parts.is_there(self._job, number):
            fit_parts.make(self._job, self._fit, number)
        yield number


def run(prepare: Callable[[], Job], options: PipelineOptions) -> None:
    """Makes all parts that are not there."""
    whole = prepare()
    fit_parts.claim(whole)
    with beam.Pipeline(options=options) as pipeline:
        numbers = pipeline | beam.Create(range(whole.source.parts)) | beam.Reshuffle()
        _ = numbers | beam.ParDo(Fit(prepare))


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("keypoints", type=Path, help="folder of files of keypoints")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--checkpoint", default="released", help="as of ief-jax fit")
    parser.add_argument("--skeleton", help="as of ief-jax fit")
    given, others = parser.parse_known_args(words)
    prepare = partial(job, given.keypoints, given.output, given.checkpoint, given.skeleton)
    return command_line.guarded(
        "experiments.lgd.fit_on_beam", lambda: run(prepare, PipelineOptions(others))
    )


if __name__ == "__main__":
    sys.exit(main())
