"""Kinds beside Deployments, on a real API server: scaled through their scale, drained as they remove."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from support import planning, scalable_kinds
from support.planner_cluster import NAMESPACE, Api
from support.planning import ON_DEMAND, SPOT
from support.scalable_kinds import ADAPTER, BATTERY, GROUPS, RIGID, STATEFUL_SET
from support.waiting import until
from tenbin._layout import planner as layout_of_planner
from tenbin_local.errors import LocalError
from tenbin_planner import demand
from tenbin_planner.controller.actuator import ClusterActuator
from tenbin_planner.controller.cluster import Cluster, ConflictError, DeposedError, ForbiddenError
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.observer import ClusterObserver
from tenbin_planner.decide import drain
from tenbin_planner.decide.observation import Phase, Removal
from tenbin_planner.decide.plan import Because, Plan, PlannedWorkload
from tenbin_spec.reasons import Reason
from tenbin_spec.scale_target import ScaleTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubernetes.aio.client import ApiClient
    from support.planner_process import Planner
    from tenbin_planner.decide.observation import Observation
    from tenbin_spec.document import Document

pytestmark = pytest.mark.timeout(300)
LABELS = {
    "app.kubernetes.io/name": "tenbin-engine",
    "tenbin.dev/service": "chat",
    "tenbin.dev/role": "serve",
    "tenbin.dev/pool": "l4",
}
FORBIDDEN = (
    'unheards.example.com "chat" is forbidden: User "system:serviceaccount:tenbin:tenbin-planner" cannot get resource '
    '"unheards" in API group "example.com" in the namespace "tenbin"'
)
CUSTOM = (GROUPS, ADAPTER, BATTERY, RIGID)
_ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/tenbin-planner"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class Kinds:
    """An API server that knows the kinds, with the rights that the components give for them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._made: list[ScaleTarget] = []

    def make(self, target: ScaleTarget, **spec: Any) -> None:
        self.api.create(scalable_kinds.folder(target, NAMESPACE), scalable_kinds.manifest(target, **spec))
        self._made.append(target)

    def spec(self, target: ScaleTarget) -> dict[str, Any]:
        return dict(self.api.client.get(scalable_kinds.path(target, NAMESPACE))["spec"])

    def merge(self, target: ScaleTarget, patch: dict[str, Any]) -> None:
        self.api.client.merge(scalable_kinds.path(target, NAMESPACE), patch)

    def make_group(self, index: int, *, size: int = 2, ready: bool = True) -> None:
        """Make a group's pods, as its controller would, and write what their kubelets would."""
        for pod in scalable_kinds.pods_of_group(GROUPS, index, size=size, labels=LABELS):
            self.api.create(_PODS, pod)
            if ready:
                self.api.set_ready(pod["metadata"]["name"])

    def marks(self) -> dict[str, str | None]:
        """Return the deletion cost of each pod that is marked, by name."""
        return {
            pod["metadata"]["name"]: annotations.get("controller.kubernetes.io/pod-deletion-cost")
            for pod in self.api.client.get(_PODS)["items"]
            if (annotations := pod["metadata"].get("annotations") or {}).get("tenbin.dev/draining") == "true"
        }

    def clean(self) -> None:
        for target in self._made:
            with contextlib.suppress(LocalError):  # its kind may be gone
                self.api.client.delete(scalable_kinds.path(target, NAMESPACE))


def may_update(api: Api, target: ScaleTarget) -> bool:
    """Tell whether the planner's account may scale; rights take effect a moment after they are written."""
    attributes = {
        "namespace": NAMESPACE,
        "verb": "update",
        "group": target.group,
        "resource": target.plural,
        "subresource": "scale",
        "name": target.name,
    }
    spec = {"user": f"system:serviceaccount:{NAMESPACE}:tenbin-planner", "resourceAttributes": attributes}
    review = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(review["status"]["allowed"])


@pytest.fixture(scope="module")
def defined(control: Api) -> Iterator[Api]:
    for target in CUSTOM:
        scalable_kinds.define(control.client, target)
    role = control.client.get(_ROLE)
    targets = [*CUSTOM, STATEFUL_SET, ScaleTarget(name=SPOT), ScaleTarget(name=ON_DEMAND)]
    [wider] = [
        item
        for item in layout_of_planner.account(targets=targets, namespace=NAMESPACE, stack="test")
        if item["kind"] == "Role"
    ]
    control.client.merge(_ROLE, {"rules": wider["rules"]})
    until(lambda: all(may_update(control, target) for target in targets))
    yield control
    control.client.merge(_ROLE, {"rules": role["rules"]})
    for target in CUSTOM:
        scalable_kinds.undefine(control.client, target)


@pytest.fixture
def kinds(defined: Api, api: Api) -> Iterator[Kinds]:
    assert defined is api
    made = Kinds(api)
    yield made
    made.clean()


