"""Makes the synthetic data set: `python -m data.synthetic --data-dir DIR [--train 20000] ...`."""

import sys
from pathlib import Path

import tyro

from data.synthetic import reader
from ief_jax.cli import command_line


def main(
    data_dir: Path = Path("downloads"),
    train: int = reader.COUNTS["train"],
    validation: int = reader.COUNTS["validation"],
    test: int = reader.COUNTS["test"],
    processes: int | None = None,
) -> None:
    """Makes the synthetic data set.

    Args:
      data_dir: folder that is to hold `synthetic/`.
      train: people to train on.
      validation: people to choose on.
      test: people to measure on.
      processes: that work side by side; one a core by default.
    """
    counts = {"train": train, "validation": validation, "test": test}
    for split, count in counts.items():
        print(reader.prepare(data_dir, split, count, processes))


if __name__ == "__main__":
    sys.exit(command_line.guarded("data.synthetic", lambda: tyro.cli(main)))
