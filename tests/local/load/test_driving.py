"""The open loop: on time, whatever becomes of the answers, and over at once when told."""

from __future__ import annotations

import asyncio

import pytest
from support import virtual_time
from support.traffic import planned
from tenbin_local.load import driving, records
from tenbin_local.load.arrivals import PlannedRequest
from tenbin_local.load.records import RequestRecord

REQUESTS = [planned(number, arrival_s=number * 0.02) for number in range(20)]


class Server:
    """Answers each request after a while, in virtual time."""

    def __init__(self, answer_s: float) -> None:
        self.answer_s = answer_s
        self.sent: list[float] = []

    @staticmethod
    def clock() -> float:
        return asyncio.get_running_loop().time()

    async def send(self, request: PlannedRequest) -> RequestRecord:
        self.sent.append(self.clock())
        await asyncio.sleep(self.answer_s)
        return RequestRecord(planned=request, status=records.OK, ended_s=self.clock())


def test_slow_answers_do_not_hold_requests_back() -> None:
    server = Server(answer_s=1.0)
    traffic = driving.Traffic(REQUESTS, server.send, server.clock)
    virtual_time.run(traffic.run(asyncio.Event()))
    assert server.sent == pytest.approx([request.arrival_s for request in REQUESTS])
    assert [record.status for record in traffic.records] == [records.OK] * 20
    assert [record.ended_s for record in traffic.records] == pytest.approx([at_s + 1.0 for at_s in server.sent])
    assert traffic.in_flight == 0


def test_a_stop_ends_the_run_at_once_and_every_sent_request_has_a_record() -> None:
    server = Server(answer_s=30.0)
    traffic = driving.Traffic(REQUESTS, server.send, server.clock)

    async def run() -> float:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.15, stop.set)
        await traffic.run(stop)
        return server.clock()

    assert virtual_time.run(run()) == pytest.approx(0.15)
    assert len(traffic.records) == len(traffic.sent_s) == 8
    assert {record.status for record in traffic.records} == {records.CANCELLED}


def test_requests_beyond_the_limit_are_errors_and_not_sent() -> None:
    server = Server(answer_s=1.0)
    traffic = driving.Traffic(REQUESTS, server.send, server.clock, max_in_flight=3)
    virtual_time.run(traffic.run(asyncio.Event()))
    statuses = [record.status for record in sorted(traffic.records, key=lambda record: record.planned.number)]
    assert statuses == [records.OK] * 3 + [records.CLIENT_LIMIT] * 17
    assert len(server.sent) == 3


def test_a_defect_of_the_client_is_not_taken_for_an_error_of_the_service() -> None:
    async def send(request: PlannedRequest) -> RequestRecord:
        raise RuntimeError(f"defect at {request.number}")

    traffic = driving.Traffic(REQUESTS[:1], send, Server.clock)
    with pytest.raises(RuntimeError, match="defect at 0"):
        virtual_time.run(traffic.run(asyncio.Event()))