def agreed(target: ScaleTarget, pods: dict[str, str] | None = None) -> Document:
    """Return a document whose dear workload is what is given."""
    document = planning.document(planner={"interval_s": 1})
    changed = [
        item.model_copy(update={"target": target, "pods": pods}) if item.name == ON_DEMAND else item
        for item in document.workloads
    ]
    return document.model_copy(update={"workloads": tuple(changed)})


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.time = planning.NOW

    def now(self) -> float:
        return self.time


class Leading:
    """Leads, until it is told that it does not."""

    is_leader = True


class Nothing:
    """No state, and no engine that answers."""

    problems = ()

    async def kept_document(self) -> None:
        return None

    async def scrape(self, _targets: Any, **_: Any) -> dict[str, Any]:
        return {}


class Hand:
    """The planner without its decision: what is wanted is what a test says."""

    def __init__(self, account: ApiClient) -> None:
        self.cluster, self.documents, self.clock = Cluster(account, NAMESPACE), Documents(), Clock()
        self.leadership = Leading()
        self.actuator = ClusterActuator(
            self.cluster, documents=self.documents, leadership=self.leadership, clock=self.clock
        )
        nothing: Any = Nothing()
        self._observer = ClusterObserver(
            cluster=self.cluster,
            documents=self.documents,
            store=nothing,
            scraper=nothing,
            prometheus=nothing,
            log=demand.DemandLog(),
            clock=self.clock,
            refusals=self.actuator.refusals,
        )

    async def see(self) -> Observation:
        return (await self._observer.observe()).observation

    async def bring_to(self, wanted: int, *, after_s: float = 5.0) -> tuple[drain.Order, ...]:
        """See, and carry out what brings the dear workload nearer to a count."""
        self.clock.time += after_s
        orders = drain.orders(plan(wanted), await self.see())
        for order in orders:
            await self.actuator.carry_out(order)
        return orders


def plan(wanted: int) -> Plan:
    [item] = [item for item in planning.document().workloads if item.name == ON_DEMAND]
    because = Because(reason=Reason.STEADY, detail="")
    planned = PlannedWorkload(
        name=item.name,
        service=item.service,
        role=item.role,
        pool=item.pool,
        hourly_usd=item.hourly_usd,
        wanted=wanted,
        because=because,
    )
    return Plan(
        at=0.0,
        services=(),
        workloads=(planned,),
        hourly_usd=Decimal(0),
        hourly_cap_usd=Decimal(1),
        month_usd=Decimal(0),
        monthly_cap_usd=None,
        notes=(),
        ignored=(),
    )


@pytest.fixture
async def hand(account: ApiClient) -> Hand:
    return Hand(account)


def scaled(expected: int, wanted: int) -> drain.Scale:
    return drain.Scale(workload=ON_DEMAND, expected=expected, wanted=wanted)


def marked(replica: str) -> drain.Mark:
    return drain.Mark(replica=replica, deletion_cost=None)


async def test_a_group_serves_when_all_of_it_is_ready_and_the_highest_is_drained_first(
    kinds: Kinds, hand: Hand
) -> None:
    kinds.make(GROUPS, replicas=0)
    kinds.api.put_document(agreed(GROUPS).to_json())
    assert await hand.bring_to(3) == (scaled(0, 3),)
    assert kinds.spec(GROUPS) == {"replicas": 3}
    for index in range(3):
        kinds.make_group(index)
    kinds.api.client.merge(f"{_PODS}/chat-groups-2-1/status", {"status": {"conditions": [{"type": "Ready"}]}})
    state = (await hand.see()).workloads[ON_DEMAND]
    assert (state.wanted, state.removal) == (3, Removal.HIGHEST_RANK)
    assert {replica.name: (replica.phase, replica.rank) for replica in state.replicas} == {
        "chat-groups-0": (Phase.READY, 0),
        "chat-groups-1": (Phase.READY, 1),
        "chat-groups-2": (Phase.STARTING, 2),
    }
    assert await hand.bring_to(1) == (scaled(3, 2), marked("chat-groups-1"))
    assert kinds.marks() == {"chat-groups-1": None}  # the leader's pod, and no cost that nobody heeds
    assert kinds.spec(GROUPS) == {"replicas": 2}
    for name in ("chat-groups-2", "chat-groups-2-1"):
        kinds.api.client.delete(f"{_PODS}/{name}")
    assert await hand.bring_to(1, after_s=1.0) == ()
    assert await hand.bring_to(1) == (scaled(2, 1),)
    assert await hand.bring_to(1) == ()
    assert kinds.marks() == {"chat-groups-1": None}  # until its controller has removed it


