"""The compiled inner loops of LVIS evaluation: IoUs and greedy matching of one image, AP curves.

Shape legend: D detections, G ground truths, T IoU thresholds, A area ranges, C categories.
All compute the same as lvis-api (lvis/eval.py), line by line, but store it differently.
"""

import numpy as np

from seesaw.core.jit import njit

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)
EPSILON = np.spacing(1)  # lvis-api's, in the denominator of precision
AREA_RANGES = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])


@njit()
def box_ious(detections, detection_category, truths, truth_category):  # pragma: no cover
    """IoUs (D, G) of boxes [x, y, w, h] (pycocotools bbIou); 0 where categories differ."""
    ious = np.zeros((len(detections), len(truths)))
    for d in range(len(detections)):
        for g in range(len(truths)):
            if detection_category[d] != truth_category[g]:
                continue
            a, b = detections[d], truths[g]
            w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
            h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
            if w > 0 and h > 0:
                ious[d, g] = w * h / (a[2] * a[3] + b[2] * b[3] - w * h)
    return ious


@njit()
def mask_ious(
    rows, starts, ends, offsets, areas, category, starts_g, ends_g, offsets_g, areas_g, category_g
):  # pragma: no cover
    """IoUs (D, G) of masks given as intervals; ``rows`` (D,) picks the detections' masks."""
    ious = np.zeros((len(rows), len(areas_g)))
    for d in range(len(rows)):
        row = rows[d]
        for g in range(len(areas_g)):
            if category[d] != category_g[g]:
                continue
            i, j = offsets[row], offsets_g[g]
            last_i, last_j = offsets[row + 1], offsets_g[g + 1]
            if i == last_i or j == last_j:
                continue
            if starts[i] >= ends_g[last_j - 1] or starts_g[j] >= ends[last_i - 1]:
                continue  # no common columns
            shared = 0
            while i < last_i and j < last_j:
                low, high = max(starts[i], starts_g[j]), min(ends[i], ends_g[j])
                if high > low:
                    shared += high - low
                if ends[i] < ends_g[j]:
                    i += 1
                else:
                    j += 1
            if shared:
                ious[d, g] = shared / (areas[row] + areas_g[g] - shared)
    return ious


@njit()
def match_image(
    ious, category, area, lenient, category_g, area_g, ignore_g, ranges, thresholds
):  # pragma: no cover
    """Greedy matching of one image's detections, highest score first (lvis evaluate_img).

    Args:
        ious: (D, G), detections in descending score order.
        category: (D,) of the detections.
        area: (D,) of the detections.
        lenient: (D,) bool, the category is not exhaustively annotated in this image.
        category_g: (G,) of the ground truths.
        area_g: (G,) of the ground truths.
        ignore_g: (G,) bool, ignored whatever their area.
        ranges: (A, 2) area ranges.
        thresholds: (T,) IoU thresholds.

    Returns:
        Bits over T: true positive (D, A) uint16, ignored (D, A) uint16, in neither: false
        positive; and which ground truths count (G, A) bool.
    """
    hit = np.zeros((len(category), len(ranges)), np.uint16)
    ignored = np.zeros((len(category), len(ranges)), np.uint16)
    counts = np.zeros((len(category_g), len(ranges)), np.bool_)
    taken = np.empty(len(category_g), np.bool_)
    order = np.empty(len(category_g), np.int64)
    hopeless = np.ones(len(category), np.bool_)  # too little overlap for any threshold
    for d in range(len(category)):
        for g in range(len(category_g)):
            hopeless[d] &= ious[d, g] < thresholds[0]
    hopeful = np.flatnonzero(~hopeless)
    near = np.empty((len(hopeful), len(category_g)), np.int64)  # truths a detection may match
    nears = np.empty(len(hopeful), np.int64)
    every = np.uint16((1 << len(thresholds)) - 1)
    for a in range(len(ranges)):
        low, high = ranges[a]
        size = 0
        for g in range(len(category_g)):
            counts[g, a] = not (ignore_g[g] or area_g[g] < low or area_g[g] > high)
            if counts[g, a]:
                order[size] = g
                size += 1
        for g in range(len(category_g)):
            if not counts[g, a]:
                order[size] = g
                size += 1
        for d in range(len(category)):
            if hopeless[d] and (lenient[d] or area[d] < low or area[d] > high):
                ignored[d, a] = every
        for h in range(len(hopeful)):
            d, nears[h] = hopeful[h], 0
            for g in order:
                if category_g[g] == category[d] and ious[d, g] >= thresholds[0]:
                    near[h, nears[h]] = g
                    nears[h] += 1
        for t in range(len(thresholds)):
            bit = np.uint16(1 << t)
            taken[:] = False
            for h in range(len(hopeful)):
                d = hopeful[h]
                best, found = min(thresholds[t], 1 - 1e-10), -1
                for k in range(nears[h]):
                    g = near[h, k]
                    if taken[g]:
                        continue
                    if not counts[g, a] and found > -1 and counts[found, a]:
                        break  # a match that counts is preferred to an ignored one
                    if ious[d, g] >= best:
                        best, found = ious[d, g], g
                if found > -1:
                    taken[found] = True
                    if counts[found, a]:
                        hit[d, a] |= bit
                    else:
                        ignored[d, a] |= bit
                elif lenient[d] or area[d] < low or area[d] > high:
                    ignored[d, a] |= bit
    return hit, ignored, counts


