"""What a provider does to resources, in plain values: checks, differences, creation, reading, update, deletion."""

import dataclasses
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tenbin_local.plugins import differences, outcomes, paths, properties
from tenbin_local.plugins.aws import account, changes, faults, kinds, models, naming, outputs, problems, requests, rules
from tenbin_local.plugins.aws.kind import Kind, Making, Values, canonical
from tenbin_local.plugins.aws.rules import view
from tenbin_local.plugins.aws.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A resource that was read."""

    state: dict[str, Any]
    inputs: dict[str, Any]


class Resources:
    """Resources of one configured provider."""

    def __init__(self, chosen: Settings, wanted: Sequence[faults.Fault] = ()) -> None:
        self._settings = chosen
        self._account = account.Account(chosen.state / chosen.account)
        self._faults = faults.Faults(tuple(wanted), chosen.state / "faults")
        # Two resources that are made at once must not find the same name free.
        self._lock = threading.Lock()
        self._foretold: dict[tuple[str, str, str], dict[str, Any]] = {}
        """What a preview will have changed by then, as later resources of the same preview will find it."""

    def check(
        self, urn: str, old: Values, new: Values, *, proposed: str = "", unnamed: bool = False
    ) -> tuple[dict[str, Any], list[problems.Problem]]:
        """The inputs with a name, and what AWS would refuse of them.

        Args:
            urn: the resource.
            old: inputs of the existing resource, empty for a new one.
            new: what the program declares.
            proposed: the name that the engine proposes.
            unnamed: whether the engine's configuration forbids made-up names.
        """
        kind = kinds.of(_type_of(urn))
        inputs = {key: value for key, value in new.items() if key != naming.DEFAULTS}
        if kind.name is not None:
            inputs = naming.adopt(inputs, kind.name, old)
            if not unnamed:
                seed = self._seed(kind, urn, inputs)
                inputs = naming.assign(inputs, kind.name, urn.split("::", 3)[-1], seed=seed, proposed=proposed)
        plain = properties.reveal({key: value for key, value in inputs.items() if key != naming.DEFAULTS})
        hidden = {key for key, value in inputs.items() if properties.has_secret(value)}
        return inputs, [_discreet(problem, hidden) for problem in self._refused(kind, urn, _plain(old), plain)]

    def _refused(self, kind: Kind, urn: str, old: Values, plain: Values) -> list[problems.Problem]:
        found = requests.unclaimed(kind, plain)
        if kind.regional and not self._region(plain):
            found.append(problems.Problem("", "no region: set aws:region, AWS_REGION or the resource's own `region`"))
        for call, request in zip(requests.sent(kind, plain), requests.of(kind, plain), strict=True):
            found.extend(request.problems)
            wording = {place.partition(".")[0]: name for name, place in requests.places(call)}
            found.extend(models.check(request.operation, request.params, request.origins, wording))
        settled = changes.merged(kind.defaults, plain)
        region = self._region(plain)

        def others(token: str) -> list[Values]:
            found = self._account.all(token, _place(kinds.of(token), region))
            return [record.outputs for record in found if not record.seed.startswith(f"{urn}|")]

        seen = view.View(inputs=settled, given=plain, old=old, region=region, find=self._finder(plain), others=others)
        found.extend(rules.broken(kind.token, seen))
        return sorted(set(found))

    def diff(self, urn: str, old: Values, new: Values, ignored: Sequence[str] = ()) -> differences.Differences:
        """What new inputs would change."""
        kind = kinds.of(_type_of(urn))
        before, after = properties.reveal(dict(old)), properties.reveal(dict(new))
        return changes.compare(kind, before, after, tuple(paths.parse(text) for text in ignored))

    def create(self, urn: str, marked: Values, *, preview: bool) -> tuple[str, dict[str, Any]]:
        """Makes a resource and returns its id and state; in a preview what of the state is known.

        Raises:
            problems.AwsError: AWS would have refused.
            outcomes.PartlyDoneError: the resource was made, but is not as it should be.
        """
        kind = kinds.of(_type_of(urn))
        plain = _plain(marked)
        if preview:
            return "", properties.mark_secrets(outputs.foretold(kind, self._tagged(kind, plain)), marked)
        with self._lock:
            self._throttle(kind.calls[0].operation, f"creating {kind.label}")
            self._need_references(kind, plain)
            record = self._made(kind, urn, plain)
            self._account.put(record)
        state = properties.mark_secrets(record.outputs, marked)
        if record.broken:
            raise outcomes.PartlyDoneError(record.broken, identifier=record.identifier, state=state, reasons=())
        return record.identifier, state

    def _made(self, kind: Kind, urn: str, plain: Values) -> account.Record:
        region = self._region(plain)
        seed = self._seed(kind, urn, plain)
        making = self._making(kind, plain, seed)
        identifier = kind.identity(making)
        if self._account.get(kind.token, _place(kind, region), identifier) is not None:
            code, message = kind.taken
            _refuse(
                f"creating {kind.label} ({identifier})",
                kind.calls[0].operation,
                code,
                message.format(value=identifier, **_texts(plain)),
                409,
            )
        made = outputs.of(kind, dataclasses.replace(making, identifier=identifier), self._tagged(kind, plain))
        consistency = self._faults.wanted(faults.CONSISTENCY, kind.token)
        record = account.Record(
            token=kind.token,
            identifier=identifier,
            region=_place(kind, region),
            seed=seed,
            inputs=dict(plain),
            outputs=made,
            unseen=0 if consistency is None else consistency.times or 1,
        )
        return self._with_capacity(kind, record)

    def _with_capacity(self, kind: Kind, record: account.Record) -> account.Record:
        """The record, marked as broken where the account has no capacity for its instances."""
        reason = ""
        if kind.token == kinds.NODE_GROUP:
            name = str(record.outputs.get("nodeGroupName"))
            wanted = int(record.outputs["scalingConfig"]["desiredSize"])
            if wanted and self._faults.strikes(faults.CAPACITY, name):
                reason = self._without_capacity(record)
        status = {"status": "CREATE_FAILED" if reason else "ACTIVE"} if kind.token == kinds.NODE_GROUP else {}
        return dataclasses.replace(record, outputs={**record.outputs, **status}, broken=reason)

    def _without_capacity(self, record: account.Record) -> str:
        first = str(record.outputs["subnetIds"][0])
        subnet = self._account.find(kinds.SUBNET, record.region, first)
        zone = str(subnet.outputs["availabilityZone"]) if subnet is not None else f"{record.region}a"
        return outputs.insufficient_capacity(record.outputs, record.identifier, zone)

    def _seed(self, kind: Kind, urn: str, plain: Values) -> str:
        """A text that is another one for each resource that this URN stands for over time, and always the same."""
        fixed = {path.partition(".")[0] for path in kind.paths("replaces")}
        if kind.name is not None:
            fixed -= {kind.name.property, kind.name.prefix}
        chosen = {key: value for key, value in properties.reveal(dict(plain)).items() if key in fixed}
        base = f"{urn}|{canonical(chosen)}"
        region = _place(kind, self._region(plain))
        taken = {record.seed for record in self._account.all(kind.token, region)}
        counts = (f"{base}|{count}" for count in range(len(taken) + 1))
        return next(seed for seed in counts if seed not in taken)

    def _making(self, kind: Kind, plain: Values, seed: str) -> Making:
        region = self._region(plain)
        return Making(
            inputs=changes.merged(kind.defaults, plain),
            seed=seed,
            region=region,
            account=self._settings.account,
            partition=self._settings.partition(region),
            find=self._finder(plain),
            settings={"kubeconfig": self._settings.kubeconfig},
        )

    def _need_references(self, kind: Kind, plain: Values) -> None:
        for reference in kind.references:
            for value in _values_at(plain, reference.path.split(".")):
                if not isinstance(value, str) or (reference.foreign and re.fullmatch(reference.foreign, value)):
                    continue
                if not self._seen(reference.to, plain, value, reference.by):
                    _refuse(
                        f"creating {kind.label}",
                        kind.calls[0].operation,
                        reference.code,
                        reference.message.format(value=value),
                    )

    def _seen(self, token: str, plain: Values, value: str, by: str) -> bool:
        """Whether AWS already knows of a resource; asking makes it known in the end."""
        target = kinds.of(token)
        region = _place(target, self._region(plain))
        record = self._account.find(token, region, value, by)
        if record is None:
            return self._came_along(token, region, value)
        if record.unseen:
            self._account.put(dataclasses.replace(record, unseen=record.unseen - 1))
        return not record.unseen

    def _came_along(self, token: str, region: str, value: str) -> bool:
        """Whether AWS made it together with another resource."""
        return any(
            value in _values_at(record.outputs, path.split("."))
            for other, path in kinds.providing(token)
            for record in self._account.all(other, region)
        )

    def read(self, urn: str, identifier: str, inputs: Values) -> Found | None:
        """A resource as it is now, None where it is gone, or not to be seen yet.

        Args:
            urn: the resource.
            identifier: its id.
            inputs: the inputs so far with secret marks, empty for an import.
        """
        kind = kinds.of(_type_of(urn))
        record = self._account.get(kind.token, _place(kind, self._region(_plain(inputs))), identifier)
        if record is None:
            return None
        if record.unseen:
            self._account.put(dataclasses.replace(record, unseen=record.unseen - 1))
            return None
        own = {key: inputs[key] for key in (naming.DEFAULTS,) if key in inputs}
        return Found(
            state=properties.mark_secrets(record.outputs, inputs),
            inputs=properties.mark_secrets({**record.inputs, **own}, inputs),
        )

    def update(self, urn: str, identifier: str, old_state: Values, marked: Values, *, preview: bool) -> dict[str, Any]:
        """Changes a resource and returns its state; in a preview what of the state is known.

        Raises:
            problems.AwsError: AWS would have refused.
            outcomes.PartlyDoneError: the resource is still not as it should be.
        """
        kind = kinds.of(_type_of(urn))
        plain = _plain(marked)
        place = (kind.token, _place(kind, self._region(plain)), identifier)
        if preview:
            known = outputs.foretold_update(kind, properties.reveal(dict(old_state)), self._tagged(kind, plain))
            self._foretold[place] = {key: value for key, value in known.items() if not properties.has_unknown(value)}
            return properties.mark_secrets(known, marked)
        self._foretold.pop(place, None)
        record = self._account.get(*place)
        if record is None:
            _refuse(
                f"updating {kind.label} ({identifier})",
                kind.calls[0].operation,
                "ResourceNotFoundException",
                f"{identifier} does not exist",
                404,
            )
        with self._lock:
            self._need_references(kind, plain)
            settled = outputs.with_kept(kind, record.outputs, plain)
            making = self._making(kind, settled, record.seed)
            making = dataclasses.replace(making, identifier=identifier, previous=record.outputs)
            made = outputs.of(kind, making, self._tagged(kind, settled))
            record = dataclasses.replace(record, inputs=dict(plain), outputs=made, unseen=0)
            record = self._with_capacity(kind, record)
            self._account.put(record)
        state = properties.mark_secrets(record.outputs, marked)
        if record.broken:
            raise outcomes.PartlyDoneError(record.broken, identifier=identifier, state=state, reasons=())
        return state

    def delete(self, urn: str, identifier: str, state: Values) -> None:
        """Deletes a resource; one that is gone already is deleted.

        Raises:
            problems.AwsError: something still hangs on it, or it is protected.
        """
        kind = kinds.of(_type_of(urn))
        region = _place(kind, self._region(_plain(state)))
        with self._lock:
            record = self._account.get(kind.token, region, identifier)
            if record is None:
                return
            doing = f"deleting {kind.label} ({identifier})"
            if kind.guard is not None and (reason := kind.guard(record.outputs)):
                _refuse(doing, kind.delete, "InvalidRequestException", reason)
            self._throttle(kind.delete, doing)
            if self._held(kind, record):
                code, message = kind.in_use
                _refuse(doing, kind.delete, code, message.format(value=identifier))
            self._account.remove(record)

    def _held(self, kind: Kind, record: account.Record) -> bool:
        """Whether another resource that refers to this one keeps it from being deleted."""
        for token, reference in kinds.holding(kind.token):
            names = {record.outputs.get(key) for key in reference.by.split("|")} | {record.identifier}
            place = _place(kinds.of(token), record.region if kind.regional else self._settings.region)
            for other in self._account.all(token, place):
                if names & {value for value in _values_at(other.inputs, reference.path.split(".")) if value}:
                    return True
        return False

    def _throttle(self, operation: str, doing: str) -> None:
        name = operation.partition(".")[2]
        if self._faults.strikes(faults.THROTTLING, name):
            ec2 = operation.startswith("ec2.")
            code, message = (
                ("RequestLimitExceeded", "Request limit exceeded.") if ec2 else ("ThrottlingException", "Rate exceeded")
            )
            raise problems.AwsError(
                f"{doing}: exceeded maximum number of attempts, 25, "
                f"{problems.api_error(operation, code, message, 503 if ec2 else 400)}"
            )

    def _region(self, plain: Values) -> str:
        own = plain.get("region")
        return own if isinstance(own, str) and own else self._settings.region

    def _finder(self, plain: Values) -> Any:
        def find(token: str, value: str, by: str = "id") -> Values | None:
            record = self._account.find(token, _place(kinds.of(token), self._region(plain)), value, by)
            if record is None:
                return None
            return {**record.outputs, **self._foretold.get((token, record.region, record.identifier), {})}

        return find

    def _tagged(self, kind: Kind, plain: Values) -> dict[str, Any]:
        """`plain` with all of its tags."""
        if not kind.taggable:
            return dict(plain)
        tags = plain.get("tags") or {}
        together = tags if tags is properties.UNKNOWN else {**self._settings.default_tags, **tags}
        return {**plain, "tagsAll": together}


def _discreet(problem: problems.Problem, hidden: set[str]) -> problems.Problem:
    """The problem without its reason where that may show a secret."""
    if re.split(r"[.\[]", problem.path)[0] not in hidden:
        return problem
    return problems.Problem(problem.path, "AWS would refuse the value; it is secret, so the reason is not shown")


def _refuse(doing: str, operation: str, code: str, message: str, status: int = 400) -> NoReturn:
    raise problems.AwsError(f"{doing}: {problems.api_error(operation, code, message, status)}")


def _type_of(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _plain(marked: Values) -> dict[str, Any]:
    revealed: dict[str, Any] = properties.reveal({k: v for k, v in marked.items() if k != naming.DEFAULTS})
    return revealed


def _place(kind: Kind, region: str) -> str:
    return region if kind.regional else account.GLOBAL


def _texts(plain: Values) -> dict[str, str]:
    return {key: value for key, value in plain.items() if isinstance(value, str) and key != "value"}


def _values_at(value: Any, steps: Sequence[str]) -> list[Any]:
    """The values at a path, through every element of lists."""
    if isinstance(value, list):
        return [found for item in value for found in _values_at(item, steps)]
    if not steps:
        return [] if value is None or value is properties.UNKNOWN else [value]
    if isinstance(value, Mapping) and steps[0] in value:
        return _values_at(value[steps[0]], steps[1:])
    return []
