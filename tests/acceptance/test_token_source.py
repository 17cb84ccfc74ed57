"""LiveKit's own browser client with its TokenSource contract: the way in for third-party front ends."""

from __future__ import annotations

from tests.support.browser import chromium
from tests.support.letta_agents import make_agent
from tests.support.stack import Stack

COME_IN = """async (agent) => {
  const { Room, TokenSource } = await import("/vendor/livekit-client.esm.mjs");
  const source = TokenSource.endpoint(new URL("/token", location).href);
  const wish = { participantName: "Ann", participantAttributes: { agent_id: agent } };
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


def test_livekits_own_client_meets_the_agent_it_asked_for(stack: Stack) -> None:
    agent = make_agent(stack, "Token")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(stack.url)
        met = page.evaluate(COME_IN, agent)
    assert met["name"] == "Ann"
    assert met["attributes"]["va.agent_id"] == agent
