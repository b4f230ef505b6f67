"""Days drawn from pools of clients."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from tenbin_planner import traces

Write = Callable[..., Path]
HOURS = [str(21_600 * block) for block in range(4)]


def windows(rate: float, law: str = "Gamma", shape: float = 1.0, *, days: int = 1, silent: range = range(0)) -> str:
    rows = []
    for window in range(144 * days):
        name = law if window not in silent and rate else ""
        now = rate if window not in silent else 0
        rows.append(f"{600 * window},{now},1.0,{name},{shape if name else 0},1")
    return "\n".join(rows)


def lengths(inputs: Mapping[int, float], outputs: Mapping[int, float], blocks: list[str] = HOURS) -> str:
    fields = {"input_tokens": str(dict(inputs)), "output_tokens": str(dict(outputs)), "reason_ratio": "{}"}
    return json.dumps(dict.fromkeys(blocks, fields))


def pool(members: Mapping[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(f"language/small/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return raw.getvalue()


def two_clients() -> dict[str, str]:
    return {
        "chunk-1-trace.csv": windows(0.5),
        "chunk-1-dataset.json": lengths({100: 0.25, 200: 0.75}, {10: 1.0}),
        "chunk-12-trace.csv": windows(1.5, "Weibull", 0.5, silent=range(36, 144)),
        "chunk-12-dataset.json": lengths({4000: 1.0}, {20: 0.5, 40: 0.5}, HOURS[:1]),
    }


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(traces.TraceError) as caught:
        traces.read(path, **options)
    return str(caught.value)


def test_each_client_has_its_rate_where_it_has_one_and_its_own_lengths(write: Write) -> None:
    trace = traces.read(write("pool.tgz", pool(two_clients())))
    assert trace.tenants == ("1", "12")
    first, second = (trace.select(trace.tenant_index == index) for index in range(2))
    assert len(first) == pytest.approx(0.5 * 86_400, rel=5 / math.sqrt(0.5 * 86_400))
    assert set(first.input_tokens.tolist()) == {100, 200}
    assert (first.input_tokens == 100).mean() == pytest.approx(0.25, abs=0.02)
    assert set(first.output_tokens.tolist()) == {10}
    assert len(second) == pytest.approx(1.5 * 21_600, rel=0.1)
    assert second.duration_s < 21_600
    assert set(second.input_tokens.tolist()) == {4000}
    assert set(second.output_tokens.tolist()) == {20, 40}
    assert trace.notes == ("drawn from 2 clients: day 0, rates x 1, seed 0",)


def test_gaps_vary_as_the_law_says(write: Write) -> None:
    trace = traces.read(write("pool.tgz", pool(two_clients())))
    first, second = (trace.select(trace.tenant_index == index) for index in range(2))
    poisson, weibull = np.diff(first.arrival_s), np.diff(second.arrival_s)
    assert poisson.std() / poisson.mean() == pytest.approx(1.0, rel=0.05)
    # Weibull of shape 1/2: variance over squared mean is gamma(5) / gamma(3)**2 - 1 = 5.
    assert weibull.std() / weibull.mean() == pytest.approx(math.sqrt(5), rel=0.1)


def test_gaps_reach_over_the_borders_of_windows(write: Write) -> None:
    members = {"chunk-0-trace.csv": windows(0.001, shape=1e6), "chunk-0-dataset.json": lengths({7: 1}, {8: 1})}
    trace = traces.read(write("pool.tgz", pool(members)))
    assert len(trace) in {86, 87}
    assert np.diff(trace.arrival_s).tolist() == pytest.approx([1000.0] * (len(trace) - 1), rel=0.01)


def test_scale_multiplies_the_number_of_requests(write: Write) -> None:
    path = write("pool.tgz", pool(two_clients()))
    whole, tenth = traces.read(path), traces.read(path, options=traces.Options(scale=0.1))
    assert len(tenth) == pytest.approx(0.1 * len(whole), rel=0.1)


def test_the_same_seed_draws_the_same_day_and_another_another(write: Write) -> None:
    path = write("pool.tgz", pool(two_clients()))
    first, again, other = (traces.read(path, options=traces.Options(seed=seed, scale=0.1)) for seed in (3, 3, 4))
    assert first.digest() == again.digest()
    assert first.digest() != other.digest()


def test_the_order_of_the_archive_changes_nothing(write: Write) -> None:
    forwards = write("one.tgz", pool(two_clients()))
    backwards = write("two.tgz", pool(dict(reversed(two_clients().items()))))
    assert traces.read(forwards).digest() == traces.read(backwards).digest()


def test_a_later_day_counts_from_its_own_midnight(write: Write) -> None:
    members = {
        "chunk-0-trace.csv": windows(0.1, days=2, silent=range(144)),
        "chunk-0-dataset.json": lengths({7: 1}, {8: 1}),
    }
    path = write("pool.tgz", pool(members))
    trace = traces.read(path, options=traces.Options(day=1))
    assert 0 <= trace.arrival_s[0] < 600
    assert trace.duration_s < 86_400
    assert refusal(path) == (f"day 0 of {path} at scale 1 would have 0 requests; allowed is 1 to 50,000,000")
    assert refusal(path, options=traces.Options(day=2)) == f"{path} has no day 2; 0 is the first"


def test_a_client_without_lengths_takes_those_of_the_others(write: Write) -> None:
    members = two_clients() | {"chunk-3-trace.csv": windows(0.2), "chunk-3-dataset.json": lengths({}, {})}
    trace = traces.read(write("pool.tgz", pool(members)))
    third = trace.select(trace.tenant_index == trace.tenants.index("3"))
    morning, later = third.window(0, 21_600), third.window(21_600, 86_400)
    # Client 12 sends three quarters of the requests of the first block, and nothing later.
    assert (morning.input_tokens == 4000).mean() == pytest.approx(0.75, abs=0.03)
    assert set(later.input_tokens.tolist()) == {100, 200}


def test_everything_wrong_in_a_pool_is_named_with_its_member(write: Write) -> None:
    members = {
        "chunk-1-trace.csv": "0,abc,1,Gamma,1,1\n600,0.5,1,Gamma,-1,1\n1200",
        "chunk-1-dataset.json": "[]",
        "chunk-2-trace.csv": windows(1.0),
    }
    path = write("pool.tgz", pool(members))
    row = "allowed is start in s, rate, cv, law, shape, scale"
    assert refusal(path) == "\n".join(
        [
            f"{path} has 5 problems:",
            "  - line 1, chunk-1-dataset.json: no such object; allowed is blocks by start in s",
            f"  - line 1, chunk-1-trace.csv: '0,abc,1,Gamma,1,1'; {row}",
            "  - line 1, chunk-2-dataset.json: nothing; allowed is a file per client",
            f"  - line 2, chunk-1-trace.csv: '600,0.5,1,Gamma,-1,1'; {row}",
            f"  - line 3, chunk-1-trace.csv: '1200'; {row}",
        ]
    )


def test_probabilities_that_cannot_be_are_refused(write: Write) -> None:
    members = {"chunk-1-trace.csv": windows(0.1)}
    for text in ("{5: x}", "{5: -1.0}", "{0: 0.0}"):
        blocks = {"0": {"input_tokens": text, "output_tokens": "{1: 1.0}"}}
        path = write("pool.tgz", pool({**members, "chunk-1-dataset.json": json.dumps(blocks)}))
        assert refusal(path) == (
            f"input_tokens of client 1 in the block from 0 s of {path} is {text.strip('{}')!r}; "
            "allowed is token count: probability"
        )


def test_an_archive_of_something_else_is_refused(write: Write) -> None:
    path = write("other.tgz", pool({"notes.txt": "hello"}))
    assert refusal(path).startswith(f"{path} is tar archive with 'notes.txt': no reader takes it. Allowed:")
