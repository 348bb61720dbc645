"""The context loss over judged categories, from the annotation file to the loss."""

import pytest
import small_folder
import torch
from mmdet.registry import DATASETS
from small_roi_heads import CLASSES, GLBCTX, batch, build, losses_and_gradients, pyramid

import seesaw.data.federated_lvis  # noqa: F401  (registers)
from seesaw.models.roi_heads.federated_context import FederatedContextHead

FEDERATED = GLBCTX | dict(type="FederatedContextHead")


def head(loss_weight=1.0):
    arguments = {k: v for k, v in FEDERATED.items() if k != "type"} | dict(loss_weight=loss_weight)
    return FederatedContextHead(**arguments)


def test_closed_form():
    """log(1 + e^-z) for z of a positive, log(1 + e^z) of an absent one, nothing of the others."""
    pred = torch.zeros(2, CLASSES, dtype=torch.float64)
    pred[0, 2], pred[0, 5], pred[1, 1] = 1.0, -2.0, 3.0
    labels = [torch.tensor([2, 2]), torch.tensor([], dtype=torch.long)]
    pred.requires_grad_()
    loss = head(3.0).loss(pred, labels, [[5], [1]])
    logs = torch.tensor([-1.0, -2.0, 3.0], dtype=torch.float64).exp().log1p()
    assert loss.item() == pytest.approx(3.0 * logs.mean().item(), rel=1e-12)
    loss.backward()
    assert pred.grad.count_nonzero() == 3


def test_all_judged_is_mmdets_loss():
    rois = build("HTCLiteRoIHead", glbctx_head=GLBCTX)
    ours = build("HTCLiteRoIHead", glbctx_head=FEDERATED)
    ours.load_state_dict(rois.state_dict())
    samples, proposals = batch()
    expected, _ = losses_and_gradients(rois, pyramid(), samples, proposals)
    samples, proposals = batch()
    for sample in samples:
        present = set(sample.gt_instances.labels.tolist())
        sample.set_metainfo(dict(absent_labels=sorted(set(range(CLASSES)) - present)))
    losses, _ = losses_and_gradients(ours, pyramid(), samples, proposals)
    torch.testing.assert_close(losses["loss_glbctx"], expected["loss_glbctx"])
    samples, proposals = batch()
    for sample in samples:
        sample.set_metainfo(dict(absent_labels=[]))
    fewer, _ = losses_and_gradients(ours, pyramid(), samples, proposals)
    assert not torch.isclose(fewer["loss_glbctx"], expected["loss_glbctx"], rtol=1e-3)


def test_dataset_keeps_what_was_judged_absent(tmp_path):
    root = small_folder.make(tmp_path / "set")
    images = {i["id"]: i for i in small_folder.read(root, "train")["images"]}
    dataset = DATASETS.build(
        dict(
            type="FederatedLVISDataset",
            data_root=str(root),
            ann_file=small_folder.FILES["train"],
            data_prefix=dict(img=""),
            pipeline=[],
        )
    )
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert sum(len(info["absent_labels"]) for info in found) == len(found) == 10
    for info in found:
        absent = images[info["img_id"]]["neg_category_ids"]
        assert [label + 1 for label in info["absent_labels"]] == absent
