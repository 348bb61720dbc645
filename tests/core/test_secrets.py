"""Secrets are masked wherever they stand in a text, and nothing else is."""

import os

import pytest

from seesaw.core.secrets import masked


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(monkeypatch):
    for name in list(os.environ):
        if name not in ("PATH", "HOME", "PWD"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://me:pw@host/x", "https://***@host/x"),
        ("https://me:p@ss@host/x", "https://***@host/x"),
        ("https://me:p/w@host/x", "https://***@host/x"),
        ("s3://key:a/b+c@d?e#f@bucket/x", "s3://***@bucket/x"),
        ("https://ghp_4bcd@host.org/x y@z", "https://***@host.org/x y@z"),
        ("https:/me:pw@host/x", "https:/***@host/x"),  # as pathlib writes it
        ("(https://a:b@c/d: answers 404; x)", "(https://***@c/d: answers 404; x)"),
        (
            "http://h/x?X-Amz-Credential=A%2FB&X-Amz-Date=1&X-Amz-Signature=5e&part=2#t",
            "http://h/x?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***&part=2#t",
        ),
        ("http://h/x?part=2&token=ab.c", "http://h/x?part=2&token=***"),
        ("http://h/x?sv=1&sig=a%2Bb", "http://h/x?sv=1&sig=***"),
        ("http://h/x?access_token=a&key=b;n=1", "http://h/x?access_token=***&key=***;n=1"),
        (
            "http://h/x?user=me&pass=a;pw=b&session=c",
            "http://h/x?user=me&pass=***;pw=***&session=***",
        ),
        ("--token=a b", "--token=***"),
        ("password=a&b", "password=***"),
        ("WANDB_API_KEY=a seesaw train", "WANDB_API_KEY=***"),
        ("run with api-key=abc now", "run with api-key=*** now"),
        ("Authorization: Bearer abc def", "Authorization: Bearer *** def"),
    ],
)
def test_a_secret_is_masked(text, clean):
    assert masked(text) == clean
    assert masked([text, {"value": text}]) == [clean, {"value": clean}]
    assert masked(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "https://host.org:8443/package@1.2/x?part=1",
        "s3://bucket/smoke@own/model.pth",
        "http://127.0.0.1:9000/bucket/smoke@own",
        "http://localhost:9000/bucket/smoke@own",
        "results/smoke@own/b03_htc_lite/seed0/model.pth.provenance.json",
        "seesaw train b03 --seed=1 --precision=tf32 --fingerprint=0123456789abcdef",
        "me@host.org: https://host.org/x",
        "the key of the table is the name: keyboard=1, monkey=2",
    ],
)
def test_what_is_no_secret_stays(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    "name",
    ["WANDB_API_KEY", "HF_TOKEN", "PGPASSWORD", "MY_PASS", "GITHUB_PAT", "DB_PWD", "REGISTRY_AUTH"],
)
def test_a_secret_of_the_environment_is_masked_in_an_argument(monkeypatch, name):
    monkeypatch.setenv(name, "s3/cr et+9")
    said = masked(["seesaw", "x-s3/cr et+9-y", "--a=s3%2Fcr%20et%2B9", {"s3/cr et+9": 1}])
    assert said == ["seesaw", "x-***-y", "--a=***", {"***": 1}]
    monkeypatch.setenv(name, "hunt3r")
    assert masked(["a hunt3r.", "sha256 ahunt3rb"]) == ["a ***.", "sha256 ahunt3rb"]


def test_a_secret_is_masked_in_the_argument_after_its_name():
    said = masked(["seesaw", "--password", "hunt3r", "--token", "--seed", "1", "--api-key", "x y"])
    assert said == ["seesaw", "--password", "***", "--token", "--seed", "1", "--api-key", "***"]
    assert masked(said) == said
    assert masked(["token", "losses"]) == ["token", "losses"]


def test_other_variables_are_no_secrets(monkeypatch):
    for name in ("GIT_AUTHOR_NAME", "TOKENIZERS_PARALLELISM", "PWD", "OLDPWD", "SEESAW_SCALE"):
        monkeypatch.setenv(name, "single_gpu")
    assert masked("single_gpu") == "single_gpu"


def test_plain_data_stays_plain_data():
    deep = {"api_key": "abc", "tokens": 3, "n": [1.5]}
    assert masked({"token": "abc", "seed": 1, "on": None, "deep": deep}) == {
        "token": "***",
        "seed": 1,
        "on": None,
        "deep": {"api_key": "***", "tokens": 3, "n": [1.5]},
    }
