"""What data sets of keypoints in photographs share."""
