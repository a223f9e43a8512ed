"""Every reader on damaged files: what cannot be read ends in an error that is named, and at once.

The mutants are drawn from a seed; IEF_JAX_MUTANTS=10000 makes it a long run.
"""

import json
import os
import pickle
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.io
from PIL import Image

from data.amass import reader as amass_reader
from data.cmu import clips
from data.coco import reader as coco_reader
from data.keypoints import matlab, people
from data.mpii import annotations as mpii
from data.threedpw import reader as threedpw_reader
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.formats import detection_files, photographs, poses
from ief_jax.formats.assembling import Options
from ief_jax.geometry import skeletons
from ief_jax.io import safe_pickle
from ief_jax.io.files import InputError
from ief_jax.lgd import checkpoints
from tests.data import test_cmu, test_threedpw
from tests.formats import test_detectors as detectors
from tests.helpers import amass_files, detector_files, fabricated_keypoints, tiny
from tests.helpers.fabricated import smpl_fields
from tests.helpers.mutants import mutants
from tests.helpers.old_pickles import official, write_python2

MUTANTS = int(os.environ.get("IEF_JAX_MUTANTS", "200"))
SECONDS = 5.0
"""Of the processor: a busy machine is no fault of a reader."""


class Case(NamedTuple):
    """How a good file is made in a folder, how it is read, and the share of mutants to try."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    share: float = 1.0


def json_file(content: Any) -> Callable[[Path], Path]:
    return lambda folder: detector_files.write(folder / "a.json", content)


def text_file(name: str, text: str) -> Callable[[Path], Path]:
    return lambda folder: detector_files.write(folder / name, text)


def npz_file(**arrays: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        np.savez_compressed(folder / "a.npz", **arrays)
        return folder / "a.npz"

    return make


def coco_people(path: Path) -> None:
    """As it is read of a release: the images are there."""
    coco_reader.people(path, path.parent)


def coco_annotations(folder: Path) -> Path:
    fabricated_keypoints.coco(folder)
    (path,) = folder.rglob("person_keypoints_*.json")
    for image in folder.rglob("*.jpg"):
        image.rename(path.parent / image.name)
    return path


def checkpoint(folder: Path) -> Path:
    model = joints.fold(model_files.embedded())
    return tiny.folder(folder / "tiny", model) / "model.npz"


def body_npz(folder: Path) -> Path:
    np.savez(folder / "body.npz", **smpl_fields())  # type: ignore[arg-type]
    return folder / "body.npz"


def poses_pickle(folder: Path) -> Path:
    content = {"smpl_poses": np.zeros((3, 72)), "smpl_scaling": np.ones(1)}
    (folder / "a.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return folder / "a.pkl"


def romp(folder: Path) -> Path:
    results = np.array({"smpl_thetas": np.zeros((3, 72)), "smpl_betas": np.zeros((3, 10))}, object)
    np.savez(folder / "a.npz", allow_pickle=True, results=results)
    return folder / "a.npz"


def body_zip(folder: Path) -> Path:
    body = write_python2(official(smpl_fields()), folder / "SMPL_NEUTRAL.pkl", 2)
    with zipfile.ZipFile(folder / "smpl.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(body, "models/SMPL_NEUTRAL.pkl")
    return folder / "smpl.zip"


def clip(folder: Path, kind: str) -> Path:
    return getattr(test_cmu.Fabricated(folder), kind)


def photograph(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(noise).save(folder / f"a{suffix}", exif=exif)
        return folder / f"a{suffix}"

    return make


def mpii_mat(folder: Path) -> Path:
    person = fabricated_keypoints.mpii_person(0)
    (folder / "mpii").mkdir()
    return fabricated_keypoints.mpii_mat(folder, [("a.jpg", 1, [person])])


def lsp_mat(folder: Path) -> Path:
    scipy.io.savemat(folder / "joints.mat", {"joints": np.ones((3, 14, 4))}, do_compression=True)
    return folder / "joints.mat"


def amass(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    return amass_files.smplh(folder / "a_poses.npz", rng.normal(0, 0.3, (5, 156)))


def threedpw(folder: Path) -> Path:
    model = joints.fold(model_files.embedded())
    return test_threedpw.write(folder, test_threedpw.fields(model))


def prior(folder: Path) -> Path:
    path = folder / "prior.npz"
    source = Path(model_files.__file__).parents[1] / "assets" / "pose_prior.npz"
    path.write_bytes(source.read_bytes())
    return path


READ = detection_files.read
CASES: dict[str, Case] = {
    "openpose": Case(json_file(detector_files.openpose(detector_files.layout("BODY_25"))), READ),
    "coco annotations": Case(
        json_file(detector_files.annotations(detector_files.layout("COCO_17"))), READ
    ),
    "coco results": Case(
        json_file([detector_files.results(detector_files.layout("COCO_17"), i) for i in (1, 2)]),
        READ,
    ),
    "mmpose": Case(
        json_file(
            {
                "meta_info": detectors.META,
                "instance_info": [{"frame_id": 1, "instances": [detectors.mmpose_person()]}],
            }
        ),
        READ,
    ),
    "alphapose": Case(json_file({"1.jpg": detectors.ALPHAPOSE}), READ),
    "alphapose cmu": Case(json_file({"1.jpg": detectors.CMU}), READ),
    "ultralytics": Case(json_file([detectors.ultralytics_person()]), READ),
    "easymocap": Case(json_file(detectors.EASYMOCAP), READ),
    "mediapipe": Case(json_file(detectors.MEDIAPIPE), READ),
    "yolo": Case(
        text_file("a.txt", detectors.yolo()),
        lambda path: READ(path, options=Options(size=detector_files.SIZE)),
    ),
    "deeplabcut": Case(text_file("a.csv", detectors.dlc(list(skeletons.COCO_17), 2)), READ),
    "npz of keypoints": Case(
        npz_file(
            points=detector_files.array(skeletons.COCO_17)[None, :, :2].repeat(2, 0),
            confidence=np.ones((2, 17)),
            frame=np.array([0, 1]),
            person=np.array([0, 0]),
            id=np.array([1, 1]),
            frame_names=np.array(["a", "b"]),
            frame_numbers=np.array([0, 1]),
            images=np.array(["a.jpg", ""]),
            image_size=np.array([640, 480]),
            fps=np.array(25.0),
            keypoint_names=np.array(skeletons.COCO_17),
        ),
        READ,
    ),
    "poses": Case(npz_file(poses=np.zeros((3, 72)), betas=np.zeros(10)), poses.read),
    "pickle of poses": Case(poses_pickle, poses.read),
    "romp": Case(romp, poses.read),
    "zip of bodies": Case(body_zip, model_files.load),
    "checkpoint": Case(checkpoint, checkpoints.read, 0.25),
    "pose prior": Case(prior, pose_prior.load, 0.1),
    "body npz": Case(body_npz, model_files.load),
    "body pickle": Case(
        lambda folder: write_python2(official(smpl_fields()), folder / "b.pkl", 2),
        model_files.load,
    ),
    "body pickle, protocol 0": Case(
        lambda folder: write_python2(official(smpl_fields()), folder / "b.pkl", 0),
        model_files.load,
    ),
    "amass": Case(amass, lambda path: amass_reader.read(path, 30.0)),
    "bvh": Case(lambda folder: clip(folder, "bvh"), lambda path: clips.read_bvh(path, 120)),
    "asf": Case(
        lambda folder: clip(folder, "asf"),
        lambda path: clips.read_amc(path.with_name("02_01.amc"), path, 120),
    ),
    "amc": Case(
        lambda folder: clip(folder, "amc"),
        lambda path: clips.read_amc(path, path.with_name("02.asf"), 120),
    ),
    "3dpw": Case(threedpw, threedpw_reader.sequence),
    "mpii json": Case(
        json_file([fabricated_keypoints.mpii_json_person("a.jpg", seed) for seed in (0, 1)]),
        mpii.from_json,
    ),
    # SciPy's reader runs in a process of its own, for half a second each.
    "mpii mat": Case(mpii_mat, mpii.from_mat, 0.03),
    "lsp mat": Case(lsp_mat, lambda path: matlab.leeds_joints(path, (3, 14, 4)), 0.03),
    "coco data set": Case(coco_annotations, coco_people),
    "image of a person": Case(photograph(".jpg"), people.decode),
    "jpeg": Case(photograph(".jpg"), photographs.read),
    "png": Case(photograph(".png"), photographs.read),
    "tiff": Case(photograph(".tif"), photographs.read),
    "webp": Case(photograph(".webp"), photographs.read),
}


@pytest.mark.parametrize("name", CASES)
def test_damaged_files_are_refused_by_name_and_at_once(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    path = case.make(tmp_path)
    case.read(path)
    content = path.read_bytes()
    count = max(1, int(MUTANTS * case.share))
    for number, mutant in enumerate(mutants(content, seed=len(name), count=count)):
        path.write_bytes(mutant)
        started = time.process_time()
        try:
            with warnings.catch_warnings():
                # Libraries warn of much that is then refused.
                warnings.simplefilter("ignore")
                case.read(path)
        except InputError as error:
            assert str(error)
        except Exception as error:
            kept = tmp_path.parent / f"mutant-{name}-{number}"
            kept.write_bytes(mutant)
            pytest.fail(f"{kept}: {type(error).__name__}: {error}")
        assert time.process_time() - started < SECONDS, number


# Pickles made to take all time or memory


def nested(depth: int, one: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = one(value)
    return value


TUPLES = b"".join([b"I1\n", b"\x85" * 40_000])
LAUGHS = (
    b"]"
    + b"q\x00"
    + b"".join(
        b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1])
        for i in range(30)
    )
)
DIAMONDS = b"I1\nq\x00" + b"".join(
    b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(60)
)
HOSTILE = {
    "deep tuples": (TUPLES + b".", "deep"),
    "deep tuples as a key": (b"}" + TUPLES + b"I1\ns.", "deep"),
    "a billion laughs": (LAUGHS + b".", "too large"),
    "diamonds as a key": (b"}" + DIAMONDS + b"I1\ns.", "too large"),
    "late diamonds": (
        # Lists that are filled from the outermost to the innermost.
        b"".join(b"]q" + bytes([i]) + b"0" for i in range(60))
        + b"".join(
            b"h" + bytes([i]) + b"(h" + bytes([i + 1]) + b"h" + bytes([i + 1]) + b"e0"
            for i in range(59)
        )
        + b"h\x00.",
        "too large",
    ),
    "a list in itself": (b"]q\x00h\x00a.", "in itself"),
    "classes": (b"cchumpy.ch\nCh\n0" * 20_000 + b"N.", "classes"),
    "opcodes": (b"N0" * 400_000 + b"N.", "opcodes"),
    "a memo of gigabytes": (b"]r\xff\xff\xff\x7f.", "numbers an object"),
    "an integer": (b"\x8b" + (10**6).to_bytes(4, "little") + b"\x7f" * 10**6 + b".", "integer"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_at_once(name: str) -> None:
    data, message = HOSTILE[name]
    started = time.process_time()
    with pytest.raises(safe_pickle.SafePickleError, match=message):
        safe_pickle.load(data)
    assert time.process_time() - started < SECONDS


def test_ordinary_pickles_are_within_the_limits() -> None:
    value = {"a": nested(20, lambda v: [v, {"b": v}] if v == 1 else [v]), "c": [(1, 2)] * 100}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert safe_pickle.load(pickle.dumps(value, protocol)) == value


def test_an_array_in_a_frame_of_a_large_number_takes_no_memory(tmp_path: Path) -> None:
    keypoints = detector_files.array(skeletons.COCO_17)[None]
    np.savez(tmp_path / "a.npz", keypoints=keypoints, frame=np.array([9_999_999]))
    found = detection_files.read(tmp_path / "a.npz")
    assert found.numbers == (9_999_999,)
    assert len(found.frame_names) == 1


def test_an_image_of_more_pixels_than_its_file_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 8_000)).save(path)
    with pytest.raises(InputError, match="20000 x 8000 pixels in [0-9]* bytes, expected"):
        photographs.read(path)


def test_json_that_is_too_deep_or_too_long(tmp_path: Path) -> None:
    for text in ("[" * 100_000, json.dumps([{"image_id": 1}])[:-1] + "9" * 5000):
        path = detector_files.write(tmp_path / "a.json", text)
        for read in (READ, mpii.from_json, lambda path: coco_reader.people(path, tmp_path)):
            with pytest.raises(InputError, match="not JSON"):
                read(path)
