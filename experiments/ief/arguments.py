"""What the commands of IEF are asked with; imports no JAX, so that help comes at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.options import KeypointSet, OptimiserOptions, Precision, Side
from ief_jax.training.run_options import RunOptions

Method = Literal["ief", "no_fpc", "direct", "iterative_direct", "jittered", "on_policy"]
"""`ief_jax.ief.training_methods.METHODS`."""
Backbone = Literal[
    "googlenet",
    "vgg16",
    "efficientnet_lite0",
    "efficientnet_lite0_pyramid",
    "movenet_lightning",
    "movenet_thunder",
    "small",
]
"""`ief_jax.ief.backbones.NAMED`."""
Augment = Literal["none", "mirror", "scales_and_mirror"]
"""`ief_jax.ief.augmentation.NAMED`."""
Variant = Literal[
    "ief",
    "direct",
    "direct_longer",
    "iterative_direct",
    "no_fpc",
    "knee",
    "knee_and_hip",
    "on_policy",
]
"""`experiments.ief.ablate.VARIANTS`."""


@dataclass(frozen=True)
class NetworkOptions:
    """What is trained, and the weights that it starts from.

    Attributes:
      backbone: googlenet (the paper's), vgg16, efficientnet_lite0; efficientnet_lite0_pyramid puts
        out positions on a map in place of a dense layer's numbers, and learns from far less;
        small is for comparisons on stick figures, without pretrained weights.
      pretrained: start the backbone from weights of ImageNet, else from random ones.
      imagenet: the file of these weights: torchvision's googlenet or vgg16 state dict, or
        efficientnet-lite0's, which is found by itself where its package is installed.
      trunk: a checkpoint of IEF whose conv-1 and stages are taken in place of ImageNet's.
      size: side of the crop, pixels.
      sigma: standard deviation of the heatmaps' Gaussians, pixels at 224.
      heatmap_stage: stage of the backbone that the heatmaps enter before (its `HEATMAP_STAGES`);
        0: stacked on the image, as in the paper. The pyramid's 1 comes after the image's features.
      pool_size: the last feature map is averaged to this many cells a side; 1 in the paper.
      frozen: stages of the backbone that stay as they are at the start, conv-1 with the first.
      heatmap_gain: factor on the heatmaps' weights; 1 in the paper. Where they enter with the
        image, 0.2 makes a network trained on the fixed path drift less in later steps.
      maps_variance: of the heatmaps' weights at the start; 0.1 in the paper, whose images are in
        0..255. By default as for the image's channels.
    """

    backbone: Backbone = "efficientnet_lite0_pyramid"
    pretrained: bool = True
    imagenet: Path | None = None
    trunk: str | None = None
    size: int = 112
    sigma: float = 16.0
    heatmap_stage: int = 1
    pool_size: int = 1
    frozen: int = 0
    heatmap_gain: float = 1.0
    maps_variance: float | None = None


@dataclass(frozen=True)
class LearningOptions:
    """What it is trained on.

    Attributes:
      crops: paper (3 of 9 boxes, mirrored, shifted) or augmented (turned, scaled, recoloured).
      length: side of the image that the paper's boxes are measured by; the smaller in the paper;
        the larger fits people in LSP's images.
      batch_size: people a training step, over all devices.
      pretrained_rate: learning rate of conv-1 and the stages, as a share of the others'.
    """

    crops: Literal["paper", "augmented"] = "augmented"
    length: Side = "smaller"
    batch_size: int = 32
    pretrained_rate: float = 0.3


@dataclass(frozen=True)
class Train:
    """Train iterative error feedback.

    Attributes:
      dataset: several are trained on together.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released; the synthetic people
        and the stick figures are made there if they are not.
      method: ief is the paper's, Fixed Path Consolidation, and no_fpc, direct, iterative_direct are
        what it is compared with; jittered is ief on states beside the path too. on_policy adds
        steps one after the other as ief does, but the target is the whole correction, from
        wherever the network's steps of at most L have led.
      first_steps: steps that are trained from the beginning, before the others are added one by
        one; more than one where `initial` knows the first ones.
      steps: made at test time; as many as are trained by default.
      joints: names of those that are fed back and predicted; all by default.
      initial: a checkpoint of IEF to start from.
      epochs: passes over all examples, over all steps.
      microbatches: parts that a batch is differentiated in, one after the other, to save memory.
      rematerialise: keep the results of the network's stages alone for the gradient, and compute
        what lies within them once more: less memory on accelerators, a third more work.
      precision: that the network is computed in, on accelerators faster in bf16 and on CPUs slower;
        weights, their optimiser and all else are float32, and so is what is written.
      seed: of weights and examples.
      threads: that prepare examples.
      evaluate: people in the evaluation at the end; 0 for none.
    """

    dataset: tuple[KeypointSet, ...] = ("synthetic",)
    data_dir: Path = Path("downloads")
    method: Method = "on_policy"
    first_steps: int = 1
    steps: int | None = None
    joints: tuple[str, ...] = ()
    initial: str | None = None
    epochs: float = 10.0
    microbatches: int = 1
    rematerialise: bool = False
    precision: Precision = "float32"
    seed: int = 0
    threads: int = 2
    evaluate: int = 500
    run: RunOptions = RunOptions(Path("runs/ief"), log_every=20)
    network: NetworkOptions = NetworkOptions()
    learning: LearningOptions = LearningOptions()
    optimiser: OptimiserOptions = OptimiserOptions(learning_rate=2e-3)


@dataclass(frozen=True)
class Evaluate:
    """Evaluate iterative error feedback.

    Attributes:
      dataset: which people; the synthetic set is made where it is not there.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released.
      split: test where the release has it annotated, and validation.
      checkpoint: released, or a folder that train.py wrote.
      steps: corrections; as many as the checkpoint makes by default.
      box: selector for the one that the scale selector arrives at, nine for the one
        of the paper's nine that it prefers, truth for 1.2 times the person's true height.
      augment: test-time augmentation, of which the median is taken: none as in the paper, or
        mirror or scales_and_mirror as ief-jax keypoints does.
      selector: the scale selector: released, or a folder that train.py scale wrote.
      box_refinements: how often the box is replaced by the one that fits the keypoints found in it.
        0 in the paper; by default 1, if the network knows the whole body.
      count: people to take, chosen at random; all by default.
      seed: of the choice.
      json: file for the figures.
      figure: file for a picture (.png, .pdf, .svg).
      report: folder for report.html: tables, curves, people from the best to the worst.
    """

    dataset: KeypointSet = "synthetic"
    data_dir: Path = Path("downloads")
    split: Literal["train", "validation", "test"] | None = None
    checkpoint: str = "released"
    steps: int | None = None
    box: Literal["selector", "nine", "truth"] = "selector"
    augment: Augment = "none"
    box_refinements: int | None = None
    selector: str = "released"
    count: int | None = None
    seed: int = 0
    json: Path | None = None
    figure: Path | None = None
    report: Path | None = None


@dataclass(frozen=True)
class Ablate:
    """Compare iterative error feedback with its rivals.

    By default on stick figures, with a small network that learns them in minutes.

    Attributes:
      workdir: folder for all networks; what is there already is not trained again.
      train: data sets to train on.
      test: data set whose validation people are measured.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released; the synthetic people
        and the stick figures are made there if they are not.
      variants: which networks; on_policy is not in the paper.
      seeds: networks of each kind.
      epochs: N of Algorithm 1: passes over the examples of a step in each stage.
      count: people to measure; all by default.
      json: file for the figures.
    """

    workdir: Path = Path("runs/ief-ablations")
    train: tuple[KeypointSet, ...] = ("figures",)
    test: KeypointSet = "figures"
    data_dir: Path = Path("downloads")
    variants: tuple[Variant, ...] = (
        "ief",
        "direct",
        "direct_longer",
        "iterative_direct",
        "no_fpc",
        "knee",
        "knee_and_hip",
    )
    seeds: int = 3
    epochs: float = 2.4
    count: int | None = None
    json: Path | None = None
    network: NetworkOptions = NetworkOptions(
        "small", pretrained=False, size=48, heatmap_stage=0, heatmap_gain=0.2
    )
    learning: LearningOptions = LearningOptions(crops="paper", pretrained_rate=1.0)
    optimiser: OptimiserOptions = OptimiserOptions(learning_rate=2e-3)


@dataclass(frozen=True)
class Calibrate:
    """Calibrate confidences.

    Attributes:
      checkpoint: a folder that train.py ief wrote, or the file in it; released needs an output.
      output: the file to write, its weights as they are; the checkpoint itself by default.
      dataset: data sets whose validation people are taken.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released.
      count: people of each data set, chosen at random.
      augment: the test-time augmentation that it holds for, with which ief-jax keypoints will run.
    """

    checkpoint: str
    output: Path | None = None
    dataset: tuple[KeypointSet, ...] = ("lsp", "lspet")
    data_dir: Path = Path("downloads")
    count: int = 100
    augment: Literal["mirror", "scales_and_mirror"] = "scales_and_mirror"


@dataclass(frozen=True)
class Average:
    """Average checkpoints of IEF.

    Attributes:
      checkpoints: released, or folders that train.py wrote; all of one configuration.
      output: the file to write, in half precision.
    """

    checkpoints: Annotated[tuple[str, ...], tyro.conf.Positional]
    output: Path
