"""docs/profiles.md lists every profile of the catalogue as what it is."""

from __future__ import annotations

import pathlib
import re

from tenbin_spec import catalogue
from tenbin_spec.profiles import ProfileKind

PAGE = (pathlib.Path(__file__).parents[2] / "docs/profiles.md").read_text()
ROW = re.compile(r"^\| `(\S+)` \| `(\S+)` \| (\d+) x (\S+) \| (\S+) \| .+ \|$", re.MULTILINE)


def test_every_profile_is_listed_with_model_accelerators_and_kind() -> None:
    listed = [(name, model, int(count), on, kind) for name, model, count, on, kind in ROW.findall(PAGE)]
    assert listed == [
        (own.name, own.model, own.tensor_parallel, own.accelerator, own.kind.value)
        for own in catalogue.profiles().values()
    ]


def test_every_kind_is_explained() -> None:
    assert [kind.value for kind in ProfileKind if f"\n| {kind.value} | " not in PAGE] == []
