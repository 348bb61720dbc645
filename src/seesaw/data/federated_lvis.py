"""LVIS v1 with the categories verified in each image (Gupta et al., 2019, section 2)."""

from mmdet.datasets import LVISV1Dataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class FederatedLVISDataset(LVISV1Dataset):
    """``LVISV1Dataset`` that keeps the categories verified to be absent, which mmdet drops.

    They are stored as ``absent_labels``, a list of labels from 0, beside ``img_id``; add this key
    to the ``meta_keys`` of ``PackDetInputs`` for :class:`FederatedContextHead`.
    """

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse an image's information as mmdet does, and add ``absent_labels``."""
        absent = raw_data_info["raw_img_info"].get("neg_category_ids", [])
        labels = [self.cat2label[c] for c in absent if c in self.cat2label]
        return super().parse_data_info(raw_data_info) | dict(absent_labels=labels)
