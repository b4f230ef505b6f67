"""`tenbin prices` against AWS's protocols over HTTP: what is asked, what is written, and what is told when it fails."""

from __future__ import annotations

import datetime
import json
import pathlib
import threading
import types
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import botocore.loaders
import pytest
from support import aws_endpoint
from tenbin_cli import price_store, prices
from tenbin_cli.refusals import UsageError
from tenbin_local.environment import files
from tenbin_spec.catalogue.prices import PriceBook, PriceList
from tenbin_spec.catalogue.prices import parse as parse_prices
from typer.testing import CliRunner

REGION = "eu-north-1"
LOADER = botocore.loaders.create_loader()
NOW = datetime.datetime.now(tz=datetime.UTC)


def product(name: str, price: str, **attributes: str) -> str:
    """Return a product of the price list as AWS writes it, with terms that are not wanted beside the one that is."""
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": price}, "description": f"{name} per hour"}
    reserved = {"unit": "Quantity", "pricePerUnit": {"USD": "99.0000000000"}}
    return json.dumps(
        {
            "product": {
                "productFamily": "Compute Instance",
                "attributes": {"instanceType": name, "regionCode": REGION, "marketoption": "OnDemand", **attributes},
                "sku": f"SKU{name}",
            },
            "serviceCode": "AmazonEC2",
            "terms": {
                "OnDemand": {f"SKU{name}.JRT": {"priceDimensions": {"JRT.6YS": dimension}}},
                "Reserved": {f"SKU{name}.4NA": {"priceDimensions": {"4NA.2TG": reserved}}},
            },
        }
    )


def spot(name: str, zone: str, price: str) -> dict[str, Any]:
    return {
        "AvailabilityZone": zone,
        "InstanceType": name,
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": price,
        "Timestamp": NOW,
    }


def block(parameters: dict[str, str]) -> aws_endpoint.Pages:
    """Offer two blocks of p5.48xlarge, on two pages."""
    if parameters["InstanceType"] != "p5.48xlarge":
        return [{"CapacityBlockOfferings": []}]
    common = {"InstanceType": "p5.48xlarge", "InstanceCount": 1, "CurrencyCode": "USD"}
    return [
        {"CapacityBlockOfferings": [{**common, "CapacityBlockDurationHours": 24, "UpfrontFee": "1146.168"}]},
        {
            "CapacityBlockOfferings": [
                {
                    **common,
                    "CapacityBlockDurationHours": 24,
                    "CapacityBlockDurationMinutes": 30,
                    "UpfrontFee": "1170.00",
                }
            ]
        },
    ]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[aws_endpoint.Endpoint]:
    """AWS in eu-north-1, each answer in two pages, and credentials for it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # The model of EC2 has 30,000 lines; it is read once for all sessions.
    monkeypatch.setattr("botocore.session.create_loader", lambda *_: LOADER)
    with aws_endpoint.serve() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        endpoint.answers = {
            "DescribeInstanceTypes": [
                {"InstanceTypes": [{"InstanceType": "g6.xlarge", "VCpuInfo": {"DefaultVCpus": 4}}]},
                {"InstanceTypes": [{"InstanceType": name} for name in ("g6e.xlarge", "p5.48xlarge", "p5e.48xlarge")]},
            ],
            "GetProducts": [
                {"PriceList": [product("g6.xlarge", "0.8536000000"), product("m5.large", "0.1020000000")]},
                {"PriceList": [product("p5.48xlarge", "60.5440000000"), product("p5e.48xlarge", "0.0000000000")]},
            ],
            "DescribeSpotPriceHistory": [
                {"SpotPriceHistory": [spot("g6.xlarge", f"{REGION}a", price) for price in ("0.345100", "0.300000")]},
                {
                    "SpotPriceHistory": [
                        spot("g6.xlarge", f"{REGION}b", "0.258400"),
                        spot("g6.xlarge", f"{REGION}c", "0.853600"),
                        spot("g6.xlarge", f"{REGION}-hel-1a", "0.900000"),
                    ]
                },
            ],
            "DescribeCapacityBlockOfferings": block,
        }
        yield endpoint


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses of botocore between two tries, which no test waits for."""
    taken: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", types.SimpleNamespace(sleep=taken.append))
    return taken


