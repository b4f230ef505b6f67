"""The simulated engine's page of metrics against a measured one of vLLM 0.23: same names, types, labels and buckets."""

from __future__ import annotations

import dataclasses
import pathlib

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import engine_processes
from tenbin_planner import ports
from tenbin_planner.controller import metrics_page, samples
from tenbin_planner.controller.adapters import VLLM, Latency, Quantity
from tenbin_planner.controller.estimates import AttainmentEstimator
from tenbin_spec.objectives import Slo

MEASURED = (pathlib.Path(__file__).parents[1] / "planner/controller/pages/vllm-0.23.txt").read_text()
PROFILE = "h200-llama-3.1-8b-bf16-tp1-vllm-0.23"
"""Of the engine that was measured, so that its histograms of lengths end where those of the page do."""
NEWER = {"vllm:admission_rejections"}
"""Came after 0.23; the simulated engine has them because it can refuse requests."""
OF_THE_SERVER = ("python_", "process_", "http_")
NOT_SIMULATED = {
    "vllm:estimated_flops_per_gpu",
    "vllm:estimated_read_bytes_per_gpu",
    "vllm:estimated_write_bytes_per_gpu",
    "vllm:mm_cache_queries",
    "vllm:mm_cache_hits",
}
"""What nobody reads and the simulated engine does not know."""
OPEN = {"vllm:cache_config_info"}
"""Has a label for each setting of the engine, and no two versions the same."""


@dataclasses.dataclass(frozen=True)
class Family:
    """What a reader relies on."""

    type: str
    samples: frozenset[str]
    labels: frozenset[str]
    values: frozenset[tuple[str, str]]
    """Labels with their values, of those that tell series of one engine apart; bucket bounds among them."""


def families(page: str) -> dict[str, Family]:
    """Return the families of a page that have no moment of creation as their value."""
    found = {}
    for family in text_string_to_metric_families(page):
        there = [sample for sample in family.samples if not sample.name.endswith("_created")]
        if there:
            pairs = {pair for sample in there for pair in sample.labels.items()}
            found[family.name] = Family(
                type=family.type,
                samples=frozenset(sample.name for sample in there),
                labels=frozenset(name for name, _ in pairs),
                values=frozenset(pair for pair in pairs if pair[0] not in {"model_name", "engine"}),
            )
    return found


@pytest.fixture(scope="module")
def pages() -> tuple[str, str]:
    """Return the page of an engine before and after its first request."""
    with engine_processes.running(PROFILE) as url:
        before = httpx.get(f"{url}/metrics", timeout=60).text
        body = {"model": "m", "prompt": [1] * 40, "max_tokens": 5, "ignore_eos": True}
        httpx.post(f"{url}/v1/completions", json=body, timeout=60).raise_for_status()
        return before, httpx.get(f"{url}/metrics", timeout=60).text


@pytest.fixture
def simulated(pages: tuple[str, str]) -> str:
    return pages[1]


def test_what_it_has_is_as_the_real_engine_has_it(simulated: str) -> None:
    ours, measured = families(simulated), families(MEASURED)
    assert set(ours) - set(measured) == NEWER
    for name in set(ours) - NEWER - OPEN:
        assert ours[name] == measured[name], name
    for name in OPEN:
        assert (ours[name].type, ours[name].samples) == (measured[name].type, measured[name].samples)
        assert ours[name].labels <= measured[name].labels


def test_what_it_lacks_is_what_nobody_reads(simulated: str) -> None:
    missing = set(families(MEASURED)) - set(families(simulated))
    assert {name for name in missing if not name.startswith(OF_THE_SERVER)} == NOT_SIMULATED
    read = samples.names(VLLM, with_latencies=True)
    assert not [name for name in read if name.startswith(tuple(missing))]


def test_the_table_reads_both_in_full_and_by_the_same_names(simulated: str) -> None:
    quantities = VLLM.quantities()
    for page in (simulated, MEASURED):
        values, histograms = metrics_page.read(page, VLLM), metrics_page.read_latencies(page, VLLM)
        assert [name for name, value in values.items() if value is None] == []
        assert [name for name, found in histograms.items() if found is None] == []
    for name, item in {**quantities, **VLLM.latencies()}.items():
        assert read_by(item, simulated) == read_by(item, MEASURED) != "", name


def test_what_it_says_of_a_request_is_what_was_sent(simulated: str) -> None:
    values = metrics_page.read(simulated, VLLM)
    assert (values["finished"], values["input_tokens"], values["output_tokens"]) == (1.0, 40.0, 5.0)
    assert (values["generated"], values["running"], values["waiting"]) == (5.0, 0.0, 0.0)
    for name, histogram in metrics_page.read_latencies(simulated, VLLM).items():
        assert histogram is not None
        assert histogram.counts[-1] == (4.0 if name == "itl_ms" else 1.0), name


def test_its_histograms_tell_attainment(pages: tuple[str, str]) -> None:
    classes = {"patient": {"target": "0.99", "e2e_ms": 7_680_000}, "hasty": {"target": "0.99", "ttft_ms": 1}}
    agreed = Slo.model_validate({"window": "30d", "classes": classes, "default_class": "hasty"})
    estimator = AttainmentEstimator()
    for at, page in enumerate(pages):
        estimator.learn({"p": ("chat", metrics_page.read_latencies(page, VLLM))}, at=float(at))
    found = estimator.estimates({"chat": agreed})
    assert found["chat", "patient"] == ports.EngineAttainment(lower=1.0, upper=1.0, requests=1.0)
    assert found["chat", "hasty"] == ports.EngineAttainment(lower=0.0, upper=0.0, requests=1.0)


def read_by(item: Quantity | Latency, page: str) -> str:
    """Return the name under which a page has a quantity, empty for none."""
    suffix = "_bucket" if isinstance(item, Latency) else ""
    names = [f"{series.name}{suffix}" for series in item.candidates]
    there = metrics_page.parse(page, names).by_name
    return next((name for name in names if name in there), "")
