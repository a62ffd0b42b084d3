/** What a person wants to know of the video, out of the browser's statistics. */

export interface VideoStats {
  width: number;
  height: number;
  framesPerSecond: number;
  bitsPerSecond: number;
  /** Half the round trip and the wait in the jitter buffer, in milliseconds; null before it is known. */
  latencyMs: number | null;
  /** Share of packets lost since the last look, 0 to 1. */
  loss: number;
}

interface Counters {
  timestamp: number;
  bytes: number;
  received: number;
  lost: number;
  frames: number;
  bufferedS: number;
  emitted: number;
}

type Report = Record<string, unknown> & { type: string; id: string };

const number = (value: unknown): number => (typeof value === "number" ? value : 0);

/** Compares each report with the one before. */
export class VideoMeter {
  private last: Counters | null = null;

  /** `track` is the id of the video's track; reports that name no track are of any. */
  constructor(private readonly track: string | undefined) {}

  /** Null until there have been two reports of this video. */
  measure(reports: Iterable<Report>): VideoStats | null {
    let video: Report | undefined;
    let pair: Report | undefined;
    for (const report of reports) {
      if (report.type === "inbound-rtp" && report["kind"] === "video" && (report["trackIdentifier"] ?? this.track) === this.track) video = report;
      if (report.type === "candidate-pair" && report["nominated"] && report["state"] === "succeeded") pair = report;
    }
    if (!video) {
      this.last = null;
      return null;
    }
    const now: Counters = {
      timestamp: number(video["timestamp"]),
      bytes: number(video["bytesReceived"]),
      received: number(video["packetsReceived"]),
      lost: number(video["packetsLost"]),
      frames: number(video["framesDecoded"]),
      bufferedS: number(video["jitterBufferDelay"]),
      emitted: number(video["jitterBufferEmittedCount"]),
    };
    const before = this.last;
    this.last = now;
    // Counters that run backwards are those of a new session.
    if (!before || now.timestamp <= before.timestamp || now.bytes < before.bytes) return null;
    const seconds = (now.timestamp - before.timestamp) / 1000;
    const lost = Math.max(0, now.lost - before.lost);
    const packets = lost + now.received - before.received;
    const emitted = now.emitted - before.emitted;
    const roundTrip = pair?.["currentRoundTripTime"];
    return {
      width: number(video["frameWidth"]),
      height: number(video["frameHeight"]),
      framesPerSecond: (now.frames - before.frames) / seconds,
      bitsPerSecond: ((now.bytes - before.bytes) * 8) / seconds,
      latencyMs:
        typeof roundTrip === "number" && emitted > 0
          ? (roundTrip / 2 + (now.bufferedS - before.bufferedS) / emitted) * 1000
          : null,
      loss: packets > 0 ? lost / packets : 0,
    };
  }
}