async def test_a_real_stateful_set_loses_its_highest_pod_once_that_is_drained(kinds: Kinds, hand: Hand) -> None:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "engine", "image": "engine:1"}]}}
    kinds.make(STATEFUL_SET, replicas=0, ordinals={"start": 4}, selector={"matchLabels": LABELS}, template=template)
    kinds.api.put_document(agreed(STATEFUL_SET).to_json())
    assert await hand.bring_to(2) == (scaled(0, 2),)
    for name in ("chat-set-4", "chat-set-5"):  # it makes one after another
        until(lambda name=name: name in names(kinds))
        kinds.api.set_ready(name)
    assert await hand.bring_to(1) == (marked("chat-set-5"),)
    assert await hand.bring_to(1) == ()
    assert await hand.bring_to(1) == (scaled(2, 1),)
    until(lambda: names(kinds) == {"chat-set-4"})
    assert kinds.marks() == {}


def names(kinds: Kinds) -> set[str]:
    return {pod["metadata"]["name"] for pod in kinds.api.client.get(_PODS)["items"]}


async def test_a_scaling_adapter_is_written_and_its_pods_are_those_that_the_document_names(
    kinds: Kinds, hand: Hand
) -> None:
    """Its pods are a Deployment's, which heeds the deletion cost, whatever stands above it."""
    dynamo = {"nvidia.com/dynamo-component": "decode"}
    container = {"name": "main", "image": "dynamo:1"}
    beneath = ScaleTarget(name="chat-decode-7f9")
    template = {"metadata": {"labels": dynamo}, "spec": {"containers": [container]}}
    kinds.make(beneath, replicas=2, selector={"matchLabels": dynamo}, template=template)
    kinds.make(ADAPTER, replicas=2, dgdRef={"name": "chat", "serviceName": "decode"})
    kinds.api.put_document(agreed(ADAPTER, pods=dynamo).to_json())
    for name in until(lambda: len(found := names(kinds)) == 2 and found):
        kinds.api.set_ready(name)
    state = (await hand.see()).workloads[ON_DEMAND]
    assert (state.wanted, state.count(Phase.READY), state.removal) == (2, 2, Removal.DELETION_COST)
    [order] = await hand.bring_to(1)
    assert isinstance(order, drain.Mark)
    assert kinds.marks() == {order.replica: "-1"}
    assert await hand.bring_to(1) == ()
    assert await hand.bring_to(1) == (scaled(2, 1),)
    assert kinds.spec(ADAPTER) == {"replicas": 1, "dgdRef": {"name": "chat", "serviceName": "decode"}}


async def test_a_kind_whose_count_and_plural_have_other_names_is_scaled_over_what_was_seen_only(
    kinds: Kinds, hand: Hand
) -> None:
    kinds.make(BATTERY, guns=1)
    await hand.cluster.scale(BATTERY, expected=1, wanted=4)
    assert kinds.spec(BATTERY) == {"guns": 4}
    with pytest.raises(ConflictError, match="chat-battery is set to 4 by somebody else, not to 1 any more"):
        await hand.cluster.scale(BATTERY, expected=1, wanted=2)

    def write_late() -> bool:
        kinds.merge(BATTERY, {"spec": {"guns": 9}})
        return True

    with pytest.raises(ConflictError, match=r"scale Battery chat-battery to 2: 409 .*the object has been modified"):
        await hand.cluster.scale(BATTERY, expected=4, wanted=2, may_write=write_late)
    assert kinds.spec(BATTERY) == {"guns": 9}


async def test_who_leads_no_more_by_the_time_of_the_write_writes_nothing(kinds: Kinds, hand: Hand) -> None:
    kinds.make(BATTERY, guns=1)
    kinds.api.put_document(agreed(BATTERY).to_json())
    await hand.see()
    hand.leadership.is_leader = False
    with pytest.raises(DeposedError, match="chat-battery is not scaled to 3: this planner leads no more"):
        await hand.actuator.carry_out(scaled(1, 3))
    assert kinds.spec(BATTERY) == {"guns": 1}


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (GROUPS, "LeaderWorkerSet chat-groups of leaderworkerset.x-k8s.io/v1 does not exist"),
        (ScaleTarget(name="chat-none"), "Deployment chat-none of apps/v1 does not exist"),
        (
            ScaleTarget(api_version="example.com/v1", kind="Unheard", name="chat"),
            f"Unheard chat of example.com/v1: read Unheard chat: 403 {FORBIDDEN}",
        ),
        (RIGID, "Rigid chat-rigid of example.com/v1 has no scale"),
    ],
    ids=["no-object", "no-deployment", "no-right", "no-scale"],
)
async def test_what_cannot_be_scaled_is_told_and_the_others_go_on(
    kinds: Kinds, hand: Hand, target: ScaleTarget, why: str
) -> None:
    if target is RIGID:
        kinds.make(RIGID, replicas=1)
    kinds.api.put_document(agreed(target).to_json())
    found = await hand.see()
    assert {name: absent.why for name, absent in found.unscalable.items()} == {ON_DEMAND: why}
    assert set(found.workloads) == {SPOT}


