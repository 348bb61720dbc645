"""The crate has what Workflow Run Crate 0.5 and the profiles below it say MUST be there.

(`rocrate-validator` needs an older rich than ours and the network: docs/provenance.md.)
"""

import json

import pytest
from finished_run import evaluated
from repository import REPOSITORY

from seesaw.cli.main import main
from seesaw.core.provenance import record
from seesaw.core.records import provenance_path
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import write_recorded

RUN = "https://w3id.org/ro/wfrun/workflow/0.5"


@pytest.fixture
def crate(scale, monkeypatch, tmp_path):
    for name in ("CITATION.cff", "README.md"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.setenv("WANDB_API_KEY", "planted-0123456789")
    files = evaluated(scale, "a01_mask_rcnn")
    files["weights"].write_bytes(bytes(6_000_000))
    record(files["weights"], inputs={"manifest": files["manifest"]}, seed=0)
    record(files["detections"], inputs={"weights": files["weights"]}, seed=0)
    write_recorded(collect("table_a1", scale), scale)
    assert main(["crate", "made"]) == 0
    return tmp_path / "made", files


def graph(folder):
    content = json.loads((folder / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in content["@graph"]}


def ids(value):
    return [v["@id"] for v in (value if isinstance(value, list) else [value])]


def test_what_the_profile_says_must_be(crate):
    folder, _ = crate
    entities = graph(folder)
    root = entities["./"]
    assert RUN in ids(root["conformsTo"]) and entities[RUN]["@type"] == "CreativeWork"
    assert root["name"] and root["description"] and root["datePublished"] and root["license"]
    (main_id,) = ids(root["mainEntity"])
    workflow = entities[main_id]
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert entities[ids(workflow["programmingLanguage"])[0]]["@type"] == "ComputerLanguage"
    actions = {k: e for k, e in entities.items() if e["@type"] == "CreateAction"}
    assert set(ids(root["mentions"])) == actions.keys()
    (run,) = [a for a in actions.values() if ids(a["instrument"]) == [main_id]]
    assert {i.rpartition(".")[2] for i in ids(run["result"])} >= {"txt", "md", "tex", "html", "csv"}
    for action in actions.values():
        tool = entities[ids(action["instrument"])[0]]
        assert "SoftwareApplication" in tool["@type"] or tool is workflow
        assert action["startTime"] <= action["endTime"]


def test_every_reference_resolves_and_every_file_is_there(crate):
    folder, files = crate
    entities = graph(folder)
    parts = set(ids(entities["./"]["hasPart"]))

    def references(node):
        if isinstance(node, dict):
            if set(node) == {"@id"}:
                yield node["@id"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for entity in entities.values():
        for name in references({k: v for k, v in entity.items() if k != "@id"}):
            assert name in entities or name.startswith("http"), name
        if "File" in entity["@type"]:
            assert (folder / entity["@id"]).is_file() and entity["@id"] in parts
    assert (folder / files["metrics"]).read_bytes() == files["metrics"].read_bytes()
    assert (folder / provenance_path(files["metrics"])).is_file()


def test_the_chain_is_in_it_and_large_files_by_their_hash(crate):
    folder, files = crate
    entities = graph(folder)
    sha256 = json.loads(provenance_path(files["weights"]).read_text())["artefact"]["sha256"]
    weights = entities[f"#sha256-{sha256}"]
    assert weights["name"] == str(files["weights"]) and weights["contentSize"] == "6000000"
    assert not (folder / files["weights"]).exists()
    detect = entities[f"#{files['detections']}"]
    assert ids(detect["object"]) == [weights["@id"]]
    assert ids(detect["result"]) == [str(files["detections"])]
    assert not [p for p in folder.rglob("*") if p.is_file() and b"planted" in p.read_bytes()]


def test_a_folder_that_exists_is_kept(crate, printed):
    assert "made exists" in printed("crate", "made", code=2)
