"""Traces that services have published, each with its traps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tenbin_planner import traces

Write = Callable[..., Path]
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
BURSTGPT = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(traces.TraceError) as caught:
        traces.read(path, **options)
    return str(caught.value)


def mooncake(*requests: tuple[float, int, int, list[int]]) -> str:
    keys = ("timestamp", "input_length", "output_length", "hash_ids")
    return "".join(json.dumps(dict(zip(keys, request, strict=True))) + "\n" for request in requests)


def test_azure_counts_from_its_first_timestamp_to_the_tenth_of_a_microsecond(write: Write) -> None:
    rows = "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951691,396,109\n2023-11-17 18:15:46.6805900,1,1"
    trace = traces.read(write("azure.csv.gz", AZURE + rows))
    assert trace.arrival_s.tolist() == [0.0, 4.3145791, 86400.0]
    assert trace.input_tokens.tolist() == [374, 396, 1]
    assert trace.output_tokens.tolist() == [44, 109, 1]
    assert trace.notes == ()


def test_azure_of_2024_has_offsets_and_whole_seconds_without_a_fraction(write: Write) -> None:
    rows = (
        "2024-05-12 00:00:00+00:00,100,1\n2024-05-12 00:00:00.001163+00:00,101,2\n"
        "2024-05-12T02:00:01.5+02:00,102,3\n2024-05-11 19:30:02-04:30,103,4\n2024-05-12 00:00:03Z,104,5\n"
    )
    trace = traces.read(write("azure.csv", AZURE + rows))
    assert trace.arrival_s.tolist() == [0.0, 0.001163, 1.5, 2.0, 3.0]


def test_azure_out_of_order_counts_from_the_earliest_and_is_sorted(write: Write) -> None:
    rows = "2023-11-16 18:15:48,20,1\n2023-11-16 18:15:46,10,1\n"
    trace = traces.read(write("azure.csv", AZURE + rows))
    assert trace.arrival_s.tolist() == [0.0, 2.0]
    assert trace.input_tokens.tolist() == [10, 20]
    assert trace.notes == ("1 of 2 requests stood behind a later one: sorted by arrival",)


@pytest.mark.parametrize(
    "stamp", ["2023", "2023-13-16 18:15:46", "2023-11-16", "1700158546", "", "NaT", "3023-11-16 18:15:46", "now"]
)
def test_azure_refuses_what_is_no_instant(write: Write, stamp: str) -> None:
    path = write("azure.csv", f"{AZURE}2023-11-16 18:15:46,1,1\n{stamp},1,1\n")
    allowed = "a time from 1900 to 2199, as 2023-11-16 18:15:46.5"
    assert refusal(path) == f"{path} has 1 problem:\n  - line 3, TIMESTAMP: {stamp!r}; allowed is {allowed}"


def test_burstgpt_leaves_failures_out_and_counts_them(write: Write) -> None:
    rows = (
        "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,Conversation log\n118,GPT-4,417,276,693,API log\n"
        "120,ChatGPT,0,0,0,Conversation log\n"
    )
    trace = traces.read(write("burst.csv", BURSTGPT + rows))
    assert trace.arrival_s.tolist() == [5.0, 118.0]
    assert trace.input_tokens.tolist() == [472, 417]
    assert trace.output_tokens.tolist() == [18, 276]
    assert [trace.tenants[index] for index in trace.tenant_index] == ["ChatGPT", "GPT-4"]
    assert trace.notes == ("2 of 4 rows without input or output tokens, failures, are left out",)


def test_burstgpt_of_failures_alone_is_refused(write: Write) -> None:
    path = write("burst.csv", BURSTGPT + "5,ChatGPT,472,0,472,Conversation log\n")
    assert refusal(path) == (
        f"{path} has no request that could be replayed: each of its 1 rows has 0 input or output tokens"
    )


def test_burstgpt_takes_later_columns_and_spreads_the_requests_of_one_second(write: Write) -> None:
    header = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    rows = "".join(f"{second},,1.5,GPT-4,{second + 1},5,9,API log\n" for second in range(20) for _ in range(3))
    path = write("burst.csv", header + rows)
    trace = traces.read(path)
    assert trace.notes == ("times lie on a grid of 1 s: requests of one tick are spread over it, drawn uniformly",)
    assert np.floor(trace.arrival_s).tolist() == [float(second) for second in range(20) for _ in range(3)]
    assert np.unique(trace.arrival_s).size == 60
    kept = traces.read(path, options=traces.Options(spread=False))
    assert kept.arrival_s.tolist() == [float(second) for second in range(20) for _ in range(3)]
    assert kept.notes == ("times lie on a grid of 1 s: requests of one tick arrive at once",)


def test_mooncake_has_milliseconds_and_no_cached_tokens_unless_a_cache_is_asked_for(write: Write) -> None:
    trace = traces.read(write("m.jsonl.gz", mooncake((0, 1500, 10, [1, 2, 3]), (277, 1500, 20, [1, 2, 3]))))
    assert trace.arrival_s.tolist() == [0.0, 0.277]
    assert trace.input_tokens.tolist() == [1500, 1500]
    assert trace.cached_tokens.tolist() == [0, 0]
    assert trace.notes == ()


def coarse(ticks: int = 50, requests: int = 8) -> list[tuple[float, int, int, list[int]]]:
    jitter = [0, -1, 2, 0, 1]
    return [
        (max(0, 3000 * tick + jitter[tick % 5]), 100 + 10 * tick + number, 5, [tick])
        for tick in range(ticks)
        for number in range(requests)
    ]


def test_mooncake_spreads_requests_of_a_clock_of_three_seconds_over_its_ticks(write: Write) -> None:
    path = write("m.jsonl", mooncake(*coarse()))
    trace = traces.read(path)
    assert trace.notes == ("times lie on a grid of 3 s: requests of one tick are spread over it, drawn uniformly",)
    ticks = np.array([request[0] for request in coarse()]) / 1000
    assert (trace.arrival_s >= ticks).all()
    assert (trace.arrival_s < ticks + 3.003).all()
    assert trace.input_tokens.tolist() == [request[1] for request in coarse()]
    per_second = np.bincount(trace.arrival_s.astype(int))
    assert per_second.var() / per_second.mean() < 1.5
    assert traces.read(path).digest() == trace.digest()
    assert traces.read(path, options=traces.Options(seed=1)).digest() != trace.digest()


def test_mooncake_leaves_the_times_of_a_fine_clock_alone(write: Write) -> None:
    times = np.cumsum(np.random.default_rng(5).integers(0, 900, 300)).tolist()
    trace = traces.read(write("m.jsonl", mooncake(*((time, 10, 5, [0]) for time in times))))
    assert trace.arrival_s.tolist() == [time / 1000 for time in times]
    assert trace.notes == ()


def test_mooncake_with_a_request_each_second_is_regular_and_not_coarse(write: Write) -> None:
    trace = traces.read(write("m.jsonl", mooncake(*((1000 * second, 10, 5, [0]) for second in range(60)))))
    assert trace.arrival_s.tolist() == [float(second) for second in range(60)]


def test_mooncake_cached_tokens_are_whole_blocks_found_earlier_and_never_the_whole_prompt(write: Write) -> None:
    path = write(
        "m.jsonl",
        mooncake(
            (0, 1500, 1, [1, 2, 3]),
            (100, 1500, 1, [1, 2, 3]),  # the last block is not whole
            (200, 1024, 1, [1, 2]),  # the last token is computed anew, and with it its block
            (300, 2000, 1, [1, 9, 2, 3]),  # blocks behind another one are of no use
            (400, 100, 1, [7]),
        ),
    )
    trace = traces.read(path, options=traces.Options(prefix_cache_blocks=math.inf))
    assert trace.cached_tokens.tolist() == [0, 1024, 512, 512, 0]
    assert trace.notes == ("a shared prefix cache (no limit) is taken to hold 33.4% of the prompt tokens",)


def test_mooncake_with_a_small_cache_forgets_what_was_used_least_recently(write: Write) -> None:
    requests = mooncake(
        (0, 1500, 1, [1, 2, 3]),
        (1, 1500, 1, [4, 5, 6]),  # three of four blocks: of the first prompt only its beginning is left
        (2, 1500, 1, [1, 2, 3]),
        (3, 1500, 1, [1, 2, 3]),
    )
    trace = traces.read(write("m.jsonl", requests), options=traces.Options(prefix_cache_blocks=4))
    assert trace.cached_tokens.tolist() == [0, 0, 512, 1024]


def test_mooncake_names_lines_that_cannot_be(write: Write) -> None:
    lines = [
        '{"timestamp": 0, "input_length": 10, "output_length": 5, "hash_ids": [1]}',
        "",
        '{"timestamp": "0", "input_length": 10, "output_length": true}',
        '{"timestamp": -1, "input_length": 1.5}',
        "[1, 2]",
        '{"timestamp": NaN, "input_length": 1e999, "output_length": null}',
        '{"timestamp": 5, "input',
    ]
    path = write("m.jsonl", "\n".join(lines))
    tokens = "a whole number of tokens from 0 to 100,000,000"
    milliseconds = "a number of milliseconds from 0 to 10,000,000,000,000"
    assert refusal(path) == "\n".join(
        [
            f"{path} has 10 problems:",
            f"  - line 3, output_length: True; allowed is {tokens}",
            f"  - line 3, timestamp: '0'; allowed is {milliseconds}",
            f"  - line 4, input_length: 1.5; allowed is {tokens}",
            f"  - line 4, output_length: nothing; allowed is {tokens}",
            f"  - line 4, timestamp: -1; allowed is {milliseconds}",
            "  - line 5, row: '[1, 2]'; allowed is a JSON object",
            f"  - line 6, input_length: inf; allowed is {tokens}",
            f"  - line 6, output_length: nothing; allowed is {tokens}",
            f"  - line 6, timestamp: nan; allowed is {milliseconds}",
            '  - line 7, row: \'{"timestamp": 5, "input\'; allowed is a JSON object',
        ]
    )


def test_mooncake_refuses_ids_that_are_no_list_when_a_cache_is_asked_for(write: Write) -> None:
    path = write("m.jsonl", mooncake((0, 10, 5, [1])) + '{"timestamp": 1, "input_length": 9, "output_length": 5}\n')
    assert len(traces.read(path)) == 2
    assert refusal(path, options=traces.Options(prefix_cache_blocks=10)) == (
        f"{path} has 1 problem:\n  - line 2, hash_ids: nothing; allowed is a list of numbers"
    )


def test_logs_of_another_origin_with_the_same_keys_are_not_taken_for_mooncake(write: Write) -> None:
    line = '{"chat_id": 1, "timestamp": 0.5, "input_length": 10, "output_length": 5, "hash_ids": [1]}\n'
    assert "is JSON lines with 'chat_id', 'timestamp', 'input_length', 'output_length', 'hash_ids': no reader" in (
        refusal(write("q.jsonl", line))
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"timestamp": 0}]', "is JSON without an object a line: '[{\"timestamp\": 0}]'"),
        ('{"timestamp": 0', "looks like JSON, and its first line is none: '{\"timestamp\": 0'"),
    ],
)
def test_json_that_is_no_object_a_line_is_refused(write: Write, content: str, message: str) -> None:
    path = write("m.json", content)
    assert refusal(path) == f"{path} {message}"


def test_request_files_of_servegen_have_the_client_as_tenant(write: Write) -> None:
    text = "t_s,prompt_tokens,output_tokens,client\n0.00,203,415,23\n0.07,227,554,7\n0.07,1,0,7\n"
    trace = traces.read(write("s.csv.gz", text))
    assert trace.arrival_s.tolist() == [0.0, 0.07]
    assert [trace.tenants[index] for index in trace.tenant_index] == ["23", "7"]
    assert trace.notes == ("1 of 3 rows without input or output tokens, failures, are left out",)


def test_synthetic_files_have_no_client(write: Write) -> None:
    trace = traces.read(write("s.csv", "t_s,prompt_tokens,output_tokens\n0.363,3000,300\n"))
    assert trace.tenants == ("",)
    assert trace.describe() == "1 requests in 0.363 s (2.75/s), 3,000 tokens in and 300 out on average"


MEASURED = "due,sent,isl,osl,ntok,reads,ttft,e2e,itl_mean,itl_p50,itl_p99,itl_max,state\n"


def test_a_measured_replay_arrives_when_it_was_sent_with_the_tokens_asked_for(write: Write) -> None:
    rows = (
        "0.05556,0.0561,417,442,442,442,0.01667,7.16566,0.016211,0.00912,0.2233,0.28014,ok\n"
        "0.06667,0.06698,30,1150,7,7,0.0158,22.74755,0.019784,0.0148,0.20371,0.28002,cut\n"
        "0.06668,0.06690,31,1151,0,0,,,,,,,err\n"
    )
    trace = traces.read(write("r.csv.gz", MEASURED + rows))
    assert trace.arrival_s.tolist() == [0.0561, 0.0669, 0.06698]
    assert trace.input_tokens.tolist() == [417, 31, 30]
    assert trace.output_tokens.tolist() == [442, 1151, 1150]


def test_a_series_of_repeated_measurements_is_no_trace(write: Write) -> None:
    path = write("p.csv", "kind,n,rep,due,sent,isl,osl\nlone,1,0,0,0,128,1\n")
    assert "measured: CSV or Parquet with due, sent, isl, osl, not rep" in refusal(path)
