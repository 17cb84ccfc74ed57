/** Reader of the session's reconnect log: server-sent events, with fetch because the secret belongs in a header. */

const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000];

/** @param {string} buffer @returns {{events: {id: string, data: string}[], rest: string}} complete events, and the incomplete rest */
export function parseEvents(buffer) {
  const blocks = buffer.split(/\r?\n\r?\n/);
  const rest = blocks.pop() ?? "";
  const events = [];
  for (const block of blocks) {
    const field = (/** @type {string} */ name) =>
      block.split(/\r?\n/).filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, "")).join("\n");
    if (field("data")) events.push({ id: field("id"), data: field("data") });
  }
  return { events, rest };
}

/**
 * @param {{sessionId: string, secret: string, signal: AbortSignal, line: (line: any) => void, following: (yes: boolean) => void}} options
 */
export async function follow({ sessionId, secret, signal, line, following }) {
  let last = "";
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const headers = { authorization: `Bearer ${secret}`, accept: "text/event-stream", ...(last && { "last-event-id": last }) };
      const response = await fetch(`/events?session=${encodeURIComponent(sessionId)}`, { headers, signal, cache: "no-store" });
      if (!response.ok || !response.body) throw new Error(`/events answered ${response.status}`);
      following(true);
      failures = 0;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let buffer = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) break;
        const { events, rest } = parseEvents(buffer + value);
        buffer = rest;
        for (const event of events) {
          last = event.id || last;
          line(JSON.parse(event.data));
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      console.warn("The timeline is interrupted:", error);
    }
    following(false);
    await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)], signal);
  }
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(undefined); }, { once: true });
  });
}