async def test_a_kind_that_comes_later_is_found_then(kinds: Kinds, hand: Hand) -> None:
    scalable_kinds.undefine(kinds.api.client, GROUPS)
    kinds.api.put_document(agreed(GROUPS).to_json())
    found = await hand.see()
    why = "the cluster serves no leaderworkersets of leaderworkerset.x-k8s.io/v1"
    assert found.unscalable[ON_DEMAND].why == why
    scalable_kinds.define(kinds.api.client, GROUPS)
    kinds.make(GROUPS, replicas=1)
    found = await hand.see()
    assert found.unscalable == {}
    assert found.workloads[ON_DEMAND].wanted == 1


async def test_a_count_that_is_not_taken_is_told_until_one_is(kinds: Kinds, hand: Hand) -> None:
    kinds.make(BATTERY, guns=0)
    kinds.api.put_document(agreed(BATTERY).to_json())
    rules = kinds.api.client.get(_ROLE)["rules"]
    narrow = [{**rule, "verbs": ["get"]} if "batteries/scale" in rule["resources"] else rule for rule in rules]
    kinds.api.client.merge(_ROLE, {"rules": narrow})
    try:
        await asyncio.to_thread(until, lambda: not may_update(kinds.api, BATTERY))
        with pytest.raises(ForbiddenError):
            await hand.bring_to(2)
        refusal = (await hand.see()).workloads[ON_DEMAND].refusal
        assert refusal is not None
        assert refusal.at == hand.clock.time
        assert refusal.why.startswith('scale Battery chat-battery to 2: 403 batteries.example.com "chat-battery" is ')
    finally:
        kinds.api.client.merge(_ROLE, {"rules": rules})
    await asyncio.to_thread(until, lambda: may_update(kinds.api, BATTERY))
    assert await hand.bring_to(2) == (scaled(0, 2),)
    assert (await hand.see()).workloads[ON_DEMAND].refusal is None


def test_a_planner_goes_on_without_what_is_missing_and_takes_it_up_when_it_comes(
    kinds: Kinds, planner: Planner
) -> None:
    kinds.api.put_document(agreed(GROUPS).to_json())
    planner.start()
    until(lambda: kinds.api.told(SPOT) == 1)
    found = until(planner.plan)
    why = "LeaderWorkerSet chat-groups of leaderworkerset.x-k8s.io/v1 does not exist"
    assert f"{ON_DEMAND}: {why}" in found["notes"]
    reasons = {item["name"]: item["reason"] for item in found["workloads"]}
    assert reasons[ON_DEMAND] == {"code": "not-scalable", "detail": f"{why}, so nothing is bought here"}
    kinds.make(GROUPS, replicas=0)
    until(lambda: (plan := planner.plan()) and not plan["notes"])
    kinds.merge(GROUPS, {"metadata": {"annotations": {"tenbin.dev/replicas-min": "2"}}})
    until(lambda: kinds.spec(GROUPS) == {"replicas": 2})
    until(lambda: [event for event in kinds.api.events() if event["involvedObject"]["name"] == GROUPS.name])
    kinds.merge(GROUPS, {"spec": {"replicas": 5}})
    said = f"{ON_DEMAND} is set to 5 by somebody else; this planner asked for 2"
    until(lambda: [line for line in planner.log() if line["event"] == "note" and line["now"] == said])
    [event] = [item for item in kinds.api.events() if item["involvedObject"]["name"] == GROUPS.name][:1]
    about = event["involvedObject"]
    assert (about["kind"], about["apiVersion"]) == ("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1")


async def test_a_person_says_by_annotations_on_any_kind(kinds: Kinds, hand: Hand) -> None:
    kinds.make(GROUPS, replicas=2)
    kinds.merge(GROUPS, {"metadata": {"annotations": {"tenbin.dev/paused": "true", "tenbin.dev/replicas-max": "x"}}})
    kinds.api.put_document(agreed(GROUPS).to_json())
    by_hand = (await hand.see()).workloads[ON_DEMAND].by_hand
    assert by_hand.is_paused
    assert by_hand.problems == (
        f"{ON_DEMAND}: annotation tenbin.dev/replicas-max is 'x'; allowed is a whole number from 0 to 100000",
    )
    assert await hand.bring_to(1) == ()


async def test_a_scale_that_says_no_count_is_told(kinds: Kinds, hand: Hand) -> None:
    kinds.make(GROUPS)
    kinds.api.put_document(agreed(GROUPS).to_json())
    found = await hand.see()
    assert "replicas" in found.unscalable[ON_DEMAND].why
