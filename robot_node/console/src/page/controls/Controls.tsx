import type { ReactNode } from "react";
import type { Tool } from "@modelcontextprotocol/sdk/types.js";

import type { TextKey } from "../../i18n/text";
import { ANSWER_QUESTION } from "../dialogs/useOpenQuestions";
import { emotionsOf } from "../face/emotions";
import type { RobotStatus } from "../status";
import type { Calls } from "../useCalls";
import { useSecondStep } from "../useSecondStep";
import { Drive } from "./drive/Drive";
import { DRIVE } from "./drive/useDriver";
import { Look, LOOK } from "./look/Look";
import { fieldsOf } from "./schema";
import { STOP } from "./stop/canStop";
import { TextBox } from "./TextBox";
import { Tools } from "./Tools";
import { Volume } from "./Volume";

/** Tools that have a place of their own on the page. */
export const PLACED = new Set([
  "control_camera",
  "change_emotion",
  "take_photo",
  "control_volume",
  "start_recording",
  "stop_recording",
  STOP,
  ANSWER_QUESTION,
]);

interface Props {
  tools: Tool[];
  malformed: string[];
  status: RobotStatus | null;
  disabled: boolean;
  calls: Calls;
  report: (text: string) => void;
  /** A question of the robot waits for the person. */
  isAsked: () => boolean;
  /** Where to drive from in a full screen; null without one. */
  driveSlot: HTMLElement | null;
  /** Keeps a part that breaks from taking the others away. */
  guarded: (view: TextKey, content: ReactNode) => ReactNode;
}

/** What a person can do with the robot, beside its camera and its face. */
export function Controls({ tools, malformed, status, disabled, calls, report, isAsked, driveSlot, guarded }: Props) {
  const { run, act } = calls;
  const drive = tools.find(({ name }) => name === DRIVE);
  const look = tools.find(({ name }) => name === LOOK);
  const emotion = tools.find(({ name }) => name === "change_emotion");
  const textTools = tools.filter(({ inputSchema }) => isTextTool(inputSchema));
  const otherTools = tools.filter(({ name }) => !PLACED.has(name));
  const isSecondStep = useSecondStep();
  return (
    <>
      {drive && guarded("drive", <Drive inputSchema={drive.inputSchema} disabled={disabled} calls={calls} isAsked={isAsked} slot={driveSlot} />)}
      {look && guarded("look", <Look inputSchema={look.inputSchema} disabled={disabled} act={act} isAsked={isAsked} />)}
      {tools.some(({ name }) => name === "control_volume") &&
        status &&
        status.volume !== null &&
        guarded(
          "volume",
          <Volume volume={status.volume} muted={status.muted ?? false} disabled={disabled} set={(changes) => void act("control_volume", changes)} />,
        )}
      {guarded(
        "text",
        <TextBox
          tools={textTools.map(({ name, title }) => ({ name, title: title ?? name }))}
          disabled={disabled}
          send={(tool, text) => void act(tool, { text })}
        />,
      )}
      {isSecondStep && guarded("tools", <Tools tools={otherTools} malformed={malformed} emotions={emotionsOf(emotion?.inputSchema)} disabled={disabled} run={run} report={report} />)}
    </>
  );
}

/** A tool that takes a text and needs nothing else, e.g. to show or to say it. */
function isTextTool(schema: unknown): boolean {
  const fields = fieldsOf(schema);
  return fields.some(({ name, kind }) => name === "text" && kind === "text") && fields.every(({ name, required }) => name === "text" || !required);
}
