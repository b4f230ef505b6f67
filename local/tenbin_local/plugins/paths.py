"""Property paths as the engine writes them: `spec.replicas`, `metadata.annotations["a.b/c"]`, `items[0].name`."""

import re
from collections.abc import Sequence

Path = tuple[str | int, ...]
"""Keys of objects and indices of lists, from the root. "*" stands for any one step."""

_STEP = re.compile(r"""\[(?P<index>\d+)\]|\[(?P<any>\*)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\.?(?P<plain>[^.\[\]"]+)""")


def parse(text: str) -> Path:
    """The steps of a path.

    Raises:
        ValueError: The text is no path.
    """
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"{text!r} is no property path: nothing can be read at {text[position:]!r}")
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["quoted"] is not None:
            steps.append(found["quoted"].replace('\\"', '"'))
        else:
            steps.append(found["any"] or found["plain"])
        position = found.end()
    return tuple(steps)


def render(path: Sequence[str | int]) -> str:
    """The text of a path, as the engine parses it."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif any(character in step for character in '."[]'):
            escaped = step.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{step}" if text else step
    return text


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is the place that `pattern` names or lies below it."""
    return len(pattern) <= len(path) and all(wanted in ("*", step) for wanted, step in zip(pattern, path, strict=False))
