"""ServeGen's pools of clients (Xiang et al., arXiv:2505.09999): a day of requests drawn from what was measured.

An archive holds two files per client. `chunk-<client>-trace.csv` has, per window of 600 s, the rate in requests per
second, the coefficient of variation of the gaps, and the law fitted to them (Gamma or Weibull), its shape and scale.
`chunk-<client>-dataset.json` has, per block of six hours, the probabilities of token counts.

Per client, gaps of mean 1 are drawn by the law of the window they begin in and laid out in the integral of the rate, so
that each window has its rate; gaps reach over the borders of windows, and the first begins at a random phase. Lengths
are drawn from the block's probabilities, input and output independently. A client without probabilities in a block
takes the mixture of all clients there, weighted by their rates.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tarfile
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import errors, files, reader_options, trace

NEEDED = ("dataset.json", "trace.csv")
WINDOW_S = 600.0
DAY_S = 86_400.0

_MEMBER = re.compile(r"(?:.*/)?chunk-(\d+)-(trace\.csv|dataset\.json)")
_FIELDS = ("input_tokens", "output_tokens")
_LEAST_SHAPE = 1e-3
_MOST_REQUESTS = 50_000_000

Law = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Token counts, rising, and their probabilities."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Client:
    """One client's windows of a day; all arrays have shape (windows,)."""

    name: str
    start_s: NDArray[np.float64]
    rate: NDArray[np.float64]
    """Requests per second."""
    law: tuple[str, ...]
    """Gamma, Weibull, or nothing where there is no request."""
    shape: NDArray[np.float64]
    lengths: Mapping[int, Mapping[str, str]]
    """Texts of probabilities by start of the block, in seconds, and field."""


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Draw a day of requests.

    Raises:
        TraceError: for members that cannot be understood, or a day that the pool does not have.
    """
    rng = np.random.default_rng(chosen.seed)
    clients = _clients(source, chosen.day)
    expected = sum(float(client.rate.sum()) for client in clients) * WINDOW_S * chosen.scale
    if not 1 <= expected <= _MOST_REQUESTS:
        raise errors.TraceError(
            f"day {chosen.day} of {source.path} at scale {chosen.scale:g} would have {expected:,.3g} requests; "
            f"allowed is 1 to {_MOST_REQUESTS:,}"
        )
    times = [arrivals(client, chosen.scale, rng) for client in clients]
    pools = _Mixtures(clients, source)
    tokens = [pools.draw(client, found, rng) for client, found in zip(clients, times, strict=True)]
    joined = np.concatenate(times)
    order = np.argsort(joined, kind="stable")
    tenants = np.repeat(np.arange(len(clients)), [found.size for found in times])
    return trace.Trace.of(
        name=source.name,
        arrival_s=joined[order] - chosen.day * DAY_S,
        input_tokens=np.concatenate([found[0] for found in tokens])[order],
        output_tokens=np.concatenate([found[1] for found in tokens])[order],
        tenants=[client.name for client in clients],
        tenant_index=tenants[order],
        notes=[f"drawn from {len(clients)} clients: day {chosen.day}, rates x {chosen.scale:g}, seed {chosen.seed}"],
    )


def arrivals(client: Client, scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the times of one client's requests, in seconds, rising.

    Args:
        client: its windows.
        scale: factor on its rates.
        rng: source of randomness.
    """
    times: list[NDArray[np.float64]] = []
    position = -math.inf  # of the next request, in requests from the beginning of the window
    for start, rate, law, shape in zip(client.start_s, client.rate, client.law, client.shape, strict=True):
        width = rate * scale * WINDOW_S
        if width <= 0:
            continue
        if position == -math.inf:
            position = float(_gaps(law, shape, 1, rng)[0] * rng.random())
        found = []
        while position < width:
            gaps = _gaps(law, shape, 64 + int(1.2 * (width - position)), rng)
            places = position + np.concatenate([[0.0], np.cumsum(gaps)])
            found.append(places[:-1][places[:-1] < width])
            position = float(places[min(found[-1].size, places.size - 1)])
        times.extend(start + np.minimum(part / width, np.nextafter(1, 0)) * WINDOW_S for part in found)
        position -= width
    return np.concatenate(times) if times else np.empty(0)


