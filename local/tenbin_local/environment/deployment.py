"""`pulumi up` of a stack: what a person sees of it, and what stays of it in the environment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Mapping

from tenbin_local.environment import stacks
from tenbin_local.environment.files import write_atomically
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import LocalError
from tenbin_local.toolchain.reporting import Step

LOG = "pulumi"
DEFAULT_STACK = "local"

_RESOURCE = re.compile(r"^\s*([+~-]|\+-|-\+)?\s*(?:@\s*)?(\S+:\S+)\s+(\S+)\s+(creat|updat|delet|replac)\w*")
_TAIL_LINES = 30


def stack_of(layout: Layout) -> str:
    """Return the stack that runs here; the default one before the first deployment."""
    try:
        return str(json.loads(layout.deployment.read_text())["stack"])
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_STACK


def deploy(layout: Layout, stack: str, variables: Mapping[str, str], step: Step) -> str:
    """Bring a stack up and return the engine's summary, for example `12 created`.

    Raises:
        LocalError: the engine refuses or a resource fails; the message has the engine's diagnostics.
    """
    write_atomically(layout.deployment, json.dumps({"stack": stack}) + "\n")
    stacks.create_missing(layout, variables)
    command = ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", "--non-interactive", "--color=never"]
    log = layout.log(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with (
        log.open("w") as out,
        subprocess.Popen(
            command,
            cwd=layout.checkout,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                out.write(line)
                out.flush()
                lines.append(line.rstrip())
                if match := _RESOURCE.match(line):
                    step.note(f"{match[2].rpartition(':')[2]} {match[3]}")
        except SystemExit:
            # A terminal's Ctrl-C reaches the engine by itself; a SIGTERM to this process does not.
            process.send_signal(signal.SIGINT)
            raise
    if process.returncode != 0:
        raise LocalError(f"pulumi up of stack {stack!r} failed; all of its output is in {log}:\n{_diagnostics(lines)}")
    return summary(lines)


def summary(lines: list[str]) -> str:
    """Return the engine's own count of changes, in one line."""
    words = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced"}
    pattern = r"^\s*(?:[+~-]+)?\s*(\d+) (created|updated|deleted|replaced|unchanged)"
    counts = re.findall(pattern, "\n".join(lines), re.MULTILINE)
    return ", ".join(f"{count} {words.get(word, word)}" for count, word in counts) or "no change"


def _diagnostics(lines: list[str]) -> str:
    """Return the engine's diagnostics, or the end of its output when there are none."""
    for index, line in enumerate(lines):
        if line.strip() == "Diagnostics:":
            found = [entry for entry in lines[index + 1 :] if entry.strip()]
            return "\n".join(found[:_TAIL_LINES])
    return "\n".join(lines[-_TAIL_LINES:])
