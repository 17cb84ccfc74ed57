/** Fields of the editor: three for everybody, the rest below a closed "Advanced". */
import { t } from "./texts/text.js";
import { h } from "./dom.js";

const CALLERS = [["general", t("Anyone")], ["customer", t("Customers")], ["owner", t("Me")]];
const REMEMBER = [["personal", t("Yes")], ["read_only", t("No")]];
const PATHS = [["hybrid", t("Language model, with memory")], ["letta", t("Letta itself")]];
const ROOMS = [["session", t("Each call for itself")], ["shared", t("One call for everybody")], ["resident", t("Always ready")]];

/** @param {string} label @param {...Element} input */
const field = (label, ...input) => h("label", { class: "field", text: label }, ...input);

/**
 * @param {any} fields @param {Element} voice
 * @param {{memories: string[][], open: boolean}} shown whose memory can be shared, and whether "Advanced" is open
 */
export function agentFields(fields, voice, { memories, open }) {
  const text = (/** @type {string} */ name, /** @type {any} */ more = {}) => h("input", { name, maxlength: 2000, value: fields[name], ...more });
  return [
    field(t("Name"), text("name", { required: true, maxlength: 200, autofocus: true })),
    field(t("What it does"), h("textarea", { name: "description", rows: 3, maxlength: 2000, text: fields.description, placeholder: t("A few sentences, for example: You are a patient Spanish teacher. Correct my mistakes.") })),
    voice,
    h("details", { class: "advanced", testid: "advanced", open },
      h("summary", { text: t("Advanced") }),
      h("div", { class: "advanced-fields" },
        field(t("Shares memory with"), select("letta_agent_id", [["", t("Nobody")], ...memories], fields.letta_agent_id),
          h("small", { text: t("If it shares one, it does what the other does, and what stands under Instructions.") })),
        field(t("Remember conversations"), select("memory_scope", REMEMBER, fields.memory_scope)),
        field(t("Greeting"), text("greeting", { placeholder: t("Default") })),
        field(t("Instructions"), h("textarea", { name: "instructions", rows: 4, maxlength: 20000, text: fields.instructions })),
        h("div", { class: "pair" },
          field(t("Who calls"), select("role", CALLERS, fields.role)), field(t("Room"), select("room_policy", ROOMS, fields.room_policy))),
        h("div", { class: "pair" },
          field(t("Answers come from"), select("reply_path", PATHS, fields.reply_path)),
          field(t("Language"), text("language", { maxlength: 20, placeholder: t("Default"), list: "languages" }),
            h("datalist", { id: "languages" }, ...["en", "es", "fr", "auto"].map((value) => h("option", { value }))))),
        h("div", { class: "pair" },
          field(t("Memory blocks for everyone"), text("heard_by_everyone", { placeholder: "persona, task" })),
          field(t("Memory blocks for known users"), text("heard_by_known", { placeholder: t("All others: the owner only") }))))),
  ];
}

function select(/** @type {string} */ name, /** @type {string[][]} */ options, /** @type {string} */ chosen) {
  const element = /** @type {HTMLSelectElement} */ (h("select", { name }, ...options.map(([value, text]) => h("option", { value, text }))));
  element.value = chosen;
  return element;
}
