"""Files of measured data are told by their columns; what cannot be is refused with its lines, all at once."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import measured
from tenbin_planner.profiling import errors, latency_grids, reading, records, tables
from tenbin_spec.profiles import ApiServer

if TYPE_CHECKING:
    import pathlib

DECODES = """ctx_start,batch,mean_ctx,client_itl_p50_ms,engine_step_p50_ms,note
128,1,200,5.1,5.0,
128,64,200.5,9.0,,
128,64,200,30.0,,not valid: front-end backlog
128,512,200,30.0,,client side only; API process near one full core
128,8,200,,,
128,8,300,6.0,,measured twice
"""
RECORDS = """due,sent,isl,osl,ttft,e2e,state
0.5,0.51,100,5,0.1,0.5,ok
0.2,0.21,300,1,0.2,0.2,ok
0.9,0.91,200,9,0.3,,cut
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path


@pytest.mark.parametrize("name", ["passes.csv", "passes.csv.gz", "packed-without-ending"])
def test_a_pass_file_brings_its_passes_and_what_it_is_about(folder: pathlib.Path, name: str) -> None:
    remarks = "# tenbin passes 1\n# model: org/m: 8B\n# api_per_request_ms: 3.5\n"
    text = remarks + measured.table_text(
        measured.PASS_HEADER + ",note",
        [("decode", 2, 30, 0, 0, 5.5, ""), ("prefill", 0, 0, 8, 32, 6.5, "not steady"), ("", 0, 0, 9, 40.5, 7.5, "")],
    )
    path = folder / name
    path.write_bytes(text.encode() if name == "passes.csv" else gzip.compress(text.encode()))
    data = reading.read([path])
    (passes,) = data.passes
    assert passes.ms.tolist() == [5.5, 7.5]
    assert (passes.decode_sequences.tolist(), passes.kv_tokens.tolist()) == ([2, 0], [30, 0])
    assert (passes.prefill_tokens.tolist(), passes.prefill_context.tolist()) == ([0, 9], [0, 40.5])
    assert (passes.kinds, passes.places) == (("decode", "pass"), (f"{name} line 5", f"{name} line 7"))
    assert [(left.place, left.why) for left in data.left_out] == [(f"{name} line 6", "not steady")]
    assert data.about == {"model": "org/m: 8B", "api_per_request_ms": "3.5"}


def test_a_decode_table_prefers_the_engines_time_and_leaves_out_what_its_notes_doubt(folder: pathlib.Path) -> None:
    data = reading.read([measured.write(folder / "decode.csv.gz", DECODES)])
    (passes,) = data.passes
    assert passes.ms.tolist() == [5.0, 9.0, 6.0]
    assert passes.decode_sequences.tolist() == [1, 64, 8]
    assert passes.kv_tokens.tolist() == [200, 64 * 200.5, 2400]
    assert set(passes.kinds) == {"decode"}
    assert [(left.place, left.why) for left in data.left_out] == [
        ("decode.csv.gz line 4", "not valid: front-end backlog"),
        ("decode.csv.gz line 5", "client side only; API process near one full core"),
        ("decode.csv.gz line 6", "no time"),
    ]


def test_records_of_traffic_are_a_run_in_the_order_of_sending(folder: pathlib.Path) -> None:
    run = records.read_run(measured.write(folder / "replay_conv_f35.csv.gz", RECORDS))
    assert run.name == "conv_f35"
    assert run.sent_s.tolist() == [0.21, 0.51, 0.91]
    assert (run.input_tokens.tolist(), run.output_tokens.tolist()) == ([300, 100, 200], [1, 5, 9])
    assert run.ttft_ms.tolist() == pytest.approx([200, 100, 300])
    assert run.finished.tolist() == [True, True, False]
    np.testing.assert_allclose(run.tpot_ms, [np.nan, 100, np.nan])
    assert [found.name for found in reading.read([folder / "replay_conv_f35.csv.gz"]).runs] == ["conv_f35"]


def test_lone_prompts_become_passes_less_the_api_process(folder: pathlib.Path) -> None:
    text = "kind,n,sent,isl,osl,ttft,e2e,state\n"
    text += "".join(f"single,1,0,5000,1,{ttft},{ttft},ok\n" for ttft in (0.9, 0.108, 0.108, 0.108))
    text += "single,1,0,100,1,0.028,0.028,ok\nsingle,1,0,100,1,9,9,err\nbatch,2,0,100,1,0.5,0.5,ok\n"
    data = reading.read([measured.write(folder / "prefill.csv", text)])
    api = ApiServer(per_request_ms=5.0, per_output_token_ms=1.0, first_token_ms=2.0)
    passes = records.lone_prompts(data.lone[0], measured.known_profile().limits, api)
    assert passes.ms.tolist() == pytest.approx([20.0, 100.0])
    assert (passes.of.tolist(), passes.prefill_tokens.tolist()) == ([0, 1, 1, 1], [100, 2048, 2048, 904])
    before = np.array([0, 0, 2048, 4096])
    assert passes.prefill_context.tolist() == (passes.prefill_tokens * (before + passes.prefill_tokens / 2)).tolist()
    assert passes.places == ("prefill.csv line 6, prompts of 100 tokens", "prefill.csv line 2, prompts of 5000 tokens")
    assert [(left.place, left.why) for left in data.left_out] == [
        ("prefill.csv, 1 requests", "prompts sent at once share their passes")
    ]


