"""What the claims' page says of any claims: the words around its tables."""

HEAD = """\
# The paper's claims at {scale} scale

Levels of AP at {scale} scale say nothing about the paper's. What one change does to a long tail can
be tested: each row below is a claim of the paper, with the effect that was measured here and what
follows from it. A claim that the runs contradict is shown as *contradicted*.
`configs/claims.yaml` holds the claims, `make claims` trains what they need ({seeds}: three to four
hours on two cores after `make all`), and `seesaw claims` shows what is there so far. This page is
generated.

"""
LENGTHS = """\

## By the length of the trainings

Some steps of the paper do not show at the length that this scale affords. The same pair at other
lengths, the learning rate decaying at the same fractions. Each row is one run of a and one of b:
between seeds, b - a varies by √2 times the spread in the table above, and its change from one row
to another by twice the spread. These rows alone show no effect and no trend that is smaller than
two of these deviations. Where the effect over several seeds above is another one, it says more.

"""
RULES = """\

## How a verdict is made

Each row has an effect of *b* against *a* and its 95 % interval.

| kind | effect | ✓ supported | ✗ contradicted |
|---|---|---|---|
| gain | b - a, points of AP | interval above 0 | interval below 0 |
| no loss | b - a, points of AP | interval above -margin, not all of it below 0 | interval below 0 |
| gradient ratio, faster | b / a | interval on the claimed side of 1 | interval on the other side |

Everything else is ≈ *not shown*: these runs cannot tell. *No loss* needs a margin, since no
experiment shows that two numbers are equal: it is supported where a loss of more than the margin is
excluded. A claim gets its verdict when all of its seeds have run, never before: until then it is
*incomplete* or *not run*. *Failed* quotes the job that ended with an error. A run whose training
or detection was of other code or configs than now does not count, nor does a timing of earlier
weights. The runs need not be of one machine or one day: `seesaw freeze {scale} --claims` keeps
those that are finished in `reference/{scale}`, and a run that is not in `results/{scale}` is read
from there.

The column *paper* has the paper's b against a, at its own scale. It stands beside the effect for
the reader; a claim asks for the sign alone. Where the paper's gain in AP is below 1 in Table A1,
the claim is that nothing is lost. So it is for HTC-Lite in Table A2, of which the paper says more,
that it "outperforms" the others. A ✓ of *no loss* does not show a gain: for that the interval must
be above 0.

- **AP.** b and a are compared within each seed and on the same images. The standard error holds
  both, the resampled images and the run-to-run spread, which is the standard deviation between the
  seeds of an evaluation, pooled over all trainings that claims about AP compare. It counts
  twice for two trainings and once where b was trained on from a. Of the same weights it is the
  spread of the claim's own differences; with one seed only the images vary. The interval is
  Student's t, its degrees of freedom by Welch and Satterthwaite ([verdicts](verdicts.md)); with
  one seed it is ± {factor:g} standard errors. While too few runs exist for a pooled spread, one is
  assumed where a claim has one seed. The pooled spread takes all trainings to vary alike. A claim's
  own three seeds would leave two degrees of freedom and an interval about twice as wide, by which
  fewer verdicts would hold, on either side.
- **Gradient ratio.** Positive over negative gradients on a category's logit, summed over the whole
  training and over the categories of a group (r, c or f), as in Figure A1. Tested is whether b's
  ratio is below a's, or above it, as the claim says; not by how much. Mean and Student's t interval
  over seeds, on the logarithm; SE is that of the logarithm. All negatives count, also
  background RoIs, of which Seesaw Loss's class logits get no gradient and cross-entropy's do: an
  effect of one loss against the other holds this difference too. Without background RoIs the rare
  categories' ratio does not rise with Seesaw Loss, it falls (the dotted line of Figure A1).
- **Faster.** Images per second in the timing of Table A2, compared round by round, on the
  logarithm. It is the spread of one session on one machine, not of machines.

Intervals are not corrected for the number of claims: of twenty claims without any effect, one
interval is expected to miss zero, on the claimed side or on the other. Intervals that hold for all
of forty claims at once are about 1.7 times as wide (Bonferroni, 80 degrees of freedom); a verdict,
✓ or ✗, that would not stand with such an interval is weak evidence. Claims that share runs, such as
two against the same cross-entropy, err together.

## No fishing

Data, schedules and thresholds of this scale were chosen on seeds 100 and up: in a second clone,
with such a seed in `configs/experiments.yaml` and other values in `configs/scales/mini.yaml`,
`snakemake` makes any rung's metrics. Then the design is frozen: `seesaw claims --freeze` writes a
hash of the resolved configs, the data and its generator, the pre-training and the claims with their
seeds into `configs/claims.yaml`, and refuses where a claim has results. Then the claims' seeds run;
git's history shows the order (`git log -G ^frozen: configs/claims.yaml`). A training that a new
design leaves as it was keeps its results; the line of the chosen design says which had been seen
before it was chosen, and what was changed after its runs. Under any other design every verdict is
marked *exploratory*.

Whoever wants fresh seeds alone leaves out the first of *each run*, seed 0. And a verdict holds for
the chosen design: the others were tried one after the other while the numbers below were seen,
those of claims' pairs among them, and under some that were dropped an effect had the other sign.
"""
