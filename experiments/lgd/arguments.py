"""What the commands of LGD are asked with; imports no JAX, so that help comes at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from experiments.options import AdamOptions, NoiseOptions, OptimiserOptions, Precision
from ief_jax.training.run_options import RunOptions


@dataclass(frozen=True)
class PoseOptions:
    """Where training poses come from: the pose prior, a prepared data set, or files.

    Attributes:
      dataset: the pose prior, or amass or cmu as prepared by `python -m data.prepare`, streamed
        from disk.
      data_dir: the folder that the data set was prepared in.
      split: which part of the data set; train, or for amass also paper (the paper's subsets).
      poses: AMASS-style npz files (`poses` [N, >= 66]) to hold in memory instead of a data set.
      validation_poses: a file of poses to validate on; by default the data set's validation split,
        where that is prepared, or samples of the prior.
      prior_share: share of the examples that still come from the pose prior beside the others.
      recombined: share of the people whose arms or legs are another's.
      straightened: share of the people who stand straighter than they were captured.
    """

    dataset: Literal["prior", "amass", "cmu"] = "prior"
    data_dir: Path | None = None
    split: str = "train"
    poses: tuple[Path, ...] = ()
    validation_poses: Path | None = None
    prior_share: float = 0.5
    recombined: float = 0.0
    straightened: float = 0.15


@dataclass(frozen=True)
class TrainingNoiseOptions:
    """What is wrong with the training keypoints.

    Attributes:
      noise: largest keypoint noise, as a share of the person's box.
      drop: largest share of keypoints hidden.
      clean: share of the examples without noise, and (independently) with nothing hidden.
    """

    noise: float = 0.03
    drop: float = 0.3
    clean: float = 0.25


@dataclass(frozen=True)
class Train:
    """Train learned gradient descent.

    Attributes:
      configuration: released (the best we know), paper, or lifting (the paper's baseline).
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      width: of the network; that of the configuration by default.
      steps: learned steps N; those of the configuration by default.
      initial: checkpoint to start the weights from (released, paper, lifting, or a folder).
      iterations: training steps.
      batch_size: examples a step, over all devices.
      microbatches: parts that a batch is differentiated in, one after the other, to save memory.
      precision: that the network is computed in, on accelerators faster in bf16 and on CPUs slower;
        weights, their optimiser and all else are float32, and so is what is written.
      seed: of weights and examples.
      evaluate: poses in the evaluation at the end; 0 for none.
    """

    configuration: Literal["released", "paper", "lifting"] = "released"
    body: Path | None = None
    width: int | None = None
    steps: int | None = None
    initial: str | None = None
    iterations: int = 2500
    batch_size: int = 128
    microbatches: int = 1
    precision: Precision = "float32"
    seed: int = 0
    evaluate: int = 1000
    run: RunOptions = RunOptions(Path("runs/lgd"))
    data: PoseOptions = PoseOptions()
    keypoint_noise: TrainingNoiseOptions = TrainingNoiseOptions()
    optimiser: OptimiserOptions = OptimiserOptions()


@dataclass(frozen=True)
class Evaluate:
    """Evaluate learned gradient descent, and baselines beside it.

    Attributes:
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      poses: AMASS-style npz file (`poses` [N, >= 66]); without one, samples of the pose prior.
      count: poses to take, chosen at random; all by default (1000 of the pose prior).
      steps: learned steps; those of the checkpoint by default.
      camera: orthographic, or perspective: near, pitched, its lens known to the fits.
      seed: of the choice, cameras, shapes, noise.
      baselines: run the baselines too.
      json: file for the figures.
      figure: file for a picture (.png, .pdf, .svg).
      report: folder for report.html: tables, curves, the best, the median and the worst fit in 3D.
    """

    checkpoint: str = "released"
    body: Path | None = None
    poses: Path | None = None
    count: int | None = None
    steps: int | None = None
    camera: Literal["orthographic", "perspective"] = "orthographic"
    seed: int = 0
    baselines: bool = True
    json: Path | None = None
    figure: Path | None = None
    report: Path | None = None
    keypoint_noise: NoiseOptions = NoiseOptions()


@dataclass(frozen=True)
class EvaluatePosture:
    """Evaluate what is systematically wrong with bodies: knees, trunk, head, turned people.

    Attributes:
      poses: AMASS-style npz file (`poses` [N, >= 66]) of people that nothing was trained on.
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      count: poses to take, chosen at random; all by default.
      seed: of the choice, cameras, shapes.
      json: file for the figures.
    """

    poses: Path
    checkpoint: str = "released"
    body: Path | None = None
    count: int | None = None
    seed: int = 0
    json: Path | None = None


@dataclass(frozen=True)
class EvaluateTriangulated:
    """Evaluate on a real detector's keypoints, against joints that several cameras saw.

    Attributes:
      truth: npz file of one person in F frames: `names` [J] of the keypoints, `keypoints` [F, J, 3]
        that one camera's detector found (pixels, confidence), `joints` [F, J, 3] triangulated from
        all cameras (metres in this one's frame: x right, y down, z ahead; NaN where not known),
        and `K` [3, 3] of its lens.
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      fps: frames per second.
      json: file for the figures.
    """

    truth: Path
    checkpoint: str = "released"
    body: Path | None = None
    fps: float = 30.0
    json: Path | None = None


@dataclass(frozen=True)
class EvaluateStanding:
    """Evaluate how people who stand upright in photographs come out: do they lean or crouch?

    Attributes:
      keypoints: files or folders of detected or annotated keypoints, as `ief-jax fit` reads them.
      skeleton: the layout of these, where the files do not say; a key of `skeletons.LAYOUTS`.
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      json: file for the figures.
    """

    keypoints: tuple[Path, ...]
    skeleton: str | None = None
    checkpoint: str = "released"
    body: Path | None = None
    json: Path | None = None


@dataclass(frozen=True)
class FitOptions:
    """Who is fitted, and with what.

    Attributes:
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      count: people to take, chosen at random; all by default.
      steps: learned steps; those of the checkpoint by default.
      seed: of the choice; and of the cameras, where there is no real one.
      baselines: run our baselines too; SMPLify takes its time.
      json: file for the figures.
      report: folder for report.html: the table, errors by step, the best, the median and the worst
        fit in 3D.
    """

    checkpoint: str = "released"
    body: Path | None = None
    count: int | None = None
    steps: int | None = None
    seed: int = 0
    baselines: bool = False
    json: Path | None = None
    report: Path | None = None


@dataclass(frozen=True)
class ThreeDpw:
    """3DPW, as the paper's Table 4.

    Attributes:
      data_dir: the folder that holds sequenceFiles/.
      split: which part.
      regressors: folder with J_regressor_h36m.npy, to measure on Human3.6M's 14 joints; without it,
        on SMPL's 24.
      male: SMPL's male body, for the true bodies with --regressors.
      female: SMPL's female body, likewise.
    """

    NAME: ClassVar[str] = "3dpw"
    data_dir: Path
    split: Literal["train", "validation", "test"] = "test"
    regressors: Path | None = None
    male: Path | None = None
    female: Path | None = None
    fit: FitOptions = FitOptions()


@dataclass(frozen=True)
class H36m:
    """Human3.6M, Protocol 2; needs SMPL's own file as --body.

    Attributes:
      data_dir: the folder of the release.
      regressors: folder with J_regressor_h36m.npy.
      detector: which of its files of keypoints; the paper's by default, or the next best.
    """

    NAME: ClassVar[str] = "h36m"
    data_dir: Path
    regressors: Path
    detector: str | None = None
    fit: FitOptions = FitOptions()


@dataclass(frozen=True)
class Ehf:
    """EHF: vertices; needs SMPL's own file as --body.

    Attributes:
      data_dir: the folder of the release.
      correspondence: file that takes SMPL-X's mesh to SMPL's (smplx2smpl_deftrafo_setup.pkl of
        smplx's transfer data).
    """

    NAME: ClassVar[str] = "ehf"
    data_dir: Path
    correspondence: Path
    fit: FitOptions = FitOptions()


@dataclass(frozen=True)
class Amass:
    """AMASS, seen by made-up cameras.

    Attributes:
      data_dir: the folder that `python -m data.prepare amass` prepared it in.
      split: train, validation, test, paper, or the name of one of its data sets.
    """

    NAME: ClassVar[str] = "amass"
    data_dir: Path
    split: str = "test"
    fit: FitOptions = FitOptions()


@dataclass(frozen=True)
class Cmu:
    """CMU motion capture, seen by made-up cameras.

    Attributes:
      data_dir: the folder that `python -m data.prepare cmu` prepared it in.
      split: which subjects.
    """

    NAME: ClassVar[str] = "cmu"
    data_dir: Path
    split: Literal["train", "validation", "test"] = "test"
    fit: FitOptions = FitOptions()


Dataset = ThreeDpw | H36m | Ehf | Amass | Cmu


@dataclass(frozen=True)
class Offsets:
    """Calibrate where a detector or an annotator puts keypoints on the body.

    Attributes:
      keypoints: files or folders of one detector's or annotator's, as `ief-jax fit` reads them.
      skeleton: the layout of these, where the files do not say; a key of `skeletons.LAYOUTS`.
      checkpoint: released (the best we know), paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      count: people to take at most, chosen at random.
      json: file for the offsets.
    """

    keypoints: tuple[Path, ...]
    skeleton: str | None = None
    checkpoint: str = "released"
    body: Path | None = None
    count: int = 512
    json: Path | None = None


@dataclass(frozen=True)
class Ablate:
    """Train and test the paper's ablations of learned gradient descent.

    Attributes:
      dataset: cmu, as `python -m data.prepare` prepared it, instead of `poses` and `test`.
      data_dir: the folder that it was prepared in.
      poses: AMASS-style npz files to train on; without any, the pose prior.
      test: AMASS-style npz file of other people; without one, samples of the pose prior.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      seeds: networks a row.
      width: of the network (the paper's has 1000).
      count: test poses, chosen at random; all by default (1000 of the pose prior).
      json: file for every network's errors, written after each: the command goes on from it.
    """

    dataset: Literal["cmu"] | None = None
    data_dir: Path | None = None
    poses: tuple[Path, ...] = ()
    test: Path | None = None
    body: Path | None = None
    seeds: int = 3
    width: int = 128
    count: int | None = None
    json: Path | None = None
    keypoint_noise: NoiseOptions = NoiseOptions()
    adam: AdamOptions = AdamOptions(1000, 64, 2e-3)
