/** Names shared with the server: the same as in voice_agent/contracts.py (a test compares them). */

export const ATTRIBUTE = Object.freeze({
  STATE: "va.state",
  EPISODE: "va.episode",
  SESSION_ID: "va.session_id",
  AGENT_ID: "va.agent_id",
  LETTA_AGENT_ID: "va.letta_agent_id",
  AGENT_NAME: "va.agent_name",
  READY: "va.ready",
  MEMORY: "va.memory",
  BUILD: "va.build",
  PID: "va.pid",
  STARTED_AT: "va.started_at",
  LEASE_EPOCH: "va.lease_epoch",
  ERROR: "va.error",
});

export const TOPIC = Object.freeze({ CHAT: "lk.chat", TRANSCRIPTION: "lk.transcription", NOTICE: "va.notice", RECALL: "va.recall" });

/** LiveKit's own attributes of an agent and of a transcription stream. */
export const LIVEKIT = Object.freeze({
  ACTIVITY: "lk.agent.state",
  SEGMENT: "lk.segment_id",
  FINAL: "lk.transcription_final",
});
