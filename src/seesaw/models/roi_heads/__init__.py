"""RoI heads on top of mmdet."""
