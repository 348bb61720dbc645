"""The experiment table, the scale and the dependencies of jobs; imports neither torch nor mmdet."""

import os
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError

from seesaw.core import paths
from seesaw.core.names import instead
from seesaw.core.secrets import masked
from seesaw.errors import UserError
from seesaw.spec import claims, downloads, figures, site
from seesaw.spec import zoo as zoo_table
from seesaw.spec.experiments import PLACES
from seesaw.spec.scales import Scale
from seesaw.workflow import acceptances, dependencies, metadata
from seesaw.workflow.jobs import snakemake_record
from seesaw.workflow.slurm import controller, ledger
from seesaw.workflow.slurm import resources as slurm

# Whether the Snakefile is loaded only to read the job graph (`seesaw.workflow.graph`).
LOOKS = config.get("look", False)
SETTINGS = ("scale", "dataset", "look")
try:
    if unknown := sorted(map(str, config.keys() - {*SETTINGS})):
        hint = instead(unknown[0], SETTINGS[:2])
        raise UserError(f"--config {unknown[0]}: there is no such setting; {hint}")
    # Snakemake reads a name as a number where it can, and 0 is one.
    DATASET = config.get("dataset")
    NAME = str(config.get("scale", "mini"))
    SCALE = Scale(NAME, None if DATASET in (None, "") else str(DATASET))
    EXPERIMENTS = SCALE.table
    FINGERPRINTS = dependencies.Keys(SCALE) if LOOKS else dependencies.cached(SCALE)
    SITE = site.load()
    DOWNLOADS = downloads.load().sets
    ZOO = zoo_table.load().models
    CLAIMS = claims.of(SCALE)
    # In a clone that pulled results, restore Snakemake's record of how they were made. Jobs on a
    # cluster only read it.
    if workflow.is_main_process and not LOOKS:
        metadata.forget_older(SCALE, FINGERPRINTS)
        metadata.seed(SCALE)
except UserError as error:
    raise WorkflowError(masked(error)) from None
except OSError as error:
    fault = f"{error.filename or 'a file'} cannot be read or written ({error.strerror})"
    fix = "give this user the permission, or make room, and run the same command again"
    raise WorkflowError(f"{masked(fault)}; {fix}.") from None
except KeyboardInterrupt:
    raise WorkflowError("Stopped before a job began; run the same command again.") from None

ENTRY = SCALE.entry
RESULTS = str(SCALE.results)
# With the wildcards of a training and, in a folder of its own, of an evaluation.
MODEL = str(SCALE.model("{training}", "{seed}"))
EVALUATED = f"{Path(MODEL).parent}/{{evaluation}}"
LOGS = str(SCALE.logs)
BENCHMARKS = f"{LOGS}/benchmarks"
OPTIONS = shlex.join(["--scale", SCALE.name, "--dataset", SCALE.dataset])
# At smoke scale timings only have to run; noisy ones are sufficient.
FEW = " --images 2 --rounds 2" if SCALE.name == "smoke" else ""

# GPUs of one training; with GPUs, detection and timing also run on one.
GPUS = SITE.gpus.get(SCALE.name, 0)
# An image has no commands of SLURM, so jobs in it do not requeue themselves.
IN_IMAGE = "apptainer" in map(str, workflow.deployment_settings.deployment_method)
WHERE = {} if IN_IMAGE else os.environ
if IN_IMAGE and slurm.nodes_of(SITE, GPUS) > 1:  # srun is one of these commands
    raise WorkflowError(
        f"site.yaml gives a training of {SCALE.name} scale {GPUS} GPUs, which are on several nodes, "
        f"but in an image it uses one node; give it at most {SITE.gpus_per_node} under gpus, or "
        "leave out --sdm apptainer."
    )
TRAINER = slurm.trainer(
    SITE,
    GPUS,
    "{SCALE.work:q}/{wildcards.training}/seed{wildcards.seed}/{params.fingerprint}",
    WHERE,
)
DETECTOR = slurm.trainer(
    SITE, min(GPUS, 1), "{SCALE.work:q}/detect/{wildcards.evaluation}/seed{wildcards.seed}", WHERE
)
# In the command and not in params, so that other numbers do not trigger a retraining.
LOADERS = f" --workers {SITE.cpus_per_gpu}" if GPUS else ""
ROOM = f" --images-per-gpu {SITE.images_per_gpu}{LOADERS}" if GPUS else ""
os.environ[ledger.SCALE] = SCALE.full_name
if prefix := slurm.shell_prefix(SITE):
    shell.prefix(prefix)


# Jobs ask nothing; only the main process asks before it repeats a finished training.
ASKS = SCALE.overlay.ask_before_retraining and workflow.is_main_process and not LOOKS
OUTDATED = acceptances.outdated(SCALE, FINGERPRINTS) if ASKS else {}


