/** Between an assistant's configuration and the fields of the dialog. Pure. */

/** @param {any} agent */
export function fieldsOf({ name = "", description = "", letta_agent_id = "", role = "general", config = {} }) {
  return {
    name, description: description ?? "", letta_agent_id, role,
    greeting: config.greeting ?? "",
    instructions: config.instructions ?? "",
    memory_scope: config.memory_scope ?? "personal",
    reply_path: config.reply_path ?? "hybrid",
    room_policy: config.room_policy ?? "session",
    voice: config.providers?.tts?.voice ?? "",
  };
}

/** What the dialog does not show is kept as it was. @param {any} config @param {any} values @returns {any} */
export function changedConfig(config, { greeting, instructions, memory_scope, reply_path, room_policy, voice }) {
  const { greeting: _greeting, ...rest } = config;
  const { voice: _voice, ...tts } = config.providers?.tts ?? {};
  const providers = { ...config.providers, tts: voice.trim() ? { ...tts, voice: voice.trim() } : tts };
  if (!Object.keys(providers.tts).length) delete providers.tts;
  return {
    ...rest, instructions, memory_scope, reply_path, room_policy,
    ...(greeting.trim() && { greeting: greeting.trim() }),
    providers,
  };
}
