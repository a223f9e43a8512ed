"""Which skeleton a file's keypoints are of: by the user's word, the file's, or how people look."""

from collections.abc import Collection, Sequence

import numpy as np

from ief_jax.formats import keypoint_names, layout_evidence
from ief_jax.formats.detections import MINIMUM_SEEN
from ief_jax.formats.messages import known, refusal
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError


def settle(
    points: np.ndarray,
    confidence: np.ndarray,
    skeleton: str | None,
    names: tuple[str, ...] | None,
    usual: Collection[str] = (),
) -> tuple[tuple[str, ...], str, str]:
    """Names of the keypoints, skeleton and evidence.

    Args:
      points: [N, K, 2] pixels.
      confidence: [N, K].
      skeleton: of the user's or the file's word.
      names: those in the file.
      usual: the layouts that the file's own tool writes.

    Raises:
      InputError: the number does not fit, the names or the number are not known, or several
        layouts are about as likely; says what would settle it.
    """
    count = points.shape[1]
    if skeleton is not None:
        stated = skeletons.LAYOUTS[skeleton]
        if len(stated) != count:
            raise InputError(
                f"{count} keypoints a person, but skeleton {skeleton} has {len(stated)}"
            )
        return stated, skeleton, "as stated"
    if names:
        return _named(keypoint_names.known_names(names), names, count)
    candidates = [name for name, layout in skeletons.LAYOUTS.items() if len(layout) == count]
    if not candidates:
        raise InputError(f"unknown skeleton of {count} keypoints: expected {known()}; {refusal()}")
    if len(candidates) == 1:
        return skeletons.LAYOUTS[candidates[0]], candidates[0], f"{count} keypoints"
    likely = layout_evidence.log_likelihoods(
        points, confidence > 0, [skeletons.LAYOUTS[name] for name in candidates]
    )
    order = np.argsort(-likely)
    best, lead = candidates[order[0]], likely[order[0]] - likely[order[1]]
    others = [candidates[i] for i in order[1:]]
    if (confidence > 0).sum(1).max() < MINIMUM_SEEN:
        # Nobody can be fitted, whichever it is.
        return skeletons.LAYOUTS[best], best, f"{count} keypoints, too few seen to be sure"
    if not lead > layout_evidence.SURE:
        written = [name for name in candidates if name in usual]
        if len(written) == 1:
            return (
                skeletons.LAYOUTS[written[0]],
                written[0],
                f"{count} keypoints, as this form of file usually has; too few seen to be sure",
            )
        raise InputError(
            f"{count} keypoints may be {' or '.join(sorted(candidates))}, and too little is seen "
            f"to tell: say which with --skeleton"
        )
    return (
        skeletons.LAYOUTS[best],
        best,
        f"likelier bodies than as {' or '.join(others)}: by {lead:.0f} nats",
    )


def _named(
    names: tuple[str, ...], theirs: tuple[str, ...], count: int
) -> tuple[tuple[str, ...], str, str]:
    evidence = "names in the file"
    if len(names) != count:
        longer = [
            layout
            for layout in skeletons.LAYOUTS.values()
            if len(layout) == count and layout[: len(names)] == names
        ]
        if longer:
            evidence = f"{count} keypoints that begin with the {len(names)} names in the file"
            names = longer[0]
        elif names[:count] in skeletons.LAYOUTS.values():
            evidence = f"the first {count} of {len(names)} names in the file"
            names = names[:count]
        else:
            raise InputError(f"{count} keypoints a person, but {len(names)} names for them")
    fitted = {n for k in skeletons.UNION_27 for n in (k, *skeletons.SAME_PLACE.get(k, ()))}
    if len(fitted & set(names)) < MINIMUM_SEEN:
        raise InputError(
            "unknown skeleton: too few of the file's keypoint names "
            f"({_shown(theirs)}) are known ({_shown(skeletons.COCO_17)}); --names FILE.json maps "
            f'them, such as {{"snout": "nose"}}; {refusal()}'
        )
    for name, layout in skeletons.LAYOUTS.items():
        if layout == names:
            return names, name, evidence
    unused = [one for name, one in zip(names, theirs, strict=False) if name not in fitted]
    if unused:
        evidence += f"; not used: {', '.join(unused[:8])}{', ...' if len(unused) > 8 else ''}"
    return names, "of its own", evidence


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