@njit()
def average_precision(offsets, image, hit, ignored, truths, weights, recalls, levels):
    """AP and recall of every category at every IoU threshold (lvis accumulate).

    Args:
        offsets: (C + 1,), detections of category c are rows offsets[c]:offsets[c + 1], in
            descending score order.
        image: (N,) image index of each detection.
        hit: (N,) uint16, bits over T.
        ignored: (N,) uint16, bits over T.
        truths: (C,) number of ground truths that count, already weighted.
        weights: (I,) how often each image occurs: ones, or a bootstrap sample.
        recalls: (101,) recall thresholds.
        levels: T.

    Returns:
        Two arrays (T, C), NaN where a category has no ground truth that counts.
    """
    categories = len(offsets) - 1
    ap = np.full((levels, categories), np.nan)
    recall = np.full((levels, categories), np.nan)
    longest = 0
    for c in range(categories):
        longest = max(longest, offsets[c + 1] - offsets[c])
    curve, reached = np.empty((levels, longest)), np.empty((levels, longest))
    for c in range(categories):
        if truths[c] == 0:
            continue
        tp, fp, fp_at_all = np.zeros(levels), np.zeros(levels), 0.0
        points = np.zeros(levels, np.int64)
        for n in range(offsets[c], offsets[c + 1]):
            weight = weights[image[n]]
            if weight == 0:
                continue
            if hit[n] == 0 and ignored[n] == 0:  # most: a false positive at every threshold
                fp_at_all += weight
                continue
            for t in range(levels):
                if (hit[n] >> t) & 1:
                    tp[t] += weight
                    # Precision peaks at true positives: the envelope needs no other point.
                    curve[t, points[t]] = tp[t] / (fp_at_all + fp[t] + tp[t] + EPSILON)
                    reached[t, points[t]] = tp[t] / truths[c]
                    points[t] += 1
                elif not (ignored[n] >> t) & 1:
                    fp[t] += weight
        for t in range(levels):
            for k in range(points[t] - 2, -1, -1):
                curve[t, k] = max(curve[t, k], curve[t, k + 1])
            total, k = 0.0, 0
            for level in recalls:
                while k < points[t] and reached[t, k] < level:
                    k += 1
                if k == points[t]:
                    break
                total += curve[t, k]
            ap[t, c] = total / len(recalls)
            recall[t, c] = tp[t] / truths[c]
    return ap, recall


@njit(error_model="numpy")
def sample_ap(
    offsets, image, hit, ignored, truth_image, truth_category, weights
):  # pragma: no cover
    """AP over the IoU thresholds of every category in many bootstrap samples at once.

    The numbers of `average_precision`, but samples run side by side in vector lanes and a
    category's detections are walked from the lowest score up, so that the envelope is a running
    maximum and no curve is stored. Needs recall thresholds 0, 0.01, ..., 1.

    Args:
        offsets: (C + 1,) as in `average_precision`.
        image: (N,) image index of each detection.
        hit: (N,) uint16, bits over T.
        ignored: (N,) uint16, bits over T.
        truth_image: (M,) image index of each ground truth that counts.
        truth_category: (M,) its category index.
        weights: (I, S) float32, how often each image is in each sample.

    Returns:
        (C, S), NaN where a category has no ground truth in a sample.
    """
    categories, samples = len(offsets) - 1, weights.shape[1]
    truths = np.zeros((categories, samples))
    for m in range(len(truth_image)):
        for s in range(samples):
            truths[truth_category[m], s] += weights[truth_image[m], s]
    longest = 0
    for c in range(categories):
        longest = max(longest, offsets[c + 1] - offsets[c])
    # Rows that are not false positives at every threshold, and those false positives above them.
    rows, above = np.empty(longest, np.int64), np.empty((longest, samples))
    levels = len(IOU_THRESHOLDS)
    ap = np.empty((categories, samples))
    total, peak, tp, fp, reached, fp_at_all = np.zeros((6, samples))
    for c in range(categories):
        count = 0
        fp_at_all[:] = 0
        for n in range(offsets[c], offsets[c + 1]):
            if hit[n] == 0 and ignored[n] == 0:
                for s in range(samples):
                    fp_at_all[s] += weights[image[n], s]
            else:
                rows[count] = n
                above[count] = fp_at_all
                count += 1
        total[:] = 0
        for t in range(levels):
            tp[:] = 0
            fp[:] = 0
            for k in range(count):
                n = rows[k]
                if (hit[n] >> t) & 1:
                    for s in range(samples):
                        tp[s] += weights[image[n], s]
                elif not (ignored[n] >> t) & 1:
                    for s in range(samples):
                        fp[s] += weights[image[n], s]
            peak[:] = 0
            for s in range(samples):
                reached[s] = _levels_reached(tp[s] / truths[c, s])
            for k in range(count - 1, -1, -1):
                n = rows[k]
                if (hit[n] >> t) & 1:
                    for s in range(samples):
                        precision = tp[s] / (above[k, s] + fp[s] + tp[s] + EPSILON)
                        peak[s] = precision if precision > peak[s] else peak[s]
                        tp[s] -= weights[image[n], s]
                        before = _levels_reached(tp[s] / truths[c, s])
                        total[s] += (reached[s] - before) * peak[s]
                        reached[s] = before
                elif not (ignored[n] >> t) & 1:
                    for s in range(samples):
                        fp[s] -= weights[image[n], s]
            for s in range(samples):
                total[s] += peak[s]  # recall 0 is reached by the first detection
        for s in range(samples):
            ap[c, s] = total[s] / (levels * 101) if truths[c, s] > 0 else np.nan
    return ap


@njit(error_model="numpy", inline="always")
def _levels_reached(recall):  # pragma: no cover
    """How many of the recall thresholds 0.01, ..., 1 are not above ``recall``."""
    # A quotient of counts is either k / 100 or far from it. The comparison decides whether the
    # float 0.01 k is above that quotient, as lvis-api's search does.
    level = np.floor(recall * 100 + 1e-9)
    return level if level * 0.01 <= recall else level - 1
