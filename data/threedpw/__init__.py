"""3D Poses in the Wild: people outdoors with SMPL bodies from inertial sensors and video."""
