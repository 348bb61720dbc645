"""From the mask head's 256 channels before the predictor to RLE: ours against mmdet 3's way.

300 detections of an image of 640 x 480 pixels, 1,203 classes. mmdet computes and activates the
masks of all classes, picks one, pastes it into a full image and encodes that with pycocotools;
ours computes one class, pastes and encodes inside the box. The RLE of both from the same picked
logits is asserted to be the same bytes first. ``--full`` adds the three averaged heads of a
cascade, which take 13 GB in mmdet's way.
"""

import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.test_time_augs import merge_aug_masks
from mmdet.structures.mask import encode_mask_results
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from report import arguments, median_cpu_seconds, row

from seesaw.evaluation.paste import rle_masks
from seesaw.models.mask_heads.class_indexed import ClassIndexedFCNMaskHead

DETECTIONS, CLASSES, CHANNELS, SIDE, HEIGHT, WIDTH = 300, 1203, 256, 28, 480, 640
META = dict(ori_shape=(HEIGHT, WIDTH), img_shape=(HEIGHT, WIDTH), scale_factor=(1.0, 1.0))
CFG = ConfigDict(mask_thr_binary=0.5)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Smooth features (300, 256, 28, 28), so that masks are blobs; boxes 7 to 400 wide; labels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(DETECTIONS, CHANNELS, 5, 5, generator=generator)
    features = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")
    size = torch.tensor([WIDTH, HEIGHT])
    corner = torch.rand(DETECTIONS, 2, generator=generator) * 0.9 * size
    side = (torch.rand(DETECTIONS, 2, generator=generator) * 4 + 2).exp()
    boxes = torch.minimum(torch.cat([corner, corner + side], 1), size.repeat(2))
    return features, boxes, torch.randint(CLASSES, (DETECTIONS,), generator=generator)


def to_rle(heads, masks: list, boxes: torch.Tensor, labels: torch.Tensor) -> list[str]:
    """Logits of every head, averaged as probabilities if several, to RLE."""
    activated = len(masks) > 1
    mean = merge_aug_masks([m.sigmoid() for m in masks], META) if activated else masks[0]
    result = InstanceData(bboxes=boxes.clone(), labels=labels)
    (result,) = heads[-1].predict_by_feat(
        [mean], [result], [META], CFG, rescale=True, activate_map=activated
    )
    if not torch.is_tensor(result.masks):
        return [mask["counts"] for mask in result.masks]
    return [mask["counts"].decode() for mask in encode_mask_results(result.masks.numpy())]


@torch.inference_mode()
def main() -> None:
    """Assert, measure, print."""
    full = arguments(__doc__, "three mask heads too").parse_args().full
    torch.set_num_threads(1)
    features, boxes, labels = inputs()
    for number in (1, 3) if full else (1,):
        torch.manual_seed(0)
        dense = [FCNMaskHead(num_convs=0, num_classes=CLASSES) for _ in range(number)]
        indexed = [ClassIndexedFCNMaskHead(num_convs=0, num_classes=CLASSES) for _ in dense]
        for ours, theirs in zip(indexed, dense, strict=True):
            ours.load_state_dict(theirs.state_dict())
        module = torch.nn.ModuleList(indexed)

        def mmdet(dense=dense):
            return to_rle(dense, [head.conv_logits(features) for head in dense], boxes, labels)

        def picked(indexed=indexed):
            masks = []
            for head in indexed:
                with head.class_indexed(labels):
                    masks.append(head.conv_logits(features))
            return masks

        def ours(indexed=indexed, module=module, picked=picked):
            with rle_masks(module):
                return to_rle(indexed, picked(), boxes, labels)

        # the same logits, pasted as full images by mmdet
        assert ours() == to_rle(indexed, picked(), boxes, labels), "RLE differ"
        row(
            f"Mask post-processing of an image, {DETECTIONS} detections, {CLASSES:,} classes, "
            f"{number} mask head{'s' * (number > 1)}",
            ours=1e3 * median_cpu_seconds(ours, 5),
            unit="ms",
            peer=1e3 * median_cpu_seconds(mmdet, 3 if number == 1 else 1),
            peer_name="mmdet",
            at_least=15,
        )


if __name__ == "__main__":
    main()
