import { useRef, useState } from "react";
import type { Tool } from "@modelcontextprotocol/sdk/types.js";

import { useText } from "../../i18n/text";
import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import { StopButton } from "../controls/stop/StopButton";
import { Icon } from "../icons";
import { isCapturing, type RobotStatus } from "../status";
import type { Run } from "../useCalls";
import { ClipItem } from "./ClipItem";
import { clipFileName, type Clip } from "./clips";
import { useClips } from "./useClips";
import { useFetchedClip } from "./useFetchedClip";

interface Props {
  mcp: Pick<UseMcpMqtt, "sessionState" | "readResource" | "watchResource" | "clientId">;
  status: RobotStatus | null;
  tools: Tool[];
  act: Run;
  robot: string;
  /** The robot's HTTP server has served the page: its recordings are next to it. */
  isServedByRobot: boolean;
}

const SAVE = "save_clip";
const START = "start_recording";
const STOP = "stop_recording";

/** What a robot records: buttons for it, and its recordings, to play and to download. Nothing where it may not record. */
export function Clips({ mcp, status, tools, act, robot, isServedByRobot }: Props) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  const records = status !== null && status.recording !== null;
  const { clips, folder, isRefused } = useClips(records, mcp);
  const { fetched, get, end } = useFetchedClip(mcp.readResource);
  const [saving, setSaving] = useState(false);
  const [played, setPlayed] = useState<{ clip: Clip; url: string } | null>(null);
  if (!records) return null;

  const isOpen = mcp.sessionState === "open";
  const has = (name: string) => tools.some((tool) => tool.name === name);
  const canRecord = isOpen && isCapturing(status.camera);
  const save = async () => {
    setSaving(true);
    await act(SAVE, {});
    setSaving(false);
  };
  const urlOf = (clip: Clip) => (isServedByRobot ? Promise.resolve(besidePage(clip)) : get(clip));
  const play = async (clip: Clip) => {
    const url = await urlOf(clip);
    if (!url) return;
    setPlayed({ clip, url });
    dialog.current?.showModal();
  };
  const download = async (clip: Clip) => {
    const url = await urlOf(clip);
    if (url) Object.assign(document.createElement("a"), { href: url, download: clipFileName(robot, clip) }).click();
  };

  return (
    <section className="card clips" aria-label={t("clips")}>
      <div className="row wrap heading">
        <h2>
          {t("clips")} {clips.length > 0 && <span className="count">{clips.length}</span>}
        </h2>
        <span className="spring" />
        {has(SAVE) && (
          <button type="button" disabled={!canRecord || saving} onClick={() => void save()}>
            {t(saving ? "clipSaving" : "clipSave")}
          </button>
        )}
        {status.recording && has(STOP) ? (
          <button type="button" disabled={!isOpen} onClick={() => void act(STOP, {})}>
            <span className="record on" aria-hidden="true" /> {t("recordStop")}
          </button>
        ) : (
          has(START) && (
            <button type="button" disabled={!canRecord} onClick={() => void act(START, {})}>
              <span className="record" aria-hidden="true" /> {t("recordStart")}
            </button>
          )
        )}
      </div>
      {clips.length === 0 && <p className="empty-text">{t(isRefused ? "clipsRefused" : "clipsNone")}</p>}
      {clips.length > 0 && (
        <ul tabIndex={0} aria-label={t("clips")}>
          {clips.map((clip) => (
            <ClipItem
              key={clip.name}
              clip={clip}
              folder={folder}
              ownId={mcp.clientId}
              isServedByRobot={isServedByRobot}
              disabled={!isOpen && !isServedByRobot}
              fetched={fetched.name === clip.name ? fetched : null}
              play={() => void play(clip)}
              download={() => void download(clip)}
              end={end}
            />
          ))}
        </ul>
      )}
      <dialog ref={dialog} className="lightbox" aria-label={t("clip")} onClose={() => setPlayed(null)}>
        {played && <video src={played.url} controls autoPlay playsInline aria-label={t("clip")} />}
        <form method="dialog" className="row">
          <span className="spring" />
          {played && (
            <a className="button" href={played.url} download={clipFileName(robot, played.clip)}>
              {t("photoDownload")}
            </a>
          )}
          <button type="submit">
            <Icon name="close" /> {t("close")}
          </button>
        </form>
        <StopButton />
      </dialog>
    </section>
  );
}

/** Never relative to a page that was opened with a user name and password in its URL: browsers refuse that. */
const besidePage = ({ name }: Clip) => new URL(`clips/${encodeURIComponent(name)}`, location.origin + location.pathname).href;
