"""Files of volumes and their change in one step."""

from __future__ import annotations

import base64
import pathlib
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.agent import payload, variables


class Objects:
    """One ConfigMap and one Secret."""

    def config_map(self, name: str) -> dict[str, Any] | None:
        binary = base64.b64encode(b"\xff\x00").decode()
        return {"data": {"a": "1", "b": "2"}, "binaryData": {"c": binary}} if name == "settings" else None

    def secret(self, name: str) -> dict[str, Any] | None:
        return {"data": {"token": base64.b64encode(b"s3").decode()}} if name == "key" else None


def shown(folder: pathlib.Path) -> dict[str, bytes]:
    """What a program that lists the folder sees."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for entry in folder.iterdir()
        if not entry.name.startswith("..")
        for path in ([entry] if entry.is_file() else [item for item in entry.rglob("*") if item.is_file()])
    }


def test_a_config_map_gives_all_its_keys_or_the_chosen_ones() -> None:
    every = payload.from_config_map({"name": "settings", "defaultMode": 0o640}, Objects())
    assert every == {
        "a": payload.File(b"1", 0o640),
        "b": payload.File(b"2", 0o640),
        "c": payload.File(b"\xff\x00", 0o640),
    }
    chosen = payload.from_config_map(
        {"name": "settings", "items": [{"key": "b", "path": "d/e", "mode": 0o400}]}, Objects()
    )
    assert chosen == {"d/e": payload.File(b"2", 0o400)}


def test_a_secret_is_named_by_volumes_and_projections_in_their_own_ways() -> None:
    expected = {"token": payload.File(b"s3")}
    assert payload.from_secret({"secretName": "key"}, Objects()) == expected
    assert payload.from_secret({"name": "key"}, Objects()) == expected


def test_what_is_missing_is_named_unless_it_is_optional() -> None:
    with pytest.raises(variables.ConfigurationMissing) as caught:
        payload.from_config_map({"name": "absent"}, Objects())
    assert str(caught.value) == 'configmap "absent" not found'
    item = {"name": "settings", "items": [{"key": "x", "path": "x"}]}
    with pytest.raises(variables.ConfigurationMissing) as caught:
        payload.from_config_map(item, Objects())
    assert str(caught.value) == "configmap references non-existent config key: x"
    assert payload.from_config_map({"name": "absent", "optional": True}, Objects()) == {}
    assert payload.from_config_map({**item, "optional": True}, Objects()) == {}


files = st.dictionaries(st.sampled_from(["a", "b.json", "d/e", "d/f", "g/h/i"]), st.binary(max_size=20), max_size=5)


@given(st.lists(files, min_size=1, max_size=4))
def test_a_volume_shows_exactly_the_files_written_last(
    tmp_path_factory: pytest.TempPathFactory, versions: list[dict[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    for version in versions:
        made = {name: payload.File(content) for name, content in version.items()}
        payload.write(folder, made)
        assert shown(folder) == version
        assert payload.write(folder, made) is False
        assert len([entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()]) == 1


def test_a_reader_sees_all_old_files_or_all_new_ones(tmp_path: pathlib.Path) -> None:
    names = [f"f{number}" for number in range(5)]
    payload.write(tmp_path, {name: payload.File(b"0") for name in names})
    stop = threading.Event()

    def rewrite() -> None:
        version = 0
        while not stop.is_set():
            version += 1
            payload.write(tmp_path, {name: payload.File(str(version).encode()) for name in names})

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        seen = 0
        while seen < 200:
            data = (tmp_path / "..data").resolve()
            try:
                found = {(data / name).read_bytes() for name in names}
            except FileNotFoundError:
                continue  # This version was replaced while it was read.
            assert len(found) == 1
            seen += 1
    finally:
        stop.set()
        writer.join()
