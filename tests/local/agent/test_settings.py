"""What the agent is told, and the nodes and addresses that follow from it."""

from __future__ import annotations

import datetime
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local import errors
from tenbin_local.agent import addresses, killed, nodes, settings

NODES = {
    "system": {"count": 2, "cpu": "8", "memory": "16Gi"},
    "pools": [
        {
            "name": "l4-spot",
            "count": 2,
            "instance_type": "g6.xlarge",
            "gpus": 1,
            "cpu": "4",
            "memory": "16Gi",
            "start_delay_s": 20.0,
            "taints": [
                {"key": "nvidia.com/gpu", "value": "other", "effect": "NoSchedule"},
                {"key": "mine", "effect": "NoExecute"},
            ],
        }
    ],
}
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def specs(content: object = NODES) -> dict[str, nodes.NodeSpec]:
    return nodes.node_specs(settings.NodesFile.model_validate(content), lambda name: f"address of {name}")


def test_nodes_are_named_by_their_pool_and_number() -> None:
    found = specs()
    assert list(found) == ["system-0", "system-1", "l4-spot-0", "l4-spot-1"]
    assert (found["l4-spot-1"].start_delay_s, found["l4-spot-1"].pool) == (20.0, "l4-spot")
    assert found["system-0"].address == "address of system-0"


def test_a_pool_node_has_the_contracts_taints_once_and_its_own() -> None:
    node = nodes.node_object(specs()["l4-spot-0"], NOW)
    assert node["spec"]["taints"] == [
        {"key": "tenbin.dev/pool", "value": "l4-spot", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "mine", "effect": "NoExecute"},
    ]
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "1"


def test_a_system_node_has_neither_taints_nor_accelerators() -> None:
    node = nodes.node_object(specs()["system-0"], NOW)
    assert node["spec"]["taints"] == []
    assert "nvidia.com/gpu" not in node["status"]["capacity"]
    assert "tenbin.dev/pool" not in node["metadata"]["labels"]


def test_taints_of_others_stay() -> None:
    other = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    own = specs()["l4-spot-0"].taints
    assert nodes.merged_taints([other], own)[-1] == other
    assert nodes.merged_taints(nodes.merged_taints([other], own), own) == nodes.merged_taints([other], own)


def test_a_status_is_written_again_only_where_it_says_something_else() -> None:
    spec = specs()["l4-spot-0"]
    node = nodes.node_object(spec, NOW)
    assert not nodes.needs_status(spec, node)
    for condition in node["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition["status"] = "Unknown"
    assert nodes.needs_status(spec, node)


def test_all_wrong_keys_of_the_nodes_file_are_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps({"system": {"count": 0}, "pools": [{**NODES["pools"][0], "gpu": 1, "cpu": "4 cores"}]}))  # type: ignore[index]
    with pytest.raises(errors.LocalError) as caught:
        settings.load_nodes(path)
    assert str(caught.value) == (
        f"{path}: system.count: Input should be greater than or equal to 1; "
        "pools.0.cpu: String should match pattern '^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$'; "
        "pools.0.gpu: Extra inputs are not permitted"
    )


@pytest.mark.parametrize("octet", ["7", 0, 255, None])
def test_an_environment_without_a_usable_network_is_refused(tmp_path: pathlib.Path, octet: object) -> None:
    path = tmp_path / "environment.json"
    path.write_text(json.dumps({"octet": octet}))
    with pytest.raises(errors.LocalError) as caught:
        settings.Environment.load(tmp_path)
    assert str(caught.value) == f"{path}: octet {octet!r}: allowed is a whole number from 1 to 254"


def test_node_addresses_stay_with_their_names_over_restarts(tmp_path: pathlib.Path) -> None:
    given_out = addresses.Addresses(octet=20, path=tmp_path / "a.json")
    assert [given_out.node("b"), given_out.node("a"), given_out.node("b")] == ["127.20.1.1", "127.20.1.2", "127.20.1.1"]
    again = addresses.Addresses(octet=20, path=tmp_path / "a.json")
    assert again.node("a") == "127.20.1.2"
    again.forget_nodes(keep=["a"])
    assert again.node("c") == "127.20.1.1"


def test_a_freed_pod_address_is_not_given_away_at_once_not_even_after_a_restart(tmp_path: pathlib.Path) -> None:
    given_out = addresses.Addresses(octet=20, path=tmp_path / "a.json")
    first = given_out.allocate()
    given_out.release(first)
    assert (first, given_out.allocate()) == ("127.20.2.0", "127.20.2.1")
    again = addresses.Addresses(octet=20, path=tmp_path / "a.json")
    again.reserve("127.20.2.2")
    assert again.allocate() == "127.20.2.3"


@given(st.sets(st.integers(10, 20)), st.integers(0, 30))
def test_a_free_number_is_found_where_there_is_one(used: set[int], after: int) -> None:
    found = addresses.next_free(10, 20, after, used)
    if len(used) == 11:
        assert found is None
    else:
        assert found is not None
        assert 10 <= found <= 20
        assert found not in used


def test_the_record_of_killed_nodes_survives_and_a_damaged_one_is_empty(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "killed-nodes.json"
    killed.save(path, {})
    assert not path.exists()
    killed.save(path, {"l4-0": NOW})
    assert killed.load(path) == {"l4-0": NOW}
    path.write_text("[1")
    assert killed.load(path) == {}
