"""Balanced Group Softmax (BAGS, arXiv 2006.10408), the comparison method of Figure A2.

Relates to mmdet/models/bbox_heads/gs_bbox_head_with0.py of FishYuLi/BalancedGroupSoftmax and to
mmdet/models/losses/group_softmax.py of tztztztztz/eqlv2; mmdet 3.x has none.
"""

from bisect import bisect_right

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.dist import get_rank
from torch import Tensor

from seesaw.errors import UserError
from seesaw.models.losses.common import CategoryCountLoss, check_num_classes, sampled


@MODELS.register_module()
class GroupSoftmaxLoss(CategoryCountLoss):
    """One softmax for each group of categories with similar training instance counts.

    Group k holds the categories with edges[k-1] <= instances < edges[k]; its channels are
    [others, its categories by label]. A last group is {foreground, background}. With G groups in
    all there are C + 1 + G channels, group after group. The loss is the sum over groups of the
    cross-entropy averaged over the group's RoIs: all for the last group; for the others, every
    RoI whose label is in the group and, at random, int(beta x their number) of the remaining.
    A category's score is its softmax in the group times p(foreground), not renormalised.

    The draw is a function of (seed, rank, number of training steps), and the steps are counted in
    the buffer ``num_steps``, so a resumed training draws the same RoIs as an uninterrupted one.

    Args:
        num_classes: C, the number of categories.
        category_counts: See :func:`~seesaw.models.losses.common.load_category_counts`.
        edges: Ascending instance counts between the groups.
        beta: RoIs of "others" kept for each RoI in a group.
        seed: Seed of the draw; each rank has its own stream.
        loss_weight: Factor on the loss.

    Raises:
        UserError: ``edges`` do not ascend, or the counts are not those of C categories.
    """

    def __init__(
        self,
        num_classes: int,
        category_counts: str | dict,
        edges: tuple[int, ...] = (10, 100, 1000),
        beta: float = 8.0,
        seed: int = 0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(num_classes, category_counts, loss_weight)
        if list(edges) != sorted(set(edges)):
            raise UserError(f"GroupSoftmaxLoss.edges is {tuple(edges)}; give ascending numbers.")
        self.beta = beta
        self.seed = seed
        groups: list[list[int]] = [[] for _ in range(len(edges) + 1)]
        for label, count in enumerate(self.counts.instances):
            groups[bisect_right(edges, count)].append(label)
        groups.append([num_classes])
        self.group_sizes = [len(group) for group in groups]

        # (G, C + 1): a label's channel in each group's softmax, 0 where it is one of the others.
        channels = torch.zeros(len(groups), num_classes + 1, dtype=torch.long)
        for row, group in zip(channels, groups, strict=True):
            row[group] = torch.arange(1, len(group) + 1)
        self.register_buffer("channels", channels, persistent=False)
        by_group = torch.tensor([label for group in groups for label in group])
        self.register_buffer("label_order", by_group.argsort(), persistent=False)
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.long))

    def get_cls_channels(self, num_classes: int) -> int:
        """C + 1 + G channels; a UserError if the head's C is another."""
        check_num_classes(self, num_classes)
        return num_classes + 1 + len(self.group_sizes)

    def split_groups(self, cls_score: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C + 1 + G) -> for each group (N, 1 + its size), others first."""
        return cls_score.split([size + 1 for size in self.group_sizes], dim=1)

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Scores by label, background last, (N, C + 1 + G) -> (N, C + 1)."""
        scores = [group.softmax(dim=1) for group in self.split_groups(cls_score)]
        foreground = scores[-1][:, :1]
        parts = [group[:, 1:] * foreground for group in scores[:-1]]
        return torch.cat([*parts, scores[-1][:, 1:]], dim=1)[:, self.label_order]

    def draw(self, members: Tensor, others: Tensor) -> Tensor:
        """Keep every member and a random share of the others, boolean (G, N) each.

        The int(beta x members) others with the smallest random keys are kept. No tensor size
        depends on the data; a GPU's host waits only for the number of steps.
        """
        stream = np.random.SeedSequence((self.seed, get_rank(), int(self.num_steps)))
        generator = torch.Generator().manual_seed(int(stream.generate_state(1)[0]))
        keys = torch.rand(members.shape, generator=generator).to(members.device)
        rank = keys.masked_fill(~others, 2.0).argsort(dim=1).argsort(dim=1)
        quota = (self.beta * members.sum(dim=1, keepdim=True)).floor()
        return members | (others & (rank < quota))

    def forward(
        self,
        cls_score: Tensor,
        labels: Tensor,
        label_weights: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Draw the others of each group, then compute the loss.

        Args:
            cls_score: Logits, (N, C + 1 + G); half precision is computed in float32.
            labels: Labels in [0, C], C = background, < 0 = ignored, (N,).
            label_weights: 0 leaves the RoI out, (N,).
            avg_factor: Unused: each group divides by its own number of RoIs.
            reduction_override: "none" gives each RoI's term of the sum, (N,), else a scalar.
        """
        cls_score = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        rows = sampled(labels, label_weights)
        targets = self.channels[:, labels.clamp(min=0)]
        members = (targets > 0) & rows
        kept = self.draw(members, rows & ~members)
        kept[-1] = rows
        if self.training:
            self.num_steps += 1
        weights = kept / kept.sum(dim=1, keepdim=True).clamp(min=1)
        loss = sum(
            weight * F.cross_entropy(logits, target, reduction="none")
            for logits, target, weight in zip(
                self.split_groups(cls_score), targets, weights.to(cls_score.dtype), strict=True
            )
        )
        loss = self.loss_weight * loss
        return loss if reduction_override == "none" else loss.sum()
