"""`ief-jax fit`: bodies fitted to files of keypoint detections."""

from pathlib import Path
from typing import Annotated

import tyro

from ief_jax.cli import bodies, body_files, keypoint_files
from ief_jax.cli.bodies import Gender
from ief_jax.cli.keypoint_files import Skeleton
from ief_jax.cli.shared import keep_compilations
from ief_jax.formats.meshes import MeshFormat
from ief_jax.io import files

KeypointFiles = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")]


def fit(
    keypoints: KeypointFiles,
    output: Path,
    checkpoint: str = "released",
    body: Path | None = None,
    gender: Gender = "neutral",
    skeleton: Skeleton | None = None,
    min_confidence: float | None = None,
    image_size: tuple[float, float] | None = None,
    focal: float | None = None,
    names: Path | None = None,
    strict: bool = False,
    images: Path | None = None,
    meshes: MeshFormat | None = None,
    pictures: bool = True,
    smooth: float | None = None,
) -> None:
    """Fit a 3D body to every person in files or folders of 2D keypoints.

    Writes bodies.npz (AMASS-style poses, betas and trans; camera, joints, errors), a picture of
    every fit, of several frames contact sheets and, if asked, a mesh of every body.

    Args:
      keypoints: OpenPose, COCO, MMPose, AlphaPose, Ultralytics, YOLO, EasyMocap, MediaPipe,
        DeepLabCut, SLEAP, npz or npy, or folders of frames.
      output: folder for the results; made if missing.
      checkpoint: released, paper, or a folder that train.py wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body; or a folder or zip of them.
      gender: of the body, where --body has several.
      skeleton: layout of the keypoints, where the file leaves it open.
      min_confidence: keypoints below it count as not found. Without it, those below a tenth of
        the person's largest, but none of a detector that leaves out what it does not find.
      image_size: width and height in pixels, for files that give shares of the image.
      focal: focal length of the camera, pixels, its optical axis through the middle of the image;
        needs --images or --image-size. Without it what the camera wrote into a photograph counts,
        and without that people are taken to be some metres away.
      names: JSON with the file's names of keypoints and ours, such as {"snout": "nose"}.
      strict: stop at what cannot be read instead of passing over it.
      images: folder with the photographs, to draw over; or one photograph of all.
      meshes: also write a mesh of every body, in metres.
      pictures: draw every fit.
      smooth: fit people who are followed over frames as one body that moves smoothly: 1 for
        walking, dancing, standing; less for more abrupt motion. Without it frames are fitted one
        by one.
    """
    album = keypoint_files.album(images, keypoints)
    options = keypoint_files.options(skeleton, min_confidence, image_size, names, strict, album)
    read = [keypoint_files.read(path, options) for path in keypoints]
    read = keypoint_files.followed(read, keypoints)
    people, skipped = keypoint_files.usable(read, keypoints)
    keep_compilations()
    model = bodies.load_body(body, gender)
    trained = bodies.load_checkpoint(checkpoint, model)
    files.output_folder(output)
    lenses = bodies.lenses(focal, image_size, album, people)
    if smooth is None:
        found = bodies.fit(trained, model, people, lenses)
    else:
        found = bodies.fit_motions(trained, model, people, lenses, smooth)
    fitted = bodies.sound(found, people, lenses, skipped, keypoints[0])
    bodies.warn(fitted, read)
    body_files.write(output, model, fitted, gender, album, meshes, pictures)
