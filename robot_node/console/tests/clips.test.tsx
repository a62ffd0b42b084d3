// @vitest-environment jsdom
/** The list of a robot's recordings, whatever it is, and reading one through the broker. */
import fc from "fast-check";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { expect, test } from "vitest";

import { ClipItem } from "../src/page/gallery/ClipItem";
import { clipFileName, lengthOf, readClips, type Clip } from "../src/page/gallery/clips";
import { fetchClip } from "../src/page/gallery/fetchClip";
import { useClips } from "../src/page/gallery/useClips";
import { renderHook, until } from "./helpers";

const ENTRY = { name: "clip-1.mp4", uri: "robot://clips/clip-1.mp4", began: "2026-11-28T23:15:01+00:00", bytes: 2_000_000, chunks: 3, seconds: 65.4, cause: "by anna" };
const CLIP = readClips({ clips: [ENTRY] })?.clips[0] as Clip;
const nothing = () => undefined;

test("recordings are listed, the newest first, and what is none is left out", () => {
  const others = [null, {}, { ...ENTRY, bytes: -1 }, { ...ENTRY, name: "" }, { ...ENTRY, name: "b", began: "x", seconds: "1", cause: "when motion door" }];
  const found = readClips({ clips: [ENTRY, ...others], folder: "/srv/clips" });
  expect(found?.folder).toBe("/srv/clips");
  expect(found?.clips.map(({ name }) => name)).toEqual(["b", "clip-1.mp4"]);
  expect(found?.clips[0]).toMatchObject({ began: null, seconds: null, cause: { when: "motion door" }, isGrowing: false });
  expect(readClips({ clips: 1 })).toBeNull();
  expect(clipFileName("lab/kitchen", CLIP)).toBe("lab-kitchen-20261128-231501-000.mp4");
  expect([0, 59.6, 65, 3725].map(lengthOf)).toEqual(["0:00", "1:00", "1:05", "1:02:05"]);
});

test("whatever a robot lists can be shown", () => {
  const any = fc.record({ name: fc.string(), uri: fc.string(), began: fc.string(), bytes: fc.nat(), chunks: fc.nat(), seconds: fc.double(), cause: fc.string() }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.array(fc.oneof(any, fc.anything())), (clips) => {
      const place = document.createElement("div");
      const root = createRoot(place);
      const listed = readClips({ clips })?.clips ?? [];
      flushSync(() =>
        root.render(
          listed.map((clip) => (
            <ClipItem key={clip.name} clip={clip} folder="" ownId="" isServedByRobot={false} disabled={false} fetched={null} play={nothing} download={nothing} end={nothing} />
          )),
        ),
      );
      expect(place.querySelectorAll("li").length).toBe(listed.length);
      for (const clip of listed) clipFileName("robot", clip);
      flushSync(() => root.unmount());
    }),
    { numRuns: 100 },
  );
});

test("the chunks of a recording are joined in their order, and reading can be ended", async () => {
  const asked: string[] = [];
  const read = (uri: string) => {
    asked.push(uri);
    return Promise.resolve({ contents: [{ uri, blob: btoa(uri.slice(-1)) }] });
  };
  const told: number[] = [];
  const whole = await fetchClip(CLIP, read, (part) => told.push(part), new AbortController().signal);
  expect(asked).toEqual([0, 1, 2].map((chunk) => `${ENTRY.uri}?chunk=${chunk}`));
  expect(whole.size).toBe(3);
  expect(told).toEqual([0, 1 / 3, 2 / 3]);

  const ended = new AbortController();
  await expect(fetchClip(CLIP, read, () => ended.abort(), ended.signal)).rejects.toThrow("aborted");
  expect(asked.length).toBe(4);
  await expect(fetchClip(CLIP, () => Promise.resolve({ contents: [] }), nothing, new AbortController().signal)).rejects.toThrow("no video");
});

test("a refusal is known as one, and what cannot be asked for is not asked for", async () => {
  const readResource = () => Promise.reject(Object.assign(new Error("Not for you."), { code: -32602 }));
  const watchResource = (_: string, told: () => void) => {
    told();
    return nothing;
  };
  const mcp = { sessionState: "open", readResource, watchResource } as unknown as Parameters<typeof useClips>[1];
  const silent = renderHook(() => useClips(false, mcp), undefined);
  const hook = renderHook(() => useClips(true, mcp), undefined);
  await until(() => hook.result.current.isRefused, "the refusal");
  expect(silent.result.current.isRefused).toBe(false);
  hook.unmount();
  silent.unmount();
});
