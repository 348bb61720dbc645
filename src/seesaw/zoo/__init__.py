"""mmdet's released Seesaw models through our pipeline."""
