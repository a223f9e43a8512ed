"""`ief-jax fit`: bodies fitted to files of keypoint detections."""

from pathlib import Path
from typing import TYPE_CHECKING

from ief_jax.cli import (
    bodies,
    body_files,
    fit_parts,
    fit_source,
    keypoint_files,
    lenses,
    motion_files,
    scenes,
)
from ief_jax.cli.bodies import Gender
from ief_jax.cli.keypoint_files import Skeleton
from ief_jax.cli.shared import Files, keep_compilations
from ief_jax.formats.meshes import MeshFormat
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.checkpoints import Checkpoint


def fit(
    keypoints: Files,
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
    every_picture: bool = False,
    smooth: float | None = None,
    shard: str | None = None,
) -> None:
    """Fit a 3D body to every person in files or folders of 2D keypoints.

    Writes bodies.npz (AMASS-style poses, betas and trans; camera, joints, errors), a picture of
    every fit or, of several frames, contact sheets and, if these follow one another, a video; and,
    if asked, a mesh of every body. With --smooth also each person's motion as person_N.npz (AMASS)
    and person_N.bvh, and people.glb (animated).

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
      pictures: draw the fits.
      every_picture: of several frames draw a picture of every fit, too.
      smooth: fit people who are followed over frames as one body that moves smoothly: 1 for
        walking, dancing, standing; less for more abrupt motion. Without it frames are fitted one
        by one.
      shard: I/N: fit the I-th of N shares of many frames. The runs may be anywhere, if all see the
        output; the same command without it then puts together what they did.
    """
    share = None if shard is None else fit_parts.parse_shard(shard)
    if share and smooth is not None:
        raise InputError("--shard parts the frames that --smooth ties to one another; give one")
    paths = keypoint_files.given(keypoints)
    album = keypoint_files.album(images, paths)
    options = keypoint_files.options(skeleton, min_confidence, image_size, names, strict, album)

    def fit_many(source: fit_source.Source) -> None:
        model, trained = load(checkpoint, body, gender)
        job = fit_parts.Job(
            *(source, output, trained, model, gender, focal, image_size, album, meshes),
            *(pictures, every_picture),
        )
        fit_parts.run(job, share)

    if smooth is None and fit_source.are_many(paths):
        fit_many(fit_source.of_files(paths, options))
        return
    found = keypoint_files.read_all(paths, options)
    paths, read = list(found), list(found.values())
    if share or smooth is None and sum(len(one.frame_names) for one in read) > fit_source.PART:
        fit_many(fit_source.of_read(read, paths, options))
        return
    read = keypoint_files.followed(read, paths)
    people, skipped = keypoint_files.usable(read, paths)
    model, trained = load(checkpoint, body, gender)
    files.output_folder(output)
    each_lens = lenses.of_people(focal, image_size, album, people)
    if smooth is None:
        fits = bodies.fit(trained, model, people, each_lens)
    else:
        fits = bodies.fit_motions(trained, model, people, each_lens, smooth)
    fitted = bodies.sound(fits, people, each_lens, skipped, paths[0])
    bodies.warn(fitted, read)
    body_files.write(output, model, fitted, gender, album, meshes, pictures, every_picture)
    film = pictures and scenes.follow_one_another(fitted.people)
    if smooth is None and not film:
        return
    sizes = scenes.sizes(fitted.people, album, image_size)
    if smooth is not None:
        moving = motion_files.of_fitted(fitted, max(sizes))
        motion_files.write(output, model, moving, fitted.people.fps, gender)
    if film:
        scenes.write_video(output / "overlay.mp4", model, fitted, album, sizes)


def load(checkpoint: str, body: Path | None, gender: Gender) -> tuple["BodyModel", "Checkpoint"]:
    """The body model and the checkpoint that is for such; what jax compiles is kept."""
    keep_compilations()
    model = bodies.load_body(body, gender)
    return model, bodies.load_checkpoint(checkpoint, model)
