/** Whether a robot needs a stop button. Pure. */

import type { Tool } from "@modelcontextprotocol/sdk/types.js";

export const STOP = "stop_all";

/** Tools that neither move nor sound, beside those that only read. Any other may: that of a device of another package, say. */
const STILL = new Set([
  STOP,
  "control_camera",
  "take_photo",
  "look",
  "set_camera",
  "control_microphone",
  "set_video",
  "change_emotion",
  "show_text",
  "set_led",
  "save_clip",
  "start_recording",
  "stop_recording",
  "publish_stream",
  "unpublish_stream",
  "set_log_level",
  "ask",
  "answer_question",
]);

/** The robot can be stopped, and has something that moves or sounds. */
export const canStop = (tools: Tool[]): boolean =>
  tools.some(({ name }) => name === STOP) && tools.some(({ name, annotations }) => !STILL.has(name) && annotations?.readOnlyHint !== true);
