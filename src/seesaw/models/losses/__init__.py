"""Classification losses on top of mmdet."""
