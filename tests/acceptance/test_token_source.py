"""LiveKit's own browser client with its TokenSource contract: the way in for third-party front ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.browser import chromium
from tests.support.letta_agents import make_agent
from tests.support.stack import Stack

COME_IN = """async (wish) => {
  const { Room, TokenSource } = await import("/vendor/livekit-client.esm.mjs");
  const source = TokenSource.endpoint(new URL("/token", location).href);
  const { serverUrl, participantToken } = await source.fetch(wish);
  const room = new Room();
  const ready = new Promise((resolve) => {
    const look = () => {
      const agent = [...room.remoteParticipants.values()].find((one) => one.isAgent && one.attributes["va.ready"]);
      if (agent) resolve(agent.attributes);
    };
    room.on("participantAttributesChanged", look).on("participantConnected", look).on("connected", look);
  });
  await room.connect(serverUrl, participantToken);
  const attributes = await ready;
  const name = room.localParticipant.name;
  await room.disconnect();
  return { name, attributes };
}"""


@pytest.mark.parametrize("by", ["attribute", "agentName", "agentMetadata"])
def test_livekits_own_client_meets_the_agent_it_asked_for(stack: Stack, by: str) -> None:
    agent = make_agent(stack, f"Token by {by}")
    wishes: dict[str, dict[str, Any]] = {
        "attribute": {"participantAttributes": {"agent_id": agent}},
        "agentName": {"agentName": f"Token by {by}"},
        "agentMetadata": {"agentName": "voice-agent", "agentMetadata": json.dumps({"agent_id": agent})},
    }
    with chromium() as browser:
        page = browser.new_page()
        page.goto(stack.url)
        met = page.evaluate(COME_IN, {"participantName": "Ann", **wishes[by]})
    assert met["name"] == "Ann"
    assert met["attributes"]["va.agent_id"] == agent
