/** What the page shows of `robot://status`, read from any JSON. Pure. */

import { isDocument, member, shortened } from "../json";

const CAMERA_STATES = ["off", "starting", "on", "stopping", "failed"] as const;

export type CameraState = (typeof CAMERA_STATES)[number];

export const isCapturing = (camera: CameraState | undefined): boolean => camera === "on" || camera === "starting";

export interface RobotStatus {
  camera: CameraState;
  camera_error: string;
  privacy: boolean;
  privacy_error: string;
  /** Null when the robot may not record. */
  recording: boolean | null;
  emotion: string;
  display_error: string;
  /** 0 to 100; null without a loudspeaker. */
  volume: number | null;
  muted: boolean | null;
  viewers: number;
  /** How many more may watch the small video; null: there is none. */
  small_video_places: number | null;
  /** The microphone may be opened, unless its switch is engaged; null: there is none, or it is not known. */
  microphone_enabled: boolean | null;
  microphone_privacy: boolean;
  /** There is sound for viewers; null: not known. */
  viewers_hear: boolean | null;
  /** What a viewer says is recognised. */
  viewers_heard: boolean;
  /** Whether a viewer may speak to the robot now; null: never. */
  viewers_speak: "free" | "taken" | "unknown" | null;
  /** Whether something moves in each zone of the first camera's picture; empty: motion is not looked for. */
  motion: Record<string, boolean>;
  /** Labels of the objects in that picture. */
  detected: string[];
  /** Why something does not work, by its name. */
  faults: Record<string, string>;
  /** The state of each camera, where there are several; the others are what is true of the first. */
  cameras: Record<string, CameraState>;
}

const NOTHING_KNOWN: RobotStatus = {
  camera: "off",
  camera_error: "",
  privacy: false,
  privacy_error: "",
  recording: null,
  emotion: "",
  display_error: "",
  volume: null,
  muted: null,
  viewers: 0,
  small_video_places: null,
  microphone_enabled: null,
  microphone_privacy: false,
  viewers_hear: null,
  viewers_heard: false,
  viewers_speak: "unknown",
  motion: {},
  detected: [],
  faults: {},
  cameras: {},
};

const TEXT_LIMIT = 1000;
const NAME_LIMIT = 64;
const CAMERAS_LIMIT = 16;
const FAULTS_LIMIT = 50;
const ZONES_LIMIT = 16;
const LABELS_LIMIT = 50;

const isText = (value: unknown) => typeof value === "string";
const isFlag = (value: unknown) => typeof value === "boolean";
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;

const isCameraState = (value: unknown) => (CAMERA_STATES as readonly unknown[]).includes(value);
const isTable = (value: unknown, isEntry: (value: unknown) => boolean, limit: number) =>
  isDocument(value) &&
  Object.keys(value).length <= limit &&
  Object.entries(value).every(([name, entry]) => name.length <= NAME_LIMIT && isEntry(entry));

const isLabels = (value: unknown) =>
  Array.isArray(value) && value.length <= LABELS_LIMIT && value.every((label) => isText(label) && label.length <= NAME_LIMIT);

const IS_VALID: Record<keyof RobotStatus, (value: unknown) => boolean> = {
  camera: isCameraState,
  camera_error: isText,
  privacy: isFlag,
  privacy_error: isText,
  recording: (value) => value === null || isFlag(value),
  emotion: isText,
  display_error: isText,
  volume: (value) => value === null || (isCount(value) && (value as number) <= 100),
  muted: (value) => value === null || isFlag(value),
  viewers: isCount,
  small_video_places: (value) => value === null || isCount(value),
  microphone_enabled: (value) => value === null || isFlag(value),
  microphone_privacy: isFlag,
  viewers_hear: isFlag,
  viewers_heard: isFlag,
  viewers_speak: (value) => value === null || value === "free" || value === "taken",
  motion: (value) => isTable(value, isFlag, ZONES_LIMIT),
  detected: isLabels,
  faults: (value) => isTable(value, isText, FAULTS_LIMIT),
  cameras: (value) => isTable(value, isCameraState, CAMERAS_LIMIT),
};

/** The fields of a status that a JSON value holds, of the right kind; others are left out. */
export function statusFields(value: unknown): Partial<RobotStatus> {
  const found = Object.entries(IS_VALID)
    .map(([name, isValid]) => [name, member(value, name), isValid] as const)
    .filter(([, field, isValid]) => field !== undefined && isValid(field))
    .map(([name, field]) => [name, typeof field === "string" ? shortened(field, TEXT_LIMIT) : field]);
  return Object.fromEntries(found) as Partial<RobotStatus>;
}

/** A status; null when the value is none at all. */
export const readStatus = (value: unknown): RobotStatus | null =>
  isDocument(value) ? { ...NOTHING_KNOWN, ...statusFields(value) } : null;
