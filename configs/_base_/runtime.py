"""Registers this project's modules; mmengine's defaults otherwise."""

custom_imports = dict(
    imports=["seesaw.models", "seesaw.data.federated_lvis", "seesaw.data.transforms"],
    allow_failed_imports=False,
)
default_scope = "mmdet"
