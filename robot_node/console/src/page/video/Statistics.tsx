import { useEffect, useState } from "react";

import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { VideoMeter, type VideoStats } from "../../webrtc/stats";
import { useText, type TextKey } from "../../i18n/text";

interface Props {
  call: UseWebRTCMqtt;
  track: string | undefined;
  viewers: number | null;
}

/** Size, rate and quality of the picture, once a second, in one line over it. */
export function Statistics({ call, track, viewers }: Props) {
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

  const figures: [TextKey, string | null][] = [
    ["statSize", stats && `${stats.width} × ${stats.height}`],
    ["statRate", stats && `${stats.framesPerSecond.toFixed(0)} fps`],
    ["statBitrate", stats && `${(stats.bitsPerSecond / 1e6).toFixed(2)} Mbit/s`],
    ["statLatency", stats && stats.latencyMs !== null ? `${stats.latencyMs.toFixed(0)} ms` : null],
    ["statLoss", stats && `${(stats.loss * 100).toFixed(1)} %`],
    ["viewers", viewers === null ? null : String(viewers)],
  ];
  return (
    <dl className="statistics" aria-label={t("statistics")}>
      {figures.map(
        ([key, value]) =>
          value !== null && (
            <div key={key} data-figure={key} title={t(key)}>
              <dt>{t(key)}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
