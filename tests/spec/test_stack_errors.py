"""A configuration's errors: each with its key path, the value found and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from support import amazon
from support.stacks import plain_stack
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.stack import parse_stack

INTERACTIVE = "services__chat__slo__classes__interactive"
CLASS_PATH = "tenbin:services.chat.slo.classes.interactive"


def problems(configuration: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_stack(configuration)
    return [str(problem) for problem in caught.value.problems]


ACM = "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd"
PUBLIC = {
    "exposure": "public",
    "certificate": {"secret": "tls"},
    "allowed_cidrs": ["203.0.113.0/24"],
    "clients": {"authority_secret": "ca"},
}
ON_AWS = {"cluster": amazon.plain_cluster(network={"zones": ["us-east-1a", "us-east-1b"]})}
CASES = {
    "unknown source of engine metrics": (
        {"planner": {"metrics": {"source": "statsd"}}},
        "tenbin:planner.metrics.source: 'statsd' is not allowed. Allowed: 'scrape', 'prometheus'",
    ),
    "prometheus without address": (
        {"planner": {"metrics": {"source": "prometheus"}}},
        (
            "tenbin:planner.metrics: source 'prometheus' needs a url, and there is none,"
            " for example url: http://prometheus.monitoring:9090"
        ),
    ),
    "address of a prometheus that is not asked": (
        {"planner": {"metrics": {"url": "http://prometheus:9090", "labels": {"cluster": "a"}}}},
        (
            "tenbin:planner.metrics: url 'http://prometheus:9090', labels {'cluster': 'a'}: not allowed with source"
            " 'scrape'. Allowed: source 'prometheus'"
        ),
    ),
    "address with a password": (
        {"planner": {"metrics": {"source": "prometheus", "url": "http://u:p@prometheus:9090"}}},
        (
            "tenbin:planner.metrics.url: 'http://u:p@prometheus:9090' is not the address of a Prometheus, without user,"
            " query or fragment, for example 'http://prometheus.monitoring:9090'"
        ),
    ),
    "prometheus that never scrapes": (
        {"planner": {"metrics": {"source": "prometheus", "url": "http://p", "scrape_interval_s": 0}}},
        "tenbin:planner.metrics.scrape_interval_s: 0: input should be greater than or equal to 1",
    ),
    "label that is none": (
        {"planner": {"metrics": {"source": "prometheus", "url": "http://p", "labels": {"my-cluster": "a"}}}},
        ("tenbin:planner.metrics.labels.my-cluster: 'my-cluster' is not a label of Prometheus, for example 'cluster'"),
    ),
    "guard that tells nobody": (
        {"guard": {"anomaly_usd": "5"}},
        "tenbin:guard: names nobody who is told. Allowed: emails, sns_topic or both",
    ),
    "guard of a cluster that is there": (
        {"guard": {"emails": ["a@example.com"]}},
        (
            "tenbin:guard: watches the bill of what a stack builds on AWS, which is nothing here."
            " Allowed with cluster kind eks"
        ),
    ),
    "guard with an address that is none": (
        {"guard": {"emails": ["ml platform"]}},
        "tenbin:guard.emails[0]: 'ml platform' is not an e-mail address, for example 'ml-platform@example.com'",
    ),
    "guard with the name of a topic": (
        {"guard": {"sns_topic": "alerts.fifo"}},
        (
            "tenbin:guard.sns_topic: 'alerts.fifo' is not the ARN of a standard SNS topic,"
            " for example 'arn:aws:sns:us-east-1:111122223333:cost-alerts'"
        ),
    ),
    "load balancer before a cluster that is there": (
        {"gateway": {"exposure": "internal", "certificate": {"secret": "tls"}}},
        (
            "tenbin:gateway.exposure: 'internal' is a load balancer on AWS, which the stack makes on a cluster of its"
            " own. Allowed with cluster kind existing: cluster, and a way in of your own to the Service tenbin-gateway"
        ),
    ),
    "way in without TLS": (
        {"gateway": {"exposure": "internal"}, **ON_AWS},
        "tenbin:gateway: exposure 'internal' needs certificate, which nobody wrote",
    ),
    "way in for anybody": (
        {"gateway": {"exposure": "public", "certificate": {"secret": "tls"}}, **ON_AWS},
        "tenbin:gateway: exposure 'public' needs allowed_cidrs, clients, which nobody wrote",
    ),
    "way in from the whole internet": (
        {"gateway": {**PUBLIC, "allowed_cidrs": ["0.0.0.0/0"]}, **ON_AWS},
        (
            "tenbin:gateway.allowed_cidrs[0]: '0.0.0.0/0' is the whole internet."
            " Allowed: the ranges that those who may come in come from"
        ),
    ),
    "two certificates": (
        {"gateway": {**PUBLIC, "certificate": {"secret": "tls", "acm": ACM}}, **ON_AWS},
        "tenbin:gateway.certificate: names both of secret and acm. Allowed: one of them",
    ),
    "certificates of clients that end before the gateway": (
        {"gateway": {**PUBLIC, "certificate": {"acm": ACM}, "clients": {"authority_secret": "ca"}}, **ON_AWS},
        (
            "tenbin:gateway: clients.authority_secret needs TLS up to the gateway, but with certificate.acm it ends at"
            " the load balancer. Allowed: certificate.secret, or clients.api_keys alone"
        ),
    ),
    "clients that say nothing": (
        {"gateway": {**PUBLIC, "clients": {}}, **ON_AWS},
        "tenbin:gateway.clients: says nothing. Allowed: api_keys, authority_secret or both",
    ),
    "a key in the place of a client's name": (
        {"gateway": {**PUBLIC, "clients": {"api_keys": {"secret": "keys", "clients": ["sk/1"]}}}, **ON_AWS},
        (
            "tenbin:gateway.clients.api_keys.clients[0]: 'sk/1' is not a client's name, which is a key of the Secret,"
            " for example 'team-a'"
        ),
    ),
    "clients of a gateway that is inside": (
        {"gateway": {"clients": {"authority_secret": "ca"}}},
        "tenbin:gateway: clients: not used by exposure 'cluster'. Allowed with 'internal' or 'public'",
    ),
    "unknown key": (
        {f"{INTERACTIVE}": {"target": "0.99", "ttft": 1000, "e2e_ms": 9000}},
        f"{CLASS_PATH}.ttft: unknown key; did you mean 'ttft_ms'? Allowed here: e2e_ms, target, tpot_ms, ttft_ms",
    ),
    "unknown domain": (
        {"network": {}},
        (
            "tenbin:network: unknown key. Allowed here: cluster, cost, gateway, guard, images, observability,"
            " planner, pools, prices, review, services"
        ),
    ),
    "wrong unit of a threshold": (
        {f"{INTERACTIVE}__ttft_ms": "1s"},
        f"{CLASS_PATH}.ttft_ms: '1s' is not a whole number",
    ),
    "fraction of a millisecond": (
        {f"{INTERACTIVE}__ttft_ms": 0.5},
        f"{CLASS_PATH}.ttft_ms: 0.5 is not a whole number",
    ),
    "negative threshold": (
        {f"{INTERACTIVE}__ttft_ms": -5},
        f"{CLASS_PATH}.ttft_ms: -5: input should be greater than or equal to 1",
    ),
    "unquoted number for a target": (
        {f"{INTERACTIVE}__target": 0.99},
        (
            f'{CLASS_PATH}.target: 0.99 is a number where a string belongs: put it in quotes, for example "0.99"'
            " (a share above 0 and below 1 with at most 6 decimals)"
        ),
    ),
    "unquoted revision": (
        {"services__chat__model__revision": 123},
        (
            "tenbin:services.chat.model.revision: 123 is a number where a string belongs: put it in quotes,"
            ' for example "0e9e39f2" (a revision)'
        ),
    ),
    "unquoted money": (
        {"cost__hourly_usd": 30.0},
        (
            'tenbin:cost.hourly_usd: 30.0 is a number where a string belongs: put it in quotes, for example "30.00"'
            " (an amount of USD of 0 or more with at most 6 decimals)"
        ),
    ),
    "target of one": (
        {f"{INTERACTIVE}__target": "1"},
        f"{CLASS_PATH}.target: '1' is not a share above 0 and below 1 with at most 6 decimals, for example '0.99'",
    ),
    "target of 99 per cent": (
        {f"{INTERACTIVE}__target": "99"},
        f"{CLASS_PATH}.target: '99' is not a share above 0 and below 1 with at most 6 decimals, for example '0.99'",
    ),
    "money beyond all bounds": (
        {"cost__hourly_usd": "1e12"},
        (
            "tenbin:cost.hourly_usd: '1e12' is not an amount of USD of 0 or more with at most 6 decimals,"
            " for example '30.00'"
        ),
    ),
    "pool that does not exist": (
        {"services__chat__pools": ["l4", "l40"]},
        "tenbin:services.chat.pools[1]: 'l40' is not a pool of this stack; did you mean 'l4'? Allowed: l4, l4-spot",
    ),
    "pool named twice": (
        {"services__chat__pools": ["l4", "l4"]},
        "tenbin:services.chat: names a pool more than once: l4",
    ),
    "accelerators that no engine runs on": (
        {"pools__l4__instance_type": "inf2.xlarge"},
        (
            "tenbin:services.chat.pools[0]: 'l4' has Inferentia2 accelerators (aws.amazon.com/neuron), on which no"
            " engine kind runs. Allowed: a pool of nvidia.com/gpu"
        ),
    ),
    "accelerators that the pool lacks": (
        {"services__chat__engine__tensor_parallel": 2, "services__chat__pools": ["l4"]},
        (
            "tenbin:services.chat.pools[0]: 'l4' has 1 accelerators per node, tensor_parallel is 2."
            " Allowed: a pool with 2 or more per node"
        ),
    ),
    "karpenter that nobody runs": (
        {
            "cluster": amazon.plain_cluster(),
            "pools__l4": {
                "instance_type": "g6.xlarge",
                "nodes": {"max": 1},
                "region": "eu-west-1",
                "backend": "karpenter",
            },
        },
        (
            "tenbin:pools.l4.backend: 'karpenter' is there with auto_mode or karpenter of the cluster alone."
            " Allowed: managed, or one of the two: true"
        ),
    ),
    "window without unit": (
        {"services__chat__slo__window": 30},
        (
            "tenbin:services.chat.slo.window: 30 is a number where a string belongs: put it in quotes,"
            ' for example "30d" (a window in minutes, hours or days (m, h, d) of at most 92d)'
        ),
    ),
    "objective without threshold": (
        {INTERACTIVE: {"target": "0.99"}},
        f"{CLASS_PATH}: has no threshold: give at least one of ttft_ms, tpot_ms, e2e_ms",
    ),
    "default class unknown": (
        {"services__chat__slo__default_class": "chatty"},
        "tenbin:services.chat.slo: names classes that it does not define: chatty. Allowed: interactive",
    ),
    "engine unknown": (
        {"services__chat__engine__kind": "vlm"},
        "tenbin:services.chat.engine.kind: 'vlm' is not allowed. Allowed: 'vllm', 'simulated'",
    ),
    "simulated engine without profile": (
        {"services__chat__engine__profile": None},
        "tenbin:services.chat.engine.profile: is required by the simulated engine",
    ),
    "replicas upside down": (
        {"services__chat__replicas": {"min": 5, "max": 2}},
        "tenbin:services.chat.replicas: max 2 is below min 5: allowed is min or more",
    ),
    "more replicas off spot than the minimum": (
        {"services__chat__replicas": {"min": 1, "max": 5, "on_demand_min": 2}},
        "tenbin:services.chat.replicas: on_demand_min 2 is above min 1: allowed is min or less",
    ),
    "priority below 1": (
        {"services__chat__priority": 0},
        "tenbin:services.chat.priority: 0: input should be greater than or equal to 1",
    ),
    "priority above 100": (
        {"services__chat__priority": 101},
        "tenbin:services.chat.priority: 101: input should be less than or equal to 100",
    ),
    "fraction of a priority": (
        {"services__chat__priority": 1.5},
        "tenbin:services.chat.priority: 1.5 is not a whole number",
    ),
    "truth instead of a number": (
        {"services__chat__replicas": {"min": 1, "max": True}},
        "tenbin:services.chat.replicas.max: True is not a whole number",
    ),
    "rate that is no number": (
        {"services__chat__workload__requests_per_second": {"expected": 1, "peak": float("nan")}},
        "tenbin:services.chat.workload.requests_per_second.peak: nan: input should be a finite number",
    ),
    "list instead of a mapping": (
        {"cost": ["30.00"]},
        "tenbin:cost: ['30.00'] is not a mapping of keys to values",
    ),
    "namespace of the cluster": (
        {"cluster": {"kind": "existing", "namespace": "kube-system"}},
        (
            "tenbin:cluster.namespace: 'kube-system' is the cluster's own namespace."
            " Allowed: any name but default and kube-*"
        ),
    ),
    "service named as the gateway's own": (
        {"services": {"tenbin-picker": plain_stack()["services"]["chat"]}},
        "tenbin:services.tenbin-picker: names that begin with 'tenbin-' are the gateway's own. Allowed: any other name",
    ),
    "missing cap": ({"cost": {}}, "tenbin:cost.hourly_usd: is required and missing"),
    "image without tag": (
        {"services__chat__engine__image": "vllm/vllm-openai"},
        (
            "tenbin:services.chat.engine.image: 'vllm/vllm-openai' is not an image with a tag or a digest,"
            " for example 'vllm/vllm-openai:v0.23.0'"
        ),
    ),
    "name that Kubernetes refuses": (
        {"pools": {"L4": {"instance_type": "g6.xlarge", "nodes": {"max": 1}}}, "services__chat__pools": ["L4"]},
        (
            "tenbin:pools.L4: 'L4' is not a name of at most 24 lower case letters, digits and dashes,"
            " for example 'chat-8b'"
        ),
    ),
}


@pytest.mark.parametrize(("replacements", "expected"), CASES.values(), ids=CASES.keys())
def test_problem_names_place_value_and_what_is_allowed(replacements: dict[str, Any], expected: str) -> None:
    assert expected in problems(plain_stack(**replacements))


def test_every_problem_is_reported_at_once() -> None:
    broken = plain_stack(
        cost={"hourly_usd": 1},
        services__chat__pools=["l40"],
        services__chat__replicas={"min": "1", "max": 6},
        services__chat__slo__window="30",
    )
    places = [problem.split(": ")[0] for problem in problems(broken)]
    assert places == [
        "tenbin:cost.hourly_usd",
        "tenbin:services.chat.pools[0]",
        "tenbin:services.chat.replicas.min",
        "tenbin:services.chat.slo.window",
    ]


def test_error_text_counts_and_lists_the_problems() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_stack(plain_stack(cost={}), source="Pulumi.dev.yaml")
    assert str(caught.value) == ("Pulumi.dev.yaml has 1 problem:\n  - tenbin:cost.hourly_usd: is required and missing")


def test_an_unknown_instance_type_names_the_nearest_ones() -> None:
    (problem,) = problems(plain_stack(pools__l4__instance_type="g6.xxlarge"))
    assert problem.startswith(
        "tenbin:pools.l4.instance_type: 'g6.xxlarge' is not in the catalogue of instance types;"
        " did you mean 'g6.xlarge'? Allowed: g6.xlarge, "
    )
    assert problem.endswith(" more")
