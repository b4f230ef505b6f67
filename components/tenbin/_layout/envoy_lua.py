"""Lua in the gateway: what none of Envoy's own filters does without the keys in its configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenbin_spec import contract

REFUSAL = "No valid API key. Send one as Authorization: Bearer <key>."
_READ_AGAIN_S = 5

_API_KEYS = """\
local folder = %(folder)s
local names = {%(names)s}
local clients, read_at = {}, 0

-- Keys are looked up whole, so that no answer tells how much of one was right.
local function read()
  local found = {}
  for _, name in ipairs(names) do
    local file = io.open(folder .. "/" .. name, "r")
    if file then
      local key = file:read("*a"):match("^%%s*(%%S+)%%s*$")
      file:close()
      if key then found[key] = name end
    end
  end
  return found
end

function envoy_on_request(handle)
  local now = os.time()
  if now - read_at >= %(again)d then clients, read_at = read(), now end
  local headers = handle:headers()
  local client = clients[(headers:get("authorization") or ""):match("^[Bb]earer%%s+(%%S+)$") or ""]
  if not client then
    handle:respond(
      {[":status"] = "401", ["www-authenticate"] = "Bearer"},
      %(refusal)s
    )
    return
  end
  headers:remove("authorization")
  headers:replace(%(tenant)s, client)
end
"""


def api_keys(*, folder: str, clients: Sequence[str]) -> str:
    """Return the script that lets in who sends the API key of a client, and names the client as the tenant.

    Args:
        folder: of files with one key each, named as the clients; they are read again every few seconds.
        clients: who has a key.
    """
    return _API_KEYS % {
        "folder": json.dumps(folder),
        "names": ", ".join(json.dumps(name) for name in sorted(clients)),
        "again": _READ_AGAIN_S,
        "refusal": json.dumps(REFUSAL),
        "tenant": json.dumps(contract.HEADER_TENANT),
    }
