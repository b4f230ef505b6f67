"""One gateway's stream of the discovery protocol: what is sent when."""

from __future__ import annotations

from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.picker.endpoints import Endpoint, Endpoints
from tenbin_planner.picker.subscription import ENDPOINT_TYPE, Subscription

ONE: Endpoints = {"chat": (Endpoint("10.0.0.1", 8000),), "code": (Endpoint("10.0.0.9", 8000),)}
TWO: Endpoints = {"chat": (Endpoint("10.0.0.1", 8000), Endpoint("10.0.0.2", 8000)), "code": ONE["code"]}


def ask(subscription: Subscription, *names: str, nonce: str = "", error: str = "") -> None:
    request = discovery_pb2.DiscoveryRequest(type_url=ENDPOINT_TYPE, resource_names=names, response_nonce=nonce)
    if error:
        request.error_detail.message = error
    subscription.receive(request)


def told(response: discovery_pb2.DiscoveryResponse | None) -> Endpoints | None:
    if response is None:
        return None
    content: Endpoints = {}
    for resource in response.resources:
        assignment = endpoint_pb2.ClusterLoadAssignment()
        assert resource.Unpack(assignment)
        content[assignment.cluster_name] = tuple(
            Endpoint(member.endpoint.address.socket_address.address, member.endpoint.address.socket_address.port_value)
            for locality in assignment.endpoints
            for member in locality.lb_endpoints
        )
    return content


def test_nothing_is_told_before_it_is_asked_for() -> None:
    assert Subscription().respond(ONE) is None


def test_what_is_asked_for_is_told_once_and_again_when_it_changes() -> None:
    subscription = Subscription()
    ask(subscription, "chat")
    first = subscription.respond(ONE)
    assert told(first) == {"chat": ONE["chat"]}
    assert first is not None
    ask(subscription, "chat", nonce=first.nonce)
    assert subscription.respond(ONE) is None
    second = subscription.respond(TWO)
    assert told(second) == {"chat": TWO["chat"]}
    assert second is not None
    assert (second.version_info != first.version_info, second.nonce != first.nonce) == (True, True)


def test_a_change_of_another_service_is_not_told() -> None:
    subscription = Subscription()
    ask(subscription, "code")
    subscription.respond(ONE)
    assert subscription.respond(TWO) is None


def test_a_service_without_endpoints_is_told_as_empty() -> None:
    subscription = Subscription()
    ask(subscription, "chat", "other")
    assert told(subscription.respond({})) == {"chat": (), "other": ()}


def test_more_names_are_answered_in_full() -> None:
    subscription = Subscription()
    ask(subscription, "chat")
    first = subscription.respond(ONE)
    assert first is not None
    ask(subscription, "code", "chat", nonce=first.nonce)
    assert told(subscription.respond(ONE)) == ONE


def test_what_was_written_before_our_last_response_arrived_waits_for_the_answer_to_it() -> None:
    subscription = Subscription()
    ask(subscription, "chat")
    first = subscription.respond(ONE)
    second = subscription.respond(TWO)
    assert first is not None
    assert second is not None
    ask(subscription, "chat", "code", nonce=first.nonce)
    assert subscription.respond(TWO) is None
    ask(subscription, "chat", "code", nonce=second.nonce)
    assert told(subscription.respond(TWO)) == TWO


def test_a_refused_version_is_not_sent_again_until_it_changes() -> None:
    subscription = Subscription()
    ask(subscription, "chat")
    first = subscription.respond(ONE)
    assert first is not None
    ask(subscription, "chat", nonce=first.nonce, error="malformed address")
    assert subscription.refusal == "malformed address"
    assert subscription.respond(ONE) is None
    second = subscription.respond(TWO)
    assert second is not None
    ask(subscription, "chat", nonce=second.nonce)
    assert subscription.refusal == ""


def test_other_kinds_of_resources_are_passed_over() -> None:
    subscription = Subscription()
    request = discovery_pb2.DiscoveryRequest(type_url="type.googleapis.com/envoy.config.cluster.v3.Cluster")
    request.resource_names.append("chat")
    request.node.id = "gateway-1"
    subscription.receive(request)
    assert (subscription.node, subscription.respond(ONE)) == ("gateway-1", None)


def test_pickers_without_shared_state_give_equal_content_equal_versions() -> None:
    versions = set()
    for names in (("chat", "code"), ("code", "chat", "chat")):
        subscription = Subscription()
        ask(subscription, *names)
        response = subscription.respond({name: ONE[name] for name in names})
        assert response is not None
        versions.add(response.version_info)
    assert len(versions) == 1


WORLDS = st.dictionaries(
    st.sampled_from(["chat", "code", "mail"]),
    st.sets(st.integers(1, 4), max_size=3).map(lambda hosts: tuple(Endpoint(f"10.0.0.{n}", 80) for n in sorted(hosts))),
)
STEPS = st.lists(
    st.one_of(
        WORLDS, st.sets(st.sampled_from(["chat", "code", "mail"]), min_size=1), st.sampled_from(["ack", "stale"])
    ),
    max_size=30,
)


@given(STEPS)
def test_a_gateway_that_answers_knows_in_the_end_what_is_so(steps: list[object]) -> None:
    subscription, world, names, nonce, known = Subscription(), dict[str, tuple[Endpoint, ...]](), {"chat"}, "", {}
    ask(subscription, *names)
    for step in [*steps, "ack", "ack"]:
        if isinstance(step, dict):
            world = step
        elif isinstance(step, set):
            names = step
        ask(subscription, *names, nonce="stale" if step == "stale" else nonce)
        response = subscription.respond(world)
        if response is not None:
            nonce, known = response.nonce, told(response) or {}
    assert known == {name: world.get(name, ()) for name in names}
