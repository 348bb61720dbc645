"""Box heads on top of mmdet."""
