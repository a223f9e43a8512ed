"""Poses from clips to batches: prepared whole or not at all, streamed once an epoch."""

import dataclasses
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import train
from data import amass
from data import prepare as data_prepare
from data.motion import kinematics, pipeline, preparation
from data.motion.preparation import Chunk
from experiments.lgd import train as lgd_train
from experiments.lgd import validation
from experiments.lgd.arguments import PoseOptions
from ief_jax.body import model_files, smpl
from ief_jax.body.poses import Poses
from ief_jax.io.files import InputError
from ief_jax.lgd import checkpoints, parameters, training_people
from tests.helpers import amass_files

RNG = np.random.default_rng(0)


# Preparation


def test_kinematics_are_those_of_the_body(body: smpl.BodyModel) -> None:
    local = Rotation.from_rotvec(RNG.normal(0, 0.4, (24, 3))).as_matrix()
    world = kinematics.compose(local[None], model_files.PARENTS)
    found = kinematics.positions(world, preparation.rest_offsets(), model_files.PARENTS)[0]

    @jax.jit
    def joints(local: jax.Array) -> jax.Array:
        return smpl.pose(smpl.shape(body, jnp.zeros(10)).joints, local, body.parents).joints

    expected = np.asarray(joints(jnp.asarray(local, jnp.float32)))
    np.testing.assert_allclose(found, expected - expected[:1], atol=1e-5)


def test_the_turn_about_the_vertical_is_taken_off() -> None:
    root = RNG.normal(0, 1, (20, 3))
    yaw = RNG.uniform(-3, 3, 20)
    turned = Rotation.from_rotvec(yaw[:, None] * [[0, 1, 0]]) * Rotation.from_rotvec(root)
    ahead = preparation.turned_ahead(turned.as_rotvec())
    np.testing.assert_allclose(ahead, preparation.turned_ahead(root), atol=1e-9)
    # What is left has a horizontal axis, and what was taken off a vertical one.
    assert np.abs(Rotation.from_matrix(ahead).as_rotvec()[:, 1]).max() < 1e-9
    off = Rotation.from_rotvec(root) * Rotation.from_matrix(ahead).inv()
    np.testing.assert_allclose(off.apply([0, 1, 0]), np.tile([0, 1, 0], (20, 1)), atol=1e-9)


