"""Plain tables, and what is said about those that cannot be read."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner import traces

Write = Callable[..., Path]
SECONDS = "a number of seconds from 0 to 10,000,000,000"
TOKENS = "a whole number of tokens from 1 to 100,000,000"


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(traces.TraceError) as caught:
        traces.read(path, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", ["chat.csv", "chat.csv.gz", "chat.data"])
def test_a_table_is_read_compressed_or_not_whatever_its_name(write: Write, name: str) -> None:
    trace = traces.read(write(name, "arrival_s,input_tokens,output_tokens\n0.5,100,10\n2,300,30\n"))
    assert trace.name == "chat"
    assert trace.arrival_s.tolist() == [0.5, 2.0]
    assert trace.input_tokens.tolist() == [100, 300]
    assert trace.output_tokens.tolist() == [10, 30]
    assert trace.cached_tokens.tolist() == [0, 0]
    assert trace.classes == trace.tenants == ("",)
    assert trace.notes == ()


def test_a_compressed_file_without_the_ending_is_read(write: Write) -> None:
    path = write("chat.csv", gzip.compress(b"arrival_s,input_tokens,output_tokens\n0,1,1\n"))
    assert len(traces.read(path)) == 1


def test_class_tenant_and_cached_tokens_are_read_in_any_order_of_columns(write: Write) -> None:
    text = (
        "tenant,cached_tokens,class,output_tokens,input_tokens,arrival_s\nacme,64,chat,5,100,0\nbolt,0,batch,6,200,1\n"
    )
    trace = traces.read(write("t.csv", text))
    assert [trace.tenants[index] for index in trace.tenant_index] == ["acme", "bolt"]
    assert [trace.classes[index] for index in trace.class_index] == ["chat", "batch"]
    assert trace.cached_tokens.tolist() == [64, 0]
    assert trace.input_tokens.tolist() == [100, 200]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffarrival_s,input_tokens,output_tokens\n0,1,2\n1,3,4\n",
        "arrival_s,input_tokens,output_tokens\r\n0,1,2\r\n1,3,4\r\n",
        "arrival_s,input_tokens,output_tokens\n0,1,2\n1,3,4",
        "\narrival_s, input_tokens ,output_tokens\n\n0,1,2\n\n\n1,3,4\n\n",
        'arrival_s,input_tokens,output_tokens\n"0","1","2"\n 1 , 3.0 ,4e0\n',
    ],
    ids=["byte-order-mark", "crlf", "no-last-newline", "blank-lines", "quotes-and-spaces"],
)
def test_ways_of_writing_the_same_table_give_the_same_trace(write: Write, text: str) -> None:
    trace = traces.read(write("t.csv", text))
    assert trace.arrival_s.tolist() == [0.0, 1.0]
    assert trace.input_tokens.tolist() == [1, 3]
    assert trace.output_tokens.tolist() == [2, 4]


def test_unsorted_arrivals_are_sorted_with_a_note(write: Write) -> None:
    trace = traces.read(write("t.csv", "arrival_s,input_tokens,output_tokens\n3,30,1\n1,10,1\n2,20,1\n"))
    assert trace.input_tokens.tolist() == [10, 20, 30]
    assert trace.notes == ("1 of 3 requests stood behind a later one: sorted by arrival",)


def test_columns_that_nobody_knows_are_left_out_with_a_note(write: Write) -> None:
    trace = traces.read(write("t.csv", "arrival_s,input_tokens,output_tokens,user,cost\n0,1,1,x,y\n"))
    assert trace.notes == ("columns left out: user, cost",)


def test_a_clock_that_began_elsewhere_is_noted(write: Write) -> None:
    trace = traces.read(write("t.csv", "arrival_s,input_tokens,output_tokens\n1700000000.5,1,1\n1700000060,1,1\n"))
    assert trace.arrival_s.tolist() == [1700000000.5, 1700000060.0]
    assert trace.notes == ("the first request comes only at 1,700,000,000.5 s; times are left as they are",)
    assert trace.window(1.7e9, 1.8e9).arrival_s.tolist() == [0.5, 60.0]


def test_every_bad_value_is_named_with_line_column_value_and_what_is_allowed(write: Write) -> None:
    rows = ["-1,100,10", "0,0,10", "1,ten,10", "nan,5,1.5", "inf,5,-3", ",5,1_0", "2,5,999999999999"]
    path = write("bad.csv", "\n".join(["arrival_s,input_tokens,output_tokens", *rows]))
    assert refusal(path) == "\n".join(
        [
            f"{path} has 10 problems:",
            f"  - line 2, arrival_s: '-1'; allowed is {SECONDS}",
            f"  - line 3, input_tokens: '0'; allowed is {TOKENS}",
            f"  - line 4, input_tokens: 'ten'; allowed is {TOKENS}",
            f"  - line 5, arrival_s: 'nan'; allowed is {SECONDS}",
            f"  - line 5, output_tokens: '1.5'; allowed is {TOKENS}",
            f"  - line 6, arrival_s: 'inf'; allowed is {SECONDS}",
            f"  - line 6, output_tokens: '-3'; allowed is {TOKENS}",
            f"  - line 7, arrival_s: ''; allowed is {SECONDS}",
            f"  - line 7, output_tokens: '1_0'; allowed is {TOKENS}",
            f"  - line 8, output_tokens: '999999999999'; allowed is {TOKENS}",
        ]
    )


def test_of_many_problems_the_first_ten_of_the_file_are_shown_and_the_others_counted(write: Write) -> None:
    path = write("bad.csv", "arrival_s,input_tokens,output_tokens\n" + "0,x,1\n" * 1500 + "0,1,y\n")
    lines = refusal(path).splitlines()
    assert lines[0] == f"{path} has 1,501 problems:"
    assert lines[1:11] == [f"  - line {line}, input_tokens: 'x'; allowed is {TOKENS}" for line in range(2, 12)]
    assert lines[11:] == ["  - and 1,491 more"]


def test_a_bad_value_far_down_is_named_by_its_own_line_even_after_blank_and_long_rows(write: Write) -> None:
    header = "arrival_s,input_tokens,output_tokens,class\n"
    path = write("bad.csv", header + "0,1,1,a\n" * 70_000 + '\n\n0,1,1,"two\nlines"\n0,1,zero,a\n')
    assert refusal(path) == f"{path} has 1 problem:\n  - line 70006, output_tokens: 'zero'; allowed is {TOKENS}"


def test_rows_of_another_width_are_named(write: Write) -> None:
    path = write("bad.csv", "arrival_s,input_tokens,output_tokens\n0,1,1\n1,2\n2,3,4,5\n")
    assert refusal(path) == "\n".join(
        [
            f"{path} has 2 problems:",
            "  - line 3, row: 2 cells; allowed is 3 cells, as in the header",
            "  - line 4, row: 4 cells; allowed is 3 cells, as in the header",
        ]
    )


def test_a_prompt_cannot_be_cached_as_a_whole(write: Write) -> None:
    path = write("bad.csv", "arrival_s,input_tokens,output_tokens,cached_tokens\n0,100,1,99\n0,100,1,100\n")
    assert refusal(path) == (
        f"{path} has 1 problem:\n  - line 3, cached_tokens: '100'; allowed is fewer than input_tokens"
    )


def test_long_values_are_shortened(write: Write) -> None:
    path = write("bad.csv", f"arrival_s,input_tokens,output_tokens\n0,{'x' * 500},1\n")
    assert refusal(path) == (f"{path} has 1 problem:\n  - line 2, input_tokens: '{'x' * 35}...'; allowed is {TOKENS}")


@pytest.mark.parametrize("content", ["", "\n \n\n", b"\xef\xbb\xbf"])
def test_a_file_without_content_is_refused(write: Write, content: str | bytes) -> None:
    path = write("empty.csv", content)
    assert refusal(path) == f"{path} is empty; a trace has one request or more"


def test_a_header_alone_is_no_trace(write: Write) -> None:
    path = write("header.csv", "arrival_s,input_tokens,output_tokens\n")
    assert refusal(path) == "header has no request; allowed is 1 or more"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.csv") == f"{tmp_path / 'no.csv'} cannot be read: No such file or directory"
    assert refusal(tmp_path) == f"{tmp_path} cannot be read: Is a directory"


def test_a_truncated_compressed_file_is_refused(write: Write) -> None:
    noise = "".join(f"{row},{row * 7919 % 1000 + 1},5\n" for row in range(50_000))
    whole = gzip.compress(b"arrival_s,input_tokens,output_tokens\n" + noise.encode(), mtime=0)
    path = write("cut.csv", whole[: len(whole) // 2])
    assert refusal(path) == f"{path} cannot be read: Compressed file ended before the end-of-stream marker was reached"


def test_bytes_that_are_no_text_are_refused(write: Write) -> None:
    latin = write("latin.csv", b"arrival_s,input_tokens,output_tokens,class\n0,1,1,caf\xe9 noir\n")
    assert refusal(latin) == f"{latin} is not UTF-8 text: byte 0xe9, invalid continuation byte"
    binary = write("binary.csv", b"\0\1\2\3" * 100)
    assert refusal(binary) == f"{binary} is neither text nor Parquet nor an archive that a reader knows"


def test_unknown_columns_are_listed_with_what_each_reader_wants(write: Write) -> None:
    path = write("other.csv", "time,prompt,answer\n0,1,1\n")
    lines = refusal(path).splitlines()
    assert lines[0] == f"{path} is CSV with 'time', 'prompt', 'answer': no reader takes it. Allowed:"
    assert lines[1:] == [f"  - {reader.name}: {reader.wants}" for reader in traces.READERS.values()]
    assert lines[1] == (
        "  - plain: CSV or Parquet with arrival_s, input_tokens, output_tokens, with or without class, tenant, "
        "cached_tokens"
    )


def test_a_reader_that_was_named_says_what_it_misses(write: Write) -> None:
    path = write("t.csv", "arrival_s,input_tokens,output_tokens\n0,1,1\n")
    assert refusal(path, reader="azure") == (
        f"{path} is CSV with 'arrival_s', 'input_tokens', 'output_tokens': reader azure does not take it. Allowed:\n"
        "  - azure: CSV with TIMESTAMP, ContextTokens, GeneratedTokens"
    )
    assert len(traces.read(path, reader="plain")) == 1


def test_a_reader_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, reader="azur") == (
        "no reader is called 'azur'. Allowed: auto, plain, azure, burstgpt, mooncake, servegen, servegen-pool, measured"
    )


def test_columns_of_the_same_name_are_refused(write: Write) -> None:
    path = write("t.csv", "arrival_s,input_tokens,output_tokens,arrival_s\n0,1,1,2\n")
    assert refusal(path) == f"{path} has columns of the same name: 'arrival_s'"


@pytest.mark.parametrize(
    ("option", "value", "takers"), [("prefix_cache_blocks", 100, "mooncake"), ("day", 1, "servegen-pool")]
)
def test_an_option_that_would_change_nothing_is_refused(write: Write, option: str, value: int, takers: str) -> None:
    path = write("t.csv", "arrival_s,input_tokens,output_tokens\n0,1,1\n")
    assert refusal(path, options=traces.Options(**{option: value})) == (
        f"{option} says nothing about {path}, which reader plain takes; allowed is {option} with {takers}"
    )


def test_options_out_of_range_are_named_all_at_once() -> None:
    with pytest.raises(traces.TraceError) as caught:
        traces.Options(seed=-1, prefix_cache_blocks=float("nan"), scale=0, day=-2)
    assert str(caught.value) == (
        "seed is -1; allowed is 0 or more; prefix_cache_blocks is nan; allowed is 0 or more; "
        "scale is 0; allowed is a finite number above 0; day is -2; allowed is 0 or more"
    )


def test_progress_ends_with_the_whole_file(write: Write) -> None:
    path = write("t.csv.gz", "arrival_s,input_tokens,output_tokens\n" + "0,1,1\n" * 100_000)
    seen: list[tuple[int, int]] = []
    traces.read(path, progress=lambda done, size: seen.append((done, size)))
    assert seen == sorted(seen)
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    assert len(seen) == 4


def test_parquet_without_pyarrow_says_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write("t.parquet", b"PAR1\0\0\0\0PAR1")
    assert refusal(path) == (
        f"{path} is a Parquet file, which needs pyarrow: install pyarrow, or write the trace as CSV"
    )


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not among the dependencies")
def test_parquet_is_read_as_the_same_table_in_csv_would_be(tmp_path: Path) -> None:
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    table = {"arrival_s": [0.0, 1.5], "input_tokens": [10, 20], "output_tokens": [1, 2], "class": ["a", "b"]}
    parquet.write_table(arrow.table(table), tmp_path / "t.parquet")
    trace = traces.read(tmp_path / "t.parquet")
    assert trace.arrival_s.tolist() == [0.0, 1.5]
    assert [trace.classes[index] for index in trace.class_index] == ["a", "b"]
    parquet.write_table(arrow.table({**table, "output_tokens": [1, None]}), tmp_path / "bad.parquet")
    assert refusal(tmp_path / "bad.parquet") == (
        f"{tmp_path / 'bad.parquet'} has 1 problem:\n  - row 2, output_tokens: nan; allowed is {TOKENS}"
    )


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), max_size=8)
rows = st.tuples(st.floats(0, 1e9), st.integers(2, 10**8), st.integers(1, 10**8), st.integers(0, 1), names, names)


@given(st.lists(rows, min_size=1, max_size=30), st.sampled_from(["t.csv", "t.csv.gz"]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[float, int, int, int, str, str]], name: str
) -> None:
    times, inputs, outputs, cached, classes, tenants = zip(*requests, strict=True)
    trace = traces.Trace.of(
        name="t",
        arrival_s=np.sort(times),
        input_tokens=inputs,
        output_tokens=outputs,
        cached_tokens=cached,
        classes=classes,
        class_index=range(len(requests)),
        tenants=tenants,
        tenant_index=range(len(requests)),
    )
    path = tmp_path_factory.mktemp("written") / name
    traces.write_csv(trace, path)
    first = path.read_bytes()
    assert traces.read(path).digest() == trace.digest()
    traces.write_csv(trace, path)
    assert path.read_bytes() == first
    assert [found.name for found in path.parent.iterdir()] == [name]


def test_a_compressed_file_does_not_tell_when_it_was_written(write: Write, tmp_path: Path) -> None:
    trace = traces.read(write("t.csv", "arrival_s,input_tokens,output_tokens\n0,1,2\n"))
    traces.write_csv(trace, tmp_path / "again.csv.gz")
    assert (tmp_path / "again.csv.gz").read_bytes()[4:8] == bytes(4)


def test_columns_that_say_nothing_are_not_written(write: Write, tmp_path: Path) -> None:
    text = "arrival_s,input_tokens,output_tokens\n0.1,1,2\n3.0,4,5\n"
    traces.write_csv(traces.read(write("t.csv", text)), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == text


def test_a_trace_that_cannot_be_written_leaves_nothing_behind(write: Write, tmp_path: Path) -> None:
    trace = traces.read(write("t.csv", "arrival_s,input_tokens,output_tokens\n0,1,2\n"))
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        traces.write_csv(trace, tmp_path / "taken.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "taken.csv"]
