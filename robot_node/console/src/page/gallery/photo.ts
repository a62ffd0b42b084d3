/** A photo out of the result of `take_photo`, the name of its file, and how many are kept. Pure. */

import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";

/** What is stored of a photo. */
export interface StoredPhoto {
  /** Sorts as the photos arrived. */
  id: string;
  robot: string;
  /** Which of the robot's cameras; empty where it has one. */
  camera: string;
  /** When it was taken, by the robot's clock, in ms since 1970. */
  taken: number;
  picture: Blob;
}

/** As the page shows it. */
export interface Photo extends StoredPhoto {
  /** Object URL of the picture. */
  url: string;
}

export interface Limits {
  count: number;
  bytes: number;
}

/** What a browser keeps: some hours of a person who takes many. */
export const LIMITS: Limits = { count: 200, bytes: 100_000_000 };

/** Kinds of pictures that are kept; others could be documents with scripts. */
const ENDINGS: Partial<Record<string, string>> = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" };
const TAKEN = /^Taken (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)):/;

/** The picture in a result, and when it was taken: `nowMs` where the result does not say; null without a picture. */
export function readPhoto(content: CallToolResult["content"], nowMs: number): Pick<StoredPhoto, "taken" | "picture"> | null {
  const image = content.find((block) => block.type === "image");
  if (image?.type !== "image" || !Object.hasOwn(ENDINGS, image.mimeType)) return null;
  const picture = blobOf(image.data, image.mimeType);
  const said = content.map((block) => (block.type === "text" ? TAKEN.exec(block.text)?.[1] : undefined)).find(Boolean);
  const taken = Date.parse(said ?? "");
  return picture && { picture, taken: isNaN(taken) ? nowMs : taken };
}

/** Bytes in base64; null when it is no base64. */
export function blobOf(base64: string, type: string): Blob | null {
  try {
    return new Blob([Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))], { type });
  } catch {
    return null;
  }
}

/** The ids of those that are too many, the oldest; the newest one is always kept. */
export function excess(photos: readonly Pick<StoredPhoto, "id" | "picture">[], { count, bytes }: Limits): string[] {
  const newestFirst = [...photos].sort((one, other) => (one.id < other.id ? 1 : -1));
  let total = 0;
  return newestFirst.filter(({ picture }, place) => (total += picture.size) > bytes && place > 0 ? true : place >= count).map(({ id }) => id);
}

/** The oldest will soon make room. */
export const isNearlyFull = (photos: readonly Pick<StoredPhoto, "id" | "picture">[], { count, bytes }: Limits = LIMITS): boolean =>
  excess(photos, { count: Math.floor(count * 0.9), bytes: bytes * 0.9 }).length > 0;

const NAME_LIMIT = 50;

/** A text as a part of a file's name on any system. */
export const fileName = (text: string): string =>
  [...text.replace(/[^\p{L}\p{N}._-]+/gu, "-")].slice(0, NAME_LIMIT).join("").replace(/^[.-]+|[.-]+$/g, "") || "robot";

/** A time in UTC as the robot's own files have it, e.g. `20261128-231501-250`; such names sort by time. */
export const fileTime = (timeMs: number): string => new Date(timeMs).toISOString().replace(/[-:Z]/g, "").replace(/[T.]/g, "-");

/** The names of photos' files, which say robot, camera and when each was taken; no two are the same. */
export function fileNames(photos: readonly Omit<StoredPhoto, "id">[]): string[] {
  const used = new Set<string>();
  return photos.map(({ robot, camera, taken, picture }) => {
    const name = fileName([robot, camera].filter(Boolean).join("-"));
    for (let number = 1; ; number += 1) {
      const found = `${name}-${fileTime(taken)}${number > 1 ? `-${number}` : ""}.${ENDINGS[picture.type] ?? "jpg"}`;
      if (used.has(found)) continue;
      used.add(found);
      return found;
    }
  });
}