def test_near_duplicates_by_brute_force() -> None:
    """Against the definition: joints one after the other, poses one after the other."""
    still = RNG.normal(0, 0.3, (1, 24, 3))
    steps = RNG.normal(0, 1, (40, 1, 1)) * RNG.normal(0, 0.02, (40, 24, 3))
    poses = still + np.where(RNG.uniform(size=(40, 1, 1)) < 0.5, steps, 0)
    facing = Rotation.from_rotvec(RNG.uniform(-3, 3, (40, 1)) * [[0, 1, 0]])
    poses[:, 0] = (facing * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    offsets = preparation.rest_offsets()

    def joints(pose: np.ndarray) -> np.ndarray:
        turns = [Rotation.from_matrix(preparation.turned_ahead(pose[:1])[0])]
        places = [np.zeros(3)]
        for joint in range(1, 22):
            parent = model_files.PARENTS[joint]
            places.append(places[parent] + turns[parent].apply(offsets[joint]))
            turns.append(turns[parent] * Rotation.from_rotvec(pose[joint]))
        return np.array(places[1:])

    places = [joints(pose) for pose in poses]
    kept: list[int] = []
    for number, ours in enumerate(places):
        distances = [np.sqrt(((ours - places[k]) ** 2).sum(-1).mean()) for k in kept]
        if all(distance >= preparation.NEAR for distance in distances):
            kept.append(number)
    assert 5 < len(kept) < 35
    np.testing.assert_array_equal(preparation.distinct(poses, offsets), kept)


def test_long_rotations_are_unwound() -> None:
    vectors = RNG.normal(0, 3, (200, 3))
    short = preparation.within_a_turn(vectors)
    assert np.linalg.norm(short, axis=-1).max() <= np.pi + 1e-9
    same = Rotation.from_rotvec(short).inv() * Rotation.from_rotvec(vectors)
    assert same.magnitude().max() < 1e-9
    np.testing.assert_array_equal(preparation.within_a_turn(np.zeros((1, 3))), 0)


def test_chunks_mix_clips_and_lose_nothing() -> None:
    """40 clips of 300 poses, each pose its number, through a pool of 4,096."""
    held = 0

    def parts() -> Iterator[Chunk]:
        nonlocal held
        for clip in range(40):
            held += 300
            numbers = np.arange(300 * clip, 300 * (clip + 1), dtype=np.float32)
            yield Chunk(np.tile(numbers[:, None], (1, 66)), numbers[:, None])

    chunks = []
    for chunk in preparation.mixed(parts(), np.random.default_rng(0), 4096):
        held -= len(chunk.poses)
        assert held < 4096 + 300
        chunks.append(chunk)
    assert [len(c.poses) for c in chunks[:-1]] == [preparation.CHUNK] * (len(chunks) - 1)
    numbers = np.concatenate([chunk.betas[:, 0] for chunk in chunks])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(12000))
    np.testing.assert_array_equal(numbers, np.concatenate([c.poses[:, 5] for c in chunks]))
    assert all(len(np.unique(chunk.betas // 300)) > 8 for chunk in chunks)


# Streaming


def numbered(lengths: list[list[int]], betas: bool = True) -> pipeline.Prepared:
    """Records in memory: each pose, and its betas, are its number."""
    numbers = itertools.count()
    sources = []
    for of_split in lengths:
        records = []
        for length in of_split:
            column = np.array([[next(numbers)] for _ in range(length)], np.float16)
            record = {"poses": np.tile(column, (1, 66))}
            records.append(record | {"betas": column} if betas else record)
        sources.append(records)
    return pipeline.Prepared(sources, [np.array(of_split) for of_split in lengths])


def take(
    prepared: pipeline.Prepared, size: int, count: int, seed: int = 0, done: int = 0
) -> list[Poses]:
    return list(itertools.islice(pipeline.stream(prepared, size, seed, done), count))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BLOCK", 3)


@pytest.mark.usefixtures("small_blocks")
def test_every_pose_once_an_epoch() -> None:
    prepared = numbered([[10, 10, 3], [10, 7], [10, 10, 10, 10]])
    assert prepared.total == 80
    batches = take(prepared, 8, 30)
    assert all(batch.poses.shape == (8, 24, 3) for batch in batches)
    assert batches[0].poses.dtype == np.float32
    epochs = np.concatenate([batch.poses[:, 3, 0] for batch in batches]).reshape(3, 80)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(80))
    # Another three records make up the first block of another epoch.
    record = np.searchsorted(np.cumsum([10, 10, 3, 10, 7, 10, 10, 10, 10]), epochs, "right")
    assert len(np.unique(record[:2, :20])) > 3
    for batch in batches:
        assert batch.betas is not None
        np.testing.assert_array_equal(batch.betas[:, 0], batch.poses[:, 21, 2])
        assert not batch.poses[:, 22:].any()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("size", [8, 7, 50])
@pytest.mark.parametrize("done", [1, 9, 31])
def test_a_run_that_goes_on_sees_what_it_would_have_seen(size: int, done: int) -> None:
    prepared = numbered([[10, 10, 3], [10, 7], [10, 10, 10, 10]], betas=False)
    whole = take(prepared, size, done + 5)[done:]
    for ours, expected in zip(take(prepared, size, 5, done=done), whole, strict=True):
        np.testing.assert_array_equal(ours.poses, expected.poses)
        assert ours.betas is None


def test_seeds_give_other_orders() -> None:
    prepared = numbered([[20, 20]])
    first, other = (take(prepared, 40, 1, seed)[0].poses for seed in (0, 1))
    assert (first != other).any()


def test_items_become_people() -> None:
    poses = RNG.normal(0, 0.3, (400, 24, 3)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 400)
    draw = jax.jit(jax.vmap(training_people.from_items(10)))
    drawn = draw(keys, Poses(poses, None, None))
    mirrored = poses[:, parameters.OPPOSITE] * np.array([1, -1, -1], np.float32)
    as_it_is = np.isclose(drawn.pose, poses, atol=1e-6).all((1, 2))
    np.testing.assert_allclose(drawn.pose[~as_it_is], mirrored[~as_it_is], atol=1e-6)
    assert as_it_is.mean() == pytest.approx(0.5, abs=0.1)
    assert drawn.betas.shape == (400, 10) and drawn.betas.std() == pytest.approx(1, abs=0.1)
    for known in (4, 16):
        betas = RNG.normal(size=(400, known)).astype(np.float32)
        found = draw(keys, Poses(poses, betas, None)).betas
        expected = np.pad(betas[:, :10], ((0, 0), (0, max(0, 10 - known))))
        np.testing.assert_array_equal(found, expected)


# On disk, through TFDS


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three data sets of a few moving people, and two files that are no npz, one all by itself."""
    pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("amass")
    for number, name in enumerate(("CMU/01/a", "CMU/02/b", "KIT/3/c", "SFU/4/d")):
        poses = np.cumsum(np.random.default_rng(number).normal(0, 0.05, (40, 66)), 0)
        amass_files.smplh(folder / f"{name}_poses.npz", poses, 30)
    for name in ("KIT/3", "SSM_synced/1"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "broken_poses.npz").write_bytes(b"PK")
    return folder


@pytest.fixture(scope="module")
def data_dir(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    assert prepare("amass", tree, folder) == 0
    return folder


def prepare(*words: object) -> int:
    return data_prepare.main([str(word) for word in words])


def test_what_is_prepared_is_what_was_captured(tree: Path, data_dir: Path) -> None:
    from data import amass
    from data.amass import reader

    found = amass.load(data_dir, "train")
    kept = amass.prepared(data_dir).total
    assert found.poses.shape == (kept, 24, 3) and found.betas is not None
    captured = [
        reader.read(clip.path, 30).poses
        for clip in reader.find(tree)
        if clip.split != "SFU" and "broken" not in clip.path.name
    ]
    whole = preparation.within_a_turn(np.concatenate(captured))
    nearest = np.abs(found.poses[:, None] - whole).max((2, 3)).min(1)
    assert nearest.max() < 2e-3 and 60 < kept <= 120  # float16
    np.testing.assert_allclose(found.betas, np.tile(np.linspace(-1, 1, 16), (kept, 1)), atol=1e-3)
    streamed = np.concatenate([b.poses for b in take(amass.prepared(data_dir), 1, kept)])
    order = [np.lexsort(poses.reshape(kept, -1).T) for poses in (streamed, found.poses)]
    np.testing.assert_array_equal(streamed[order[0]], found.poses[order[1]])
    assert 0 < amass.prepared(data_dir, "SFU").total <= 40
    with pytest.raises(InputError, match="validation: .* without HumanEva"):
        amass.load(data_dir, "validation")


def test_broken_files_are_counted_or_stop_the_run(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from data import amass

    assert prepare("amass", tree, tmp_path) == 0
    said = capsys.readouterr()
    assert "skipped: " in said.err and "broken_poses.npz: not an npz" in said.err
    assert "2 files could not be read and were skipped" in said.out
    counts = {split: amass.prepared(tmp_path, split).total for split in ("CMU", "KIT", "SFU")}
    rows = [line.split() for line in said.out.splitlines()]
    for split, count in counts.items():
        assert [split, str(count)] in rows
    assert f"1.0.0: {sum(counts.values())} poses in " in said.out
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    assert prepare("amass", tree, tmp_path, "--strict", "--overwrite") == 2
    assert "broken_poses.npz: not an npz" in capsys.readouterr().err
    after = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    assert [path for path, _ in after] == [path for path, _ in before]
    assert [t for path, t in after if path.is_file()] == [t for p, t in before if p.is_file()]


def test_a_preparation_that_was_cut_off_starts_again(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = tmp_path / ".amass.preparing" / "amass" / "incomplete.XYZ_1.0.0"
    left.mkdir(parents=True)
    (left / "amass-CMU.array_record-00000-of-00001").write_bytes(b"half")
    with pytest.raises(InputError, match="no prepared data set; 'python -m data.prepare am"):
        pipeline.open_prepared(tmp_path, "amass", list)
    assert prepare("amass", tree, tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["amass"]
    assert [path.name for path in (tmp_path / "amass").iterdir()] == ["1.0.0"]
    # Cut off between its last two steps, a second preparation has not lost the first.
    (tmp_path / "amass" / "1.0.0").rename(tmp_path / "amass" / ".1.0.0.replaced")
    assert prepare("amass", tree, tmp_path) == 2
    assert "is prepared already; --overwrite" in capsys.readouterr().err
    assert prepare("amass", tree, tmp_path, "--overwrite", "--rate", "10") == 0
    assert [path.name for path in (tmp_path / "amass").iterdir()] == ["1.0.0"]
    assert pipeline.open_prepared(tmp_path, "amass", lambda present: ["KIT"]).total <= 14


def test_nothing_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tree: Path
) -> None:
    broken = tmp_path / "KIT" / "3"
    broken.mkdir(parents=True)
    shutil.copy(tree / "KIT" / "3" / "broken_poses.npz", broken)
    assert prepare("amass", tmp_path, tmp_path / "out") == 2
    assert "none of its 1 files can be read" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
    assert prepare("amass", tmp_path, tmp_path / "out", "--rate", "0") == 2
    assert "--rate is 0.0, expected more than 0" in capsys.readouterr().err
    assert prepare("cmu", tmp_path, tmp_path / "out") == 2
    assert "has no clips (02_01.amc or 02_01.bvh); it has KIT/3" in capsys.readouterr().err


def test_missing_shards_are_named(data_dir: Path, tmp_path: Path) -> None:
    from data import amass

    copy = shutil.copytree(data_dir, tmp_path / "copy")
    next(copy.rglob("amass-KIT*")).unlink()
    with pytest.raises(
        InputError, match="amass-KIT.*: is missing; --overwrite prepares amass anew"
    ):
        amass.prepared(copy)
    assert amass.prepared(copy, "CMU").total > 0
    cut = next(copy.rglob("amass-CMU*"))
    cut.write_bytes(cut.read_bytes()[:-1000])
    with pytest.raises(InputError, match="not all of CMU is there"):
        amass.prepared(copy, "CMU")


def test_people_of_a_data_set(data_dir: Path) -> None:
    options = PoseOptions(dataset="amass", data_dir=data_dir)
    _, feed = lgd_train.people(options, 10, 8, 0, np.arange(8))
    np.testing.assert_array_equal(next(feed(2)).poses, list(itertools.islice(feed(0), 3))[2].poses)
    for changes, message in (
        ({"data_dir": None}, "--dataset amass needs --data-dir"),
        ({"poses": (Path("a.npz"),)}, "two sources of poses"),
        ({"split": "test"}, "without Transitions_mocap, SSM_synced"),
        ({"dataset": "cmu"}, "cmu/1.0.0: no prepared data set"),
    ):
        with pytest.raises(InputError, match=message):
            lgd_train.people(dataclasses.replace(options, **changes), 10, 8, 0, np.arange(8))


@pytest.mark.slow
def test_a_run_on_a_data_set_goes_on_as_if_never_cut_off(data_dir: Path, tmp_path: Path) -> None:
    words = f"lgd --dataset amass --data-dir {data_dir} --configuration paper --width 8 --steps 1"
    words += " --batch-size 8 --evaluate 0 --prior-share 0 --save-every 2 --iterations 4"
    for name in ("whole", "cut"):
        assert train.main([*words.split(), "--workdir", str(tmp_path / name)]) == 0
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "4")
    (tmp_path / "cut" / "model.npz").unlink()
    assert train.main([*words.split(), "--workdir", str(tmp_path / "cut")]) == 0
    ends = [checkpoints.load(tmp_path / name).weights for name in ("whole", "cut")]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), *ends)


def test_a_run_is_validated_on_the_data_sets_own_split(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amass.reader, "VALIDATION", ("SFU",))
    options = PoseOptions(dataset="amass", data_dir=data_dir)
    poses, number = validation._poses(options)
    assert poses is not None and len(poses) == len(number) > 1
    own, trained = (amass.load(data_dir, split).poses for split in ("validation", "train"))
    for pose in poses:
        assert (pose == own).all((1, 2)).any() and not (pose == trained).all((1, 2)).any()