def run(*arguments: str, answer: str | None = None) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(prices.app, list(arguments), input=answer)
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


def refresh(path: pathlib.Path, *arguments: str, answer: str | None = None) -> tuple[int, str, str]:
    return run("refresh", "--region", REGION, "--out", str(path), *arguments, answer=answer)


def listed(region: str, capacity_type: str, day: str = "2026-01-01", **hourly: str) -> dict[str, Any]:
    names = {name.replace("_", "."): price for name, price in hourly.items()}
    return {"source": "test", "date": day, "region": region, "capacity_type": capacity_type, "hourly_usd": names}


def book(*lists: dict[str, Any]) -> PriceBook:
    return PriceBook.model_validate({"lists": lists})


OLD = book(listed(REGION, "on-demand", g6_xlarge="0.90"), listed("us-west-2", "spot", g6_xlarge="0.4250"))


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a price file with another region beside the one that is brought up to date."""
    file = tmp_path / "project" / "prices.json"
    file.parent.mkdir()
    file.write_text(OLD.to_json())
    return file


@pytest.mark.usefixtures("aws")
def test_all_pages_come_together_and_other_regions_stay(path: pathlib.Path) -> None:
    code, shown, _ = refresh(path, "--yes")
    assert code == 0
    written = parse_prices(path.read_text(), "prices.json")
    assert {item.key: {name: str(price) for name, price in item.hourly_usd.items()} for item in written.lists} == {
        (REGION, "on-demand"): {"g6.xlarge": "0.8536", "p5.48xlarge": "60.544"},
        # Zone a: 0.3451 at the most; c shows the on-demand price; the local zone does not count.
        (REGION, "spot"): {"g6.xlarge": "0.3451"},
        # 1146.168 / 24 and 1170 / 24.5: the dearer one, rounded up.
        (REGION, "capacity-block"): {"p5.48xlarge": "47.757"},
        ("us-west-2", "spot"): {"g6.xlarge": "0.425"},
    }
    assert {item.date for item in written.lists if item.region == REGION} >= {NOW.date()}
    assert f"{path}: 4 prices of {REGION}" in shown.replace("\n", "")


def test_changes_are_shown_before_the_question(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    code, shown, asked = refresh(path, answer="n\n")
    assert code == 1
    assert path.read_text() == OLD.to_json()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│")]
    assert rows == [
        ["on-demand", "g6.xlarge", "0.90", "0.8536", "-5.2 %"],
        ["on-demand", "p5.48xlarge", "unknown", "60.544", ""],
        ["spot", "g6.xlarge", "unknown", "0.3451", ""],
    ]
    assert "Not offered in eu-north-1: g4dn.12xlarge, " in shown
    assert "Write" in asked
    assert aws.asked("GetProducts")[0]["ServiceCode"] == "AmazonEC2"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("answer", "is_written"), [("y\n", True), ("n\n", False), ("", False)])
def test_nothing_is_written_unless_somebody_agrees(path: pathlib.Path, answer: str, is_written: bool) -> None:
    code, _, _ = refresh(path, answer=answer)
    assert code == (0 if is_written else 1)
    assert (path.read_text() != OLD.to_json()) is is_written


def test_what_is_asked(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    refresh(path, "--yes")
    first = aws.asked("GetProducts")[0]
    assert {item["Field"]: item["Value"] for item in first["Filters"]} == {
        "regionCode": REGION,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    assert aws.asked("DescribeInstanceTypes")[0]["Filter.1.Name"] == "instance-type"
    assert aws.asked("DescribeSpotPriceHistory")[0]["ProductDescription.1"] == "Linux/UNIX"
    asked = [call["InstanceType"] for call in aws.asked("DescribeCapacityBlockOfferings")]
    assert asked == ["p5.48xlarge", "p5.48xlarge", "p5e.48xlarge"], "both pages of one, and of no type that has none"


@pytest.mark.usefixtures("aws")
def test_a_second_run_changes_no_price_and_a_new_file_says_how_it_is_used(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "prices.json"
    _, first, _ = refresh(path, "--yes")
    assert "Stacks use it with tenbin:prices: {file:" in first
    text = path.read_text()
    code, second, _ = refresh(path, "--yes")
    assert code == 0
    assert f"No price of {REGION} has changed." in second
    assert "Stacks use it" not in second
    assert path.read_text() == text


@pytest.mark.parametrize("operation", ["GetProducts", "DescribeInstanceTypes"])
def test_throttled_calls_are_tried_again(
    aws: aws_endpoint.Endpoint, path: pathlib.Path, pauses: list[float], operation: str
) -> None:
    aws.failures[operation].extend([(400, "ThrottlingException"), (503, "RequestLimitExceeded")])
    code, _, _ = refresh(path, "--yes")
    assert code == 0
    assert len(aws.asked(operation)) == 4, "two refused tries and two pages"
    assert len(pauses) == 2


def test_what_stays_throttled_leaves_the_file_as_it_was(
    aws: aws_endpoint.Endpoint, path: pathlib.Path, pauses: list[float]
) -> None:
    aws.failures["DescribeSpotPriceHistory"].extend([(503, "RequestLimitExceeded")] * 9)
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert "error: ec2:DescribeSpotPriceHistory failed: RequestLimitExceeded: told by the test" in errors
    assert (len(aws.asked("DescribeSpotPriceHistory")), len(pauses)) == (5, 4)
    assert path.read_text() == OLD.to_json()


@pytest.mark.parametrize(
    ("operation", "code", "action"),
    [
        ("GetProducts", "AccessDeniedException", "pricing:GetProducts"),
        ("DescribeInstanceTypes", "UnauthorizedOperation", "ec2:DescribeInstanceTypes"),
        ("DescribeSpotPriceHistory", "UnauthorizedOperation", "ec2:DescribeSpotPriceHistory"),
        ("DescribeCapacityBlockOfferings", "UnauthorizedOperation", "ec2:DescribeCapacityBlockOfferings"),
    ],
)
def test_a_refusal_names_the_iam_action(
    aws: aws_endpoint.Endpoint, path: pathlib.Path, operation: str, code: str, action: str
) -> None:
    aws.failures[operation].append((403, code))
    status, _, errors = refresh(path, "--yes")
    assert status == 2
    assert f"error: AWS refuses {action} ({code}): allow this IAM action to the credentials in use" in errors
    assert path.read_text() == OLD.to_json()


def test_credentials_that_are_not_accepted_are_told_so(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    aws.failures["DescribeInstanceTypes"].append((401, "AuthFailure"))
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert "AWS does not accept the credentials for ec2:DescribeInstanceTypes (AuthFailure): they are expired" in errors


@pytest.mark.usefixtures("aws")
def test_without_credentials_it_says_how_to_sign_in(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert "error: no AWS credentials are found for ec2:DescribeInstanceTypes: set AWS_PROFILE" in errors


@pytest.mark.usefixtures("aws")
def test_a_profile_that_does_not_exist_is_named(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert "reading the configuration of AWS failed: The config profile (nobody) could not be found" in errors


def test_an_unknown_region_is_refused_before_anything_is_asked(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    code, _, errors = run("refresh", "--region", "eu-nord-1", "--out", str(path), "--yes")
    assert code == 2
    assert "error: --region: 'eu-nord-1' is not a region of AWS; did you mean 'eu-north-1'? Allowed:" in errors
    assert aws.calls == []


def test_an_empty_answer_is_an_error(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    aws.answers["GetProducts"] = [{"PriceList": []}]
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert "error: AWS lists no on-demand price of any instance type of the catalogue in eu-north-1" in errors
    assert path.read_text() == OLD.to_json()


def test_a_region_without_spot_and_capacity_blocks_has_on_demand_prices_alone(
    aws: aws_endpoint.Endpoint, tmp_path: pathlib.Path
) -> None:
    aws.answers["DescribeSpotPriceHistory"] = [{"SpotPriceHistory": []}]
    aws.failures["DescribeCapacityBlockOfferings"].extend([(400, "Unsupported"), (400, "InvalidParameterValue")])
    path = tmp_path / "prices.json"
    assert refresh(path, "--yes")[0] == 0
    assert [item.capacity_type for item in price_store.load(path).lists] == ["on-demand"]


@pytest.mark.parametrize(
    ("products", "expected"),
    [
        (["{"], "a product of the price list cannot be read (Expecting property name"),
        (["[]"], "a product of the price list cannot be read (list indices must be integers"),
        (['{"product": {"attributes": {}}}'], "a product of the price list cannot be read ('instanceType' is missing)"),
        ([product("g6.xlarge", "about a dollar")], "a product of the price list cannot be read"),
        ([product("g6.xlarge", "NaN")], "a product of the price list cannot be read ('NaN' is no price)"),
        ([product("g6.xlarge", "-1.00")], "a product of the price list cannot be read ('-1.00' is no price)"),
        (
            [product("g6.xlarge", "0.85"), product("g6.xlarge", "0.86")],
            "the price list has two on-demand prices of g6.xlarge: 0.85 and 0.86 USD",
        ),
    ],
    ids=["no JSON", "no product", "no type", "words", "not a number", "below zero", "two prices"],
)
def test_a_misshapen_price_list_is_refused_whole(
    aws: aws_endpoint.Endpoint, path: pathlib.Path, products: list[str], expected: str
) -> None:
    aws.answers["GetProducts"] = [{"PriceList": [product("p5.48xlarge", "60.544"), *products]}]
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert expected in errors
    assert path.read_text() == OLD.to_json()


def test_facts_that_differ_from_the_catalogue_are_told(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    aws.answers["DescribeInstanceTypes"] = [
        {
            "InstanceTypes": [
                {
                    "InstanceType": "g6.xlarge",
                    "VCpuInfo": {"DefaultVCpus": 8},
                    "MemoryInfo": {"SizeInMiB": 16384},
                    "GpuInfo": {"Gpus": [{"Name": "L4", "Count": 2}]},
                    "NetworkInfo": {"MaximumNetworkCards": 1, "EfaInfo": {"MaximumEfaInterfaces": 1}},
                    "InstanceStorageInfo": {"TotalSizeInGB": 250},
                    "ProcessorInfo": {"SupportedArchitectures": ["arm64"]},
                }
            ]
        }
    ]
    code, _, errors = refresh(path, "--yes")
    assert code == 0
    assert [line.removeprefix("warning: ") for line in errors.splitlines()] == [
        "g6.xlarge: accelerators is 2 at AWS and 1 in the catalogue",
        "g6.xlarge: vcpu is 8 at AWS and 4 in the catalogue",
        "g6.xlarge: architecture is arm64 at AWS and amd64 in the catalogue",
        "g6.xlarge: efa_interfaces is 1 at AWS and 0 in the catalogue",
    ]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_file_as_it_was(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(pathlib.Path, "replace", fail)
    code, _, errors = refresh(path, "--yes")
    assert code == (2 if isinstance(fault, OSError) else 130)
    if isinstance(fault, OSError):
        assert "prices.json cannot be written: No space left on device" in errors.replace("\n", "")
    assert path.read_text() == OLD.to_json()
    assert list(path.parent.iterdir()) == [path]


def one(region: str, price: str) -> PriceList:
    return book(listed(region, "on-demand", g6_xlarge=price)).lists[0]


def test_two_at_once_wait_for_each_other_and_both_come_in(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = files.write_atomically
    second = threading.Thread(
        target=price_store.replace, args=(path,), kwargs={"seen": PriceBook(), "lists": [one("us-east-2", "2.00")]}
    )

    def while_the_other_comes(*arguments: Any) -> None:
        if not second.ident:
            second.start()
            second.join(0.2)
            assert second.is_alive(), "it did not wait"
        write(*arguments)

    monkeypatch.setattr(files, "write_atomically", while_the_other_comes)
    price_store.replace(path, seen=PriceBook(), lists=[one("us-east-1", "1.00")])
    second.join()
    found = {item.region: item.hourly_usd["g6.xlarge"] for item in price_store.load(path).lists}
    assert found == {
        REGION: Decimal("0.90"),
        "us-east-1": Decimal("1.00"),
        "us-east-2": Decimal("2.00"),
        "us-west-2": Decimal("0.425"),
    }


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(path: pathlib.Path) -> None:
    seen = price_store.load(path)
    price_store.replace(path, seen=seen, lists=[one(REGION, "0.80")])
    with pytest.raises(UsageError, match=r"the prices of eu-north-1 have changed meanwhile\. Run the command again"):
        price_store.replace(path, seen=seen, lists=[one(REGION, "0.70")])
    assert one(REGION, "0.80") in price_store.load(path).lists


def test_a_file_that_is_none_is_not_overwritten(aws: aws_endpoint.Endpoint, path: pathlib.Path) -> None:
    path.write_text('{"lists": 5}')
    code, _, errors = refresh(path, "--yes")
    assert code == 2
    assert "prices.json has 1 problem" in errors
    assert (path.read_text(), aws.calls) == ('{"lists": 5}', [])


def test_a_folder_that_is_not_there_is_told_before_anything_is_asked(aws: aws_endpoint.Endpoint) -> None:
    code, _, errors = refresh(pathlib.Path("/nowhere/prices.json"), "--yes")
    assert code == 2
    assert "--out /nowhere/prices.json cannot be written: there is no folder /nowhere" in errors
    assert aws.calls == []


def show(path: pathlib.Path, *arguments: str) -> tuple[int, str, str]:
    return run("show", "--file", str(path), "--today", "2026-08-01", *arguments)


def test_prices_are_shown_with_accelerator_day_age_and_source(tmp_path: pathlib.Path) -> None:
    code, shown, _ = show(tmp_path / "none.json", "--region", "us-east-1")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│")]
    assert ["g6.xlarge", "L4 x 1", "0.8048"] in rows
    for text in ("us-east-1, on-demand", "of 2026-07-20, 12 days ago; AWS on-demand", "eks_cluster_hour: 0.10 USD"):
        assert text in shown


def test_a_file_s_price_comes_before_the_catalogue_s_and_age_is_told(path: pathlib.Path) -> None:
    path.write_text(book(listed("us-east-1", "on-demand", g6_xlarge="0.77")).to_json())
    code, shown, _ = show(path, "--region", "us-east-1", "--json")
    assert code == 0
    lists = [item for item in json.loads(shown)["lists"] if item["capacity_type"] == "on-demand"]
    assert [(item["hourly_usd"].get("g6.xlarge"), item["age_days"], item["is_stale"]) for item in lists] == [
        ("0.77", 212, True),
        (None, 12, False),
    ]
    assert lists[1]["hourly_usd"]["g6.2xlarge"] == "0.9776"


def test_a_region_without_any_price_names_the_command_that_asks(tmp_path: pathlib.Path) -> None:
    code, _, errors = show(tmp_path / "none.json", "--region", "il-central-1")
    assert code == 1
    assert "no price is known of il-central-1: tenbin prices refresh --region il-central-1 asks AWS" in errors
