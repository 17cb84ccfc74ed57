/** Conversion between an assistant's configuration and the fields of the dialog. Pure. */

/** @param {any} agent */
export function fieldsOf({ name = "", description = "", letta_agent_id = "", own_memory = false, role = "general", config = {} }) {
  return {
    name, description: description ?? "", role,
    letta_agent_id: own_memory ? "" : letta_agent_id,
    greeting: config.greeting ?? "",
    language: config.language ?? "",
    instructions: config.instructions ?? "",
    memory_scope: config.memory_scope ?? "personal",
    reply_path: config.reply_path ?? "hybrid",
    room_policy: config.room_policy ?? "session",
    voice: config.providers?.tts?.voice ?? "",
    heard_by_everyone: labelsOf(config.audience, "everyone"),
    heard_by_known: labelsOf(config.audience, "known"),
  };
}

/** Assistants whose memory another one can share: one entry for each Letta agent. @param {any[]} items @param {any} edited @returns {string[][]} */
export function memoriesOf(items, edited) {
  const own = edited.own_memory ? edited.letta_agent_id : null;
  const named = new Map(items.filter((one) => one.letta_agent_id !== own).map((one) => [one.letta_agent_id, one.name]));
  const shared = edited.own_memory ? "" : edited.letta_agent_id;
  if (shared && !named.has(shared)) named.set(shared, shared);
  return [...named];
}

/** Whether an assistant speaks with a TTS of its own, whose voices the installation does not know. @param {any} config */
export function hasOwnTts(config) {
  const { provider, base_url, model } = config?.providers?.tts ?? {};
  return Boolean(provider || base_url || model);
}

/** What POST and PUT /agents take. @param {any} config as it was @param {any} values of the fields */
export function bodyOf(config, values) {
  const { name, description, letta_agent_id, role } = values;
  return { name, description, letta_agent_id: letta_agent_id || null, role, config: changedConfig(config, values) };
}

/** @param {Record<string, string> | undefined} audience @param {string} who */
const labelsOf = (audience, who) => Object.keys(audience ?? {}).filter((label) => audience?.[label] === who).join(", ");

/** @param {any} before @param {string} everyone @param {string} known */
function audienceOf(before, everyone, known) {
  const kept = Object.entries(before ?? {}).filter(([, who]) => who === "owner");
  const named = (/** @type {string} */ labels, /** @type {string} */ who) => labels.split(",").map((label) => label.trim()).filter(Boolean).map((label) => [label, who]);
  return Object.fromEntries([...kept, ...named(known, "known"), ...named(everyone, "everyone")]);
}

/** Fields that the dialog does not show keep their values. @param {any} config @param {any} values @returns {any} */
export function changedConfig(config, { greeting, language = "", instructions, memory_scope, reply_path, room_policy, voice, heard_by_everyone = "", heard_by_known = "" }) {
  const { greeting: _greeting, language: _language, audience: before, ...rest } = config;
  const audience = audienceOf(before, heard_by_everyone, heard_by_known);
  const { voice: _voice, ...tts } = config.providers?.tts ?? {};
  const providers = { ...config.providers, tts: voice.trim() ? { ...tts, voice: voice.trim() } : tts };
  if (!Object.keys(providers.tts).length) delete providers.tts;
  return {
    ...rest, instructions, memory_scope, reply_path, room_policy,
    ...(greeting.trim() && { greeting: greeting.trim() }),
    ...(language.trim() && { language: language.trim() }),
    ...(Object.keys(audience).length && { audience }),
    providers,
  };
}
