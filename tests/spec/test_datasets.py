"""How many categories a dataset has, stated or counted, and models have as many."""

import json
import shutil

import pytest
import small_folder
import yaml
from facts import lacks

from seesaw.core import paths
from seesaw.core.provenance import record
from seesaw.errors import UserError
from seesaw.spec import datasets
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale


@pytest.fixture
def folder(tmp_path):
    """A folder in LVIS format with four categories."""
    return small_folder.make(tmp_path / "mine")


@pytest.fixture
def listed(folder, tmp_path, monkeypatch):
    """Makes the table of datasets: name -> what differs from an entry for the folder."""

    def write(rows):
        own = dict(root=str(folder), train="annotations/train.json", val="annotations/val.json")
        file = tmp_path / "datasets.yaml"
        file.write_text(yaml.safe_dump({"datasets": {n: own | row for n, row in rows.items()}}))
        monkeypatch.setattr(paths, "DATASETS", file)

    return write


def classes_of(config):
    text = json.dumps(config.model.to_dict(), default=str)
    return {int(part.split(",")[0].split("}")[0]) for part in text.split('"num_classes": ')[1:]}


def test_a_folder_named_as_the_scales_dataset_is_another(folder):
    own = folder.rename(folder.with_name("mini_lvis"))
    scale = Scale("mini", str(own))
    assert scale.full_name == "mini@mini_lvis" and scale.results != Scale("mini").results
    assert f"--dataset {own}" in scale.data_command
    assert Scale("mini", f"{own}/").options == scale.options  # as a shell completes it


def test_two_folders_of_one_name_do_not_share_results(folder, bare):
    other = shutil.copytree(folder, bare / "elsewhere/mine")
    manifest = {"categories": 1, "hash": "", "splits": {}}
    for root in (folder, other):
        (root / "manifest.json").write_text(json.dumps(manifest | {"hash": str(root)}))
    scale = Scale("mini", str(folder))
    model = scale.model("a01_mask_rcnn", 0)
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights")
    record(model, inputs={"manifest": scale.entry.manifest})
    with pytest.raises(UserError, match=r"results/mini@mine .*elsewhere/mine\b"):
        Scale("mini", str(other))
    assert Scale("mini", str(folder)).full_name == "mini@mine"
    shutil.copy(folder / "manifest.json", other)  # the same data
    assert Scale("mini", str(other)).full_name == "mini@mine"


def test_a_name_from_which_no_folder_of_results_can_be_named_is_refused(folder):
    kept = folder.rename(folder.with_name("é" * 100))
    assert datasets.load(str(kept)).name == kept.name
    with pytest.raises(UserError, match="a name of 201 bytes"):
        datasets.load(str(kept.rename(kept.with_name("é" * 100 + "e"))))


def test_an_empty_table_has_no_dataset(clone):
    paths.DATASETS.write_text("datasets:\n")
    with pytest.raises(UserError, match=r"datasets\.yaml: .*'mini_lvis'"):
        datasets.load("mini_lvis")


def test_a_number_and_braces_in_the_table(listed):
    listed({2024: {}, "braces": {"root": "a{b}"}})
    assert datasets.load("2024").name == "2024"
    with pytest.raises(UserError, match=r"'2023' .*\b2024\b"):
        datasets.load("2023")
    with pytest.raises(UserError, match=r"'braces' .*\bworkflow\b"):
        datasets.load("braces")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"name": "other"}, r"name\b"),  # under another's name it would have that one's results
        ({"train": "/a/train.json"}, r"train .*'/a/train\.json'.*\broot\b"),
        ({"val": 5}, r"val is 5\b"),
    ],
)
def test_a_faulty_row_is_named(listed, row, said):
    listed({"good": {}, "mine": row})
    with pytest.raises(UserError, match=rf"datasets\.yaml: datasets\.mine\.{said}"):
        datasets.load("mine")


def test_stated_planned_or_counted(folder):
    assert [datasets.load(n).classes for n in ("lvis_v1", "mini_lvis", "smoke_lvis")] == [
        1203, 36, 12,
    ]  # fmt: skip
    assert datasets.load(str(folder)).classes == 4


@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
def test_models_have_as_many_classes_as_their_dataset(folder, scale):
    scale = Scale(scale, str(folder))
    for training in ("mask_rcnn_random_seesaw", "b03_htc_lite"):
        assert classes_of(resolve(scale.table.trainings[training].config, scale)) == {4}


def test_a_wrong_statement_is_reported(folder, listed, printed):
    listed({name: {"categories": 3} for name in ("mine", "smoke_lvis")})
    said = printed("data", "--scale", "smoke", "--dataset", "mine", code=2)
    assert not lacks(said, "mine", "3 categories", "have 4")
    assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize("file", ["manifest.json", "category_counts.json"])
def test_a_file_of_the_users_is_not_replaced(folder, printed, file):
    own = folder / file
    own.write_text('{"files": 3}')
    said = printed("data", "--scale", "smoke", "--dataset", folder, code=2)
    assert not lacks(said, own, "`seesaw data`")
    assert own.read_text() == '{"files": 3}'
    own.with_name(f"{file}.provenance.json").touch()  # then it is one of ours that was damaged
    assert datasets.load(str(folder)).root == folder
