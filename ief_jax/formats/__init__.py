"""Files that people bring and take away: keypoint detections in; fitted bodies and meshes out."""
