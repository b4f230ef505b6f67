"""Rules of tags, on everything that carries them."""

from collections.abc import Iterator

from tenbin_local.plugins.aws import kinds
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()

MOST = 50
"""Tags on one resource."""


@_TABLE.rule(
    "tags-are-fifty-and-not-of-aws",
    *(token for token, kind in kinds.ALL.items() if kind.taggable),
    source="docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html",
)
def _tags(view: View) -> Iterator[Problem]:
    tags = view.given.get("tags")
    if not isinstance(tags, dict):
        return
    if len(tags) > MOST:
        yield Problem("tags", f"{len(tags)} given; {MOST} are allowed")
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            yield Problem(f'tags["{key}"]', "begins with aws:, which only AWS may")
        if len(key) > 128 or (isinstance(value, str) and len(value) > 256):
            yield Problem(f'tags["{key}"]', "keys have 128 characters at most, values 256")


RULES = _TABLE.rules
