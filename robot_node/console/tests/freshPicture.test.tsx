// @vitest-environment jsdom
import { expect, test, vi } from "vitest";

import { useFreshPicture } from "../src/page/video/useFreshPicture";
import { renderHook } from "./helpers";

test("a tab that is seen again shows the newest picture: its stream is attached anew", () => {
  const attached: unknown[] = [];
  const stream = {};
  let srcObject: unknown = stream;
  const video = {
    get srcObject() {
      return srcObject;
    },
    set srcObject(value: unknown) {
      srcObject = value;
      attached.push(value);
    },
    play: () => Promise.resolve(),
  };
  renderHook(() => useFreshPicture({ current: video as unknown as HTMLVideoElement }), undefined);
  const visibility = vi.spyOn(document, "visibilityState", "get");
  for (const [state, expected] of [["hidden", []], ["visible", [null, stream]]] as const) {
    visibility.mockReturnValue(state);
    document.dispatchEvent(new Event("visibilitychange"));
    expect(attached).toEqual(expected);
  }
  visibility.mockRestore();
});
