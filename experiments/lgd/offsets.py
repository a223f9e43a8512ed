"""`eval.py lgd-offsets`: where a detector or an annotator puts keypoints on the body."""

import numpy as np

from experiments.lgd.arguments import Offsets
from ief_jax.body import joints, model_files
from ief_jax.formats import detection_files, detections
from ief_jax.geometry import skeletons
from ief_jax.io import files
from ief_jax.io.files import InputError
from ief_jax.lgd import checkpoints, keypoint_offsets


def run(arguments: Offsets) -> None:
    """Calibrates offsets, and prints them beside the residuals before and after.

    Raises:
      InputError: a file cannot be read, or has too few people.
      OutputError: the file cannot be written.
    """
    body = model_files.load_or_embedded(arguments.body)
    checkpoint = checkpoints.load(arguments.checkpoint)
    read = [detection_files.read(path, arguments.skeleton) for path in arguments.keypoints]
    found, _ = detections.usable(detections.joined([detections.to_union(one) for one in read]))
    people = len(found.points)
    if people < keypoint_offsets.FEWEST:
        raise InputError(
            f"{arguments.keypoints[0]}: {people} people with enough keypoints, expected "
            f"{keypoint_offsets.FEWEST} at least, to tell offsets from poses"
        )
    rows = np.random.default_rng(0).permutation(people)[: arguments.count]
    calibrated = keypoint_offsets.calibrate(
        checkpoint, joints.fold(body), found.points[rows], found.confidence[rows]
    )
    print(_table(calibrated, len(rows)))
    if arguments.json is not None:
        content = {name: list(offset) for name, offset in calibrated.offsets.items()}
        files.write_json(arguments.json, content)


def _table(calibrated: keypoint_offsets.Calibration, people: int) -> str:
    before, after = (1000 * part for part in (calibrated.before, calibrated.after))
    lines = [
        f"{people} people; offsets in mm (left, up, ahead), residuals in mm (median)",
        "",
        "| keypoint | left | up | ahead | before | after |",
        "|---|---|---|---|---|---|",
    ]
    for row, name in enumerate(skeletons.UNION_27):
        if name in calibrated.offsets:
            left, up, ahead = (1000 * part for part in calibrated.offsets[name])
            medians = (float(np.nanmedian(part[:, row])) for part in (before, after))
            cells = [f"{value:.0f}" for value in (left, up, ahead, *medians)]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    every = (float(np.nanmedian(part)) for part in (before, after))
    lines.append(f"| all | | | | {' | '.join(f'{value:.1f}' for value in every)} |")
    return "\n".join(lines)
