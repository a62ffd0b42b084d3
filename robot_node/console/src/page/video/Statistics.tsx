import { useEffect, useState } from "react";

import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { VideoMeter, type VideoStats } from "../../webrtc/stats";
import { useText, type TextKey } from "../../i18n/text";

interface Props {
  call: UseWebRTCMqtt;
  track: string | undefined;
  viewers: number | null;
  live: boolean;
}

/** Size, rate and quality of the picture that is shown, once a second. */
export function Statistics({ call, track, viewers, live }: Props) {
  const t = useText();
  const [stats, setStats] = useState<VideoStats | null>(null);
  const { getStats, isConnected } = call;

  useEffect(() => {
    if (!isConnected) return;
    const meter = new VideoMeter(track);
    let current = true;
    const look = async () => {
      const report = await getStats();
      if (current && report) setStats(meter.measure([...(report as unknown as Map<string, never>).values()]));
    };
    void look();
    const timer = setInterval(() => void look(), 1000);
    return () => {
      current = false;
      clearInterval(timer);
      setStats(null);
    };
  }, [getStats, isConnected, track]);

  const now = live ? stats : null;
  const figures: [TextKey, string][] = [
    ["statSize", now ? `${now.width} × ${now.height}` : "–"],
    ["statRate", now ? `${now.framesPerSecond.toFixed(0)} fps` : "–"],
    ["statBitrate", now ? `${(now.bitsPerSecond / 1e6).toFixed(2)} Mbit/s` : "–"],
    ["statLatency", now && now.latencyMs !== null ? `${now.latencyMs.toFixed(0)} ms` : "–"],
    ["statLoss", now ? `${(now.loss * 100).toFixed(1)} %` : "–"],
    ["viewers", viewers === null ? "–" : String(viewers)],
  ];
  return (
    <dl className="statistics" aria-label={t("statistics")}>
      {figures.map(([key, value]) => (
        <div key={key} data-figure={key}>
          <dt>{t(key)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