def _gaps(law: str, shape: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw gaps of mean 1."""
    if law == "Weibull":
        return rng.weibull(shape, count) / math.gamma(1 + 1 / shape)
    return rng.gamma(shape, 1 / shape, count)


class _Mixtures:
    """Draws token counts by client and block."""

    def __init__(self, clients: Sequence[Client], source: files.Source) -> None:
        self._clients = clients
        self._source = source
        self._mixed: dict[tuple[int, str], Law] = {}

    def draw(self, client: Client, times: NDArray[np.float64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Return input and output tokens for requests of one client at these times."""
        starts = np.array(sorted(client.lengths), dtype=np.int64)
        blocks = starts[np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)]
        drawn = [np.ones(times.size, dtype=np.int64) for _ in _FIELDS]
        for block in np.unique(blocks).tolist():
            rows = np.flatnonzero(blocks == block)
            for field, result in zip(_FIELDS, drawn, strict=True):
                tokens, shares = self._own(client, block, field) or self._mixture(block, field)
                found = np.searchsorted(np.cumsum(shares), rng.random(rows.size), side="right")
                result[rows] = np.maximum(tokens[np.minimum(found, tokens.size - 1)], 1)
        return drawn

    def _own(self, client: Client, block: int, field: str) -> Law | None:
        text = client.lengths.get(block, {}).get(field, "{}").strip().strip("{}")
        if not text:
            return None
        try:
            pairs = np.array(text.replace(":", ",").split(","), dtype=np.float64).reshape(-1, 2)
        except ValueError:
            pairs = np.full((1, 2), np.nan)
        if not (np.isfinite(pairs) & (pairs >= 0)).all() or not pairs[:, 1].sum() > 0:
            where = f"{field} of client {client.name} in the block from {block} s of {self._source.path}"
            raise errors.TraceError(f"{where} is {errors.shown(text)}; allowed is token count: probability")
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        return pairs[:, 0].astype(np.int64), pairs[:, 1] / pairs[:, 1].sum()

    def _mixture(self, block: int, field: str) -> Law:
        if (block, field) not in self._mixed:
            parts = [(self._own(client, block, field), _volume(client, block)) for client in self._clients]
            laws = [(law[0], law[1] * volume) for law, volume in parts if law is not None and volume > 0]
            if not laws:
                where = f"{field} in the block from {block} s of {self._source.path}"
                raise errors.TraceError(f"no client has probabilities for {where}, and there are requests")
            tokens = np.concatenate([law[0] for law in laws])
            shares = np.concatenate([law[1] for law in laws])
            order = np.argsort(tokens, kind="stable")
            self._mixed[block, field] = tokens[order], shares[order] / shares.sum()
        return self._mixed[block, field]


def _volume(client: Client, block: int) -> float:
    """Return a measure of a client's requests in the block that begins at `block` seconds."""
    later = [start for start in client.lengths if start > block]
    inside = (client.start_s >= block) & (client.start_s < min(later, default=math.inf))
    return float(client.rate[inside].sum())


def _clients(source: files.Source, day: int) -> list[Client]:
    """Read the clients' windows of one day, in the order of their numbers."""
    members: dict[int, dict[str, bytes]] = {}
    with source.open() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            match = _MEMBER.fullmatch(member.name)
            content = archive.extractfile(member) if match else None
            if match and content:
                members.setdefault(int(match[1]), {})[match[2]] = content.read()
    problems = errors.Problems(str(source.path))
    clients = [_client(str(number), members[number], day, problems) for number in sorted(members)]
    problems.raise_if_any()
    if not any(client.start_s.size for client in clients):
        raise errors.TraceError(f"{source.path} has no day {day}; 0 is the first")
    return clients


def _client(name: str, members: Mapping[str, bytes], day: int, problems: errors.Problems) -> Client:
    for missing in sorted(set(NEEDED) - set(members)):
        file = f"chunk-{name}-{missing}"
        problems.add([errors.BadValue(line=1, column=file, value="nothing", allowed="a file per client")])
    rows = _windows(name, members.get("trace.csv", b"").decode(), problems)
    rows = [row for row in rows if day * DAY_S <= row[0] < (day + 1) * DAY_S]
    try:
        blocks = json.loads(members.get("dataset.json", b"{}"))
        lengths = {int(start): dict(fields) for start, fields in blocks.items()}
    except (ValueError, TypeError, AttributeError):
        lengths = {}
        file = f"chunk-{name}-dataset.json"
        problems.add([errors.BadValue(line=1, column=file, value="no such object", allowed="blocks by start in s")])
    return Client(
        name=name,
        start_s=np.array([row[0] for row in rows]),
        rate=np.array([row[1] for row in rows]),
        law=tuple(row[2] for row in rows),
        shape=np.array([row[3] for row in rows]),
        lengths=lengths or {0: {}},
    )


def _windows(name: str, text: str, problems: errors.Problems) -> list[tuple[float, float, str, float]]:
    """Return start, rate, law and shape of each window; a window without a law has gaps of a Poisson process."""
    found = []
    for line, row in enumerate(text.splitlines(), start=1):
        cells = row.split(",")
        try:
            start, rate, law = float(cells[0]), float(cells[1]), cells[3]
            shape = float(cells[4]) if law in {"Gamma", "Weibull"} else 1.0
            good = 0 <= start < math.inf and 0 <= rate < math.inf and (rate == 0 or _LEAST_SHAPE <= shape < math.inf)
        except (ValueError, IndexError):
            good = False
        if good:
            found.append((start, rate, law, shape))
        else:
            allowed = "start in s, rate, cv, law, shape, scale"
            file = f"chunk-{name}-trace.csv"
            problems.add([errors.BadValue(line=line, column=file, value=errors.shown(row), allowed=allowed)])
    return found