def work_directory(wildcards):
    """Return the directory in which a training keeps its checkpoints."""
    key = f"train/{wildcards.training}/seed{wildcards.seed}"
    return SCALE.working(wildcards.training, wildcards.seed) / fingerprint_of(key)


def training_fingerprint(wildcards):
    """Return a training's fingerprint; ask before a finished training would be repeated."""
    key = f"train/{wildcards.training}/seed{wildcards.seed}"
    if key in OUTDATED:
        raise WorkflowError(acceptances.question(SCALE, FINGERPRINTS, OUTDATED))
    return fingerprint_of(key)


def refuse_unexplained():
    """Stop before a finished training begins anew for another reason than its fingerprint.

    Whoever forces a training, by its rule or its file, wants it anew.
    """
    dag = workflow.dag
    # Snakemake forces incomplete files too (`rerun-incomplete`), which nobody has named.
    named = {f for f in dag.forcefiles if not snakemake_record("incomplete", Path(f)).exists()}
    reasons = {
        f"train/{job.wildcards.training}/seed{job.wildcards.seed}": str(dag.reason(job))
        for job in dag.needrun_jobs()
        if job.rule.name == "train"
        and job.rule not in dag.forcerules
        and named.isdisjoint(job.output)
    }
    if found := acceptances.unexplained(SCALE, FINGERPRINTS, reasons):
        raise WorkflowError(acceptances.warning(SCALE, found))


def fingerprint_of(key):
    """Return the fingerprint of a job; its experiment, if it has one, has a row and a config."""
    try:
        return FINGERPRINTS[key]
    except KeyError:
        fix = "add its config, or the row and seed in configs/experiments.yaml"
        raise WorkflowError(f"{key} is no job of {SCALE.full_name} scale; {fix}.") from None


def downloaded(sets):
    """Return the records of sets of downloads."""
    return [str(downloads.record_path(name)) for name in sets]


def starting_weights(wildcards):
    """Return the weights from which a training starts: a trained model or a stand-in backbone.

    There are none at paper scale, where the dataset's job waits for the backbones' weights.
    """
    if parent := EXPERIMENTS.trainings[wildcards.training].init_from:
        return [str(SCALE.model(parent, wildcards.seed))]
    name = FINGERPRINTS["backbones"].get(wildcards.training)
    return [str(SCALE.pretrained(name))] if name else []


def place_files(place, path):
    """Return files of one kind (`Scale.metrics`, ...) for a table's built cells, over all seeds."""
    return [
        str(path(EXPERIMENTS.evaluations[cell.evaluation], seed))
        for cell in EXPERIMENTS.place_cells(place)
        if EXPERIMENTS.built(cell.evaluation)
        for seed in EXPERIMENTS.seeds(cell.evaluation)
    ]


def speed_models(wildcards):
    """Return one model for each framework in Table A2."""
    cells = EXPERIMENTS.place_cells("table_a2")
    evaluations = [EXPERIMENTS.evaluations[c.evaluation] for c in cells]
    return [
        str(SCALE.model(e.training, EXPERIMENTS.seeds(e.id)[0]))
        for e in evaluations
        if EXPERIMENTS.built(e.id)
    ]


def shows_speeds(place):
    """Return whether a table has a column fps and a model of Table A2, whose models are timed."""
    shown, timed = (
        {cell.evaluation for cell in EXPERIMENTS.place_cells(name)} for name in (place, "table_a2")
    )
    return "fps" in EXPERIMENTS.places[place].columns and not shown.isdisjoint(timed)


def gpu_measurements():
    """Return what was measured on GPUs; the paper scale's tables of speeds show it."""
    return paths.gpu_measurements() if SCALE.name == "paper" else []


def submissions():
    """Return the packages of every built evaluation on test-dev, over all seeds."""
    return [
        str(SCALE.submission(evaluation, seed))
        for evaluation in EXPERIMENTS.submissions
        if ENTRY.test_dev and EXPERIMENTS.built(evaluation.id)
        for seed in EXPERIMENTS.seeds(evaluation.id)
    ]


def claim_files(kind):
    """Return the inputs of the claims; weights stand for the gradients that lie beside them."""
    if CLAIMS is None:
        raise WorkflowError(claims.elsewhere(SCALE))
    read = claims.files(SCALE, CLAIMS).get(kind, {}).values()
    return [str(p.with_name("model.pth") if kind == "gradients" else p) for p in read]


def table_files(place):
    """Return all formats of a table; empty if the scale has no row of it."""
    if not EXPERIMENTS.place_cells(place):
        return []
    return [
        f"{SCALE.tables}/{place}.{kind}" for kind in ("txt", "md", "tex", "html", "csv", "json")
    ]


def target_files(name):
    """Return the files of a table, a figure or both; empty if the scale has no row of it."""
    only_drawn = name in figures.FIGURES and name not in PLACES
    return [*([] if only_drawn else table_files(name)), *figures.target(name, SCALE)]