BAD = {
    "empty": ("", "{path} is empty; allowed are tables with a header and one row or more"),
    "remarks": ("# a\n\n", "{path} is empty; allowed are tables with a header and one row or more"),
    "header": ("sent,isl,osl,ttft,e2e\n", "{path} has no rows below its header"),
    "prose": ("Dear reader\nno table\n", "{path} is no table: its header is 'Dear reader'"),
    "twice": ("a,a\n1,2\n", "{path} is no table: its header is 'a,a'"),
    "quote": ('sent,isl\n"1,2\n', "{path} is no table: unexpected end of data"),
    "ragged": (
        "sent,isl,osl,ttft,e2e\n1,2,3,4,5\n1,2\n",
        "{path} has 1 problem:\n  - line 3: 2 cells; allowed are 5",
    ),
    "unknown": (
        "a,b\n1,2\n",
        (
            "{path} has the columns a, b; allowed are those of passes (decode_sequences, kv_tokens, prefill_tokens, "
            "prefill_context, ms), of decode steps (batch, mean_ctx, client_itl_p50_ms), of an engine's log (t, "
            "ctx_req, ctx_tok, gen_req, wait_ms), of a grid of latencies ({grid}) "
            "or of requests (sent, isl, osl, ttft, e2e)"
        ),
    ),
    "cells": (
        "sent,isl,osl,ttft,e2e\n-1,0,1.5,nan,inf\n0,1_000,x,,\n1,1,1,1,2\n",
        (
            "{path} has 7 problems:\n"
            "  - line 2, sent: '-1'; allowed is a number from 0 to 1e+10\n"
            "  - line 2, isl: '0'; allowed is a whole number from 1 to 1e+09\n"
            "  - line 3, isl: '1_000'; allowed is a whole number from 1 to 1e+09\n"
            "  - line 2, osl: '1.5'; allowed is a whole number from 1 to 1e+09\n"
            "  - line 3, osl: 'x'; allowed is a whole number from 1 to 1e+09\n"
            "  - line 2, ttft: 'nan'; allowed is a number from 0 to 1e+06\n"
            "  - line 2, e2e: 'inf'; allowed is a number from 0 to 1e+06"
        ),
    ),
    "times": (
        "sent,isl,osl,ttft,e2e\n0,1,1,0.5,0.4\n0,1,1,,0.4\n",
        (
            "{path} has 2 problems:\n"
            "  - line 2: ttft is 0.5 and e2e 0.4; allowed for a whole answer is ttft from 0 to e2e\n"
            "  - line 3: ttft is nan and e2e 0.4; allowed for a whole answer is ttft from 0 to e2e"
        ),
    ),
    "cut": ("sent,isl,osl,ttft,e2e,state\n0,1,1,0.1,0.2,cut\n", "{path} has no answer that is whole"),
    "passes": (
        measured.PASS_HEADER + "\ndecode,1,10,0,0,0\ndecode,1,10,0,0,-5\nprefill,0,0,nan,1,5\n",
        (
            "{path} has 3 problems:\n"
            "  - line 4, prefill_tokens: 'nan'; allowed is a number from 0 to 1e+09\n"
            "  - line 2, ms: '0'; allowed is a number above 0 to 1e+09\n"
            "  - line 3, ms: '-5'; allowed is a number above 0 to 1e+09"
        ),
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_is_refused_with_all_that_is_wrong(folder: pathlib.Path, kind: str) -> None:
    text, message = BAD[kind]
    path = measured.write(folder / "data.csv", text)
    with pytest.raises(errors.DataError) as refused:
        reading.read([path])
    assert str(refused.value) == message.format(path=path, grid=", ".join(latency_grids.COLUMNS))


def test_all_bad_files_are_named_at_once(folder: pathlib.Path) -> None:
    paths = [measured.write(folder / name, text) for name, text in (("a.csv", ""), ("b.csv", "x,y\n1\n"))]
    with pytest.raises(errors.DataError) as refused:
        reading.read([*paths, folder / "none.csv"])
    lines = str(refused.value).splitlines()
    assert [line.partition(" ")[0] for line in lines if line.startswith(str(folder))] == [
        str(folder / name) for name in ("a.csv", "b.csv", "none.csv")
    ]
    assert lines[-1] == f"{folder / 'none.csv'} cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08\x00broken", "cannot be unpacked: "),
        (gzip.compress(b"sent,isl\n1,2\n")[:-6], "cannot be unpacked: "),
        (b"\xff\xfe\x00sent", "is neither text nor packed text"),
    ],
    ids=["no-gzip", "cut-gzip", "no-text"],
)
def test_bytes_that_are_no_table_are_refused(folder: pathlib.Path, content: bytes, message: str) -> None:
    path = folder / "data.csv.gz"
    path.write_bytes(content)
    with pytest.raises(errors.DataError) as refused:
        tables.read(path)
    assert str(refused.value).startswith(f"{path} {message}")


def test_files_of_two_servers_are_not_mixed(folder: pathlib.Path) -> None:
    rows = measured.table_text(measured.PASS_HEADER, measured.pass_rows(measured.known_profile()))
    paths = [
        measured.write(folder / f"{batch}.csv", f"# model: m\n# max_num_seqs: {batch}\n# date: {batch}\n{rows}")
        for batch in (8, 16)
    ]
    with pytest.raises(errors.DataError) as refused:
        reading.read(paths)
    assert str(refused.value) == (
        f"{paths[1]} has 1 problem:\n  - max_num_seqs is '16', and '8' in another file; allowed are files of one server"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "holds no run: it lacks the columns e2e, isl, osl, sent, ttft"),
        (
            "kind,sent,isl,osl,ttft,e2e\nsingle,0,1,1,1,1\n",
            "holds prompts sent one by one or all together, not a run of traffic",
        ),
    ],
)
def test_what_is_no_run_is_refused_as_one(folder: pathlib.Path, text: str, message: str) -> None:
    path = measured.write(folder / "run.csv", text)
    with pytest.raises(errors.DataError) as refused:
        records.read_run(path)
    assert str(refused.value) == f"{path} {message}"
