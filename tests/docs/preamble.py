"""Stands before each Python block of the documentation: mocks, and the local stack as configuration."""

import json
import pathlib

import pulumi
from ruamel.yaml import YAML


class Mocks(pulumi.runtime.Mocks):
    """Answers with the inputs, and with an address for Services."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict]:
        spec = {**args.inputs.get("spec", {}), "clusterIP": "10.0.0.1"}
        return f"{args.name}-id", {**args.inputs, "spec": spec} if args.typ.endswith(":Service") else args.inputs

    def call(self, _: pulumi.runtime.MockCallArgs) -> dict:
        return {}


_configuration = YAML(typ="safe", pure=True).load(pathlib.Path("stacks/Pulumi.local.yaml").read_text())["config"]
pulumi.runtime.set_all_config({key: json.dumps(value) for key, value in _configuration.items()})
pulumi.runtime.set_mocks(Mocks(), project="tenbin", stack="local")
