import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";

import { readAddress, type ServerAddress } from "../mcp/topics";
import { useMcpMqtt } from "../mcp/useMcpMqtt";
import { TextContext, translator, type TextKey } from "../i18n/text";
import { messageOf, printed, shortened } from "../json";
import type { BackendMessage } from "../webrtc/signaling";
import { useWebRTCMqtt } from "../webrtc/useWebRTCMqtt";
import { Ask } from "./Ask";
import { Banner } from "./Banner";
import { Boundary } from "./Boundary";
import { Confirm, Declining } from "./Confirm";
import { Face } from "./Face";
import { Header } from "./Header";
import { Log } from "./log";
import { LogPanel } from "./LogPanel";
import { Photos, type Photo } from "./Photos";
import { Questions } from "./questions";
import { fieldsOf } from "./schema";
import { defaults, loadSettings, read, saveSettings, write, type ServedConfig, type Settings } from "./settings";
import { SettingsDialog } from "./SettingsDialog";
import { SignIn } from "./signin/SignIn";
import { Conversation, TextBox } from "./Speech";
import { joined, lineOf, newId, type Line } from "./lines";
import type { RobotStatus } from "./status";
import { Tools } from "./Tools";
import { ANSWER_QUESTION, useOpenQuestions } from "./useOpenQuestions";
import { useRobot } from "./useRobot";
import { isCapturing, Video } from "./Video";
import { Volume } from "./Volume";

const ROBOT_KEY = "robot-node.robot";
const PHOTOS_KEPT = 24;
const EMOTIONS_LIMIT = 64;
const NOTICE_LIMIT = 1000;
/** As many are named when they come online at once. */
const NAMED_LIMIT = 10;
/** Tools that have a place of their own on the page. */
const PLACED = new Set(["control_camera", "change_emotion", "take_photo", "control_volume", ANSWER_QUESTION]);

export function App({ served }: { served: ServedConfig }) {
  const [settings, setSettings] = useState(() => loadSettings(served));
  const [chosen, setChosen] = useState(() => readAddress(read(localStorage, ROBOT_KEY)));
  const [log] = useState(() => new Log());
  const [questions] = useState(() => new Questions());
  const t = useMemo(() => translator(settings.language), [settings.language]);
  const settingsDialog = useRef<HTMLDialogElement>(null);
  const openSettings = () => settingsDialog.current?.showModal();
  const save = (changed: Settings) => {
    saveSettings(changed, served);
    setSettings(changed);
  };

  const { brokerUrl, username, password, clientId, iceServers } = settings;
  const mcp = useMcpMqtt({
    brokerUrl,
    username,
    password,
    clientId,
    serverId: chosen?.serverId,
    serverName: chosen?.serverName,
    onElicit: questions.ask,
  });
  const { robots, sessionState, connectionState, callTool } = mcp;
  const serverId = chosen?.serverId;
  if (!chosen && robots[0]) setChosen({ serverId: robots[0].serverId, serverName: robots[0].serverName });
  const choose = ({ serverId, serverName }: ServerAddress) => {
    setChosen({ serverId, serverName });
    questions.askAgain();
    write(localStorage, ROBOT_KEY, { serverId, serverName });
  };
  const openQuestions = useOpenQuestions(mcp);
  const { status, isLive, face, applied } = useRobot(chosen?.serverId, mcp);

  const [lines, setLines] = useState<Line[]>([]);
  const addLine = useCallback((line: Line) => setLines((before) => joined(before, line)), []);
  const onMessage = useCallback(
    (message: BackendMessage) => {
      const line = lineOf(message);
      if (line) addLine(line);
    },
    [addLine],
  );

  // The picture is wanted while the camera is on. Without the broker nobody knows better: it goes on.
  const [asked, setAsked] = useState(false);
  const [watching, setWatching] = useState(false);
  const [enlarged, enlarge] = useState("");
  const cameras = status?.cameras ?? {};
  const names = Object.keys(cameras);
  const large = Math.max(0, names.indexOf(enlarged));
  const several = names.length > 1;
  const chosenCamera = several ? { camera: names[large] } : {};
  const cameraOn = !status?.privacy && (asked || isCapturing(status?.camera) || Object.values(cameras).some(isCapturing));
  const known = sessionState === "open" && (isLive || asked);
  const gone = connectionState === "connected" && (sessionState === "offline" || sessionState === "none");
  const wanted = known ? cameraOn : gone ? false : watching;
  if (wanted !== watching) setWatching(wanted);
  const call = useWebRTCMqtt({
    brokerUrl,
    username,
    password,
    clientId,
    serverId: chosen?.serverId,
    iceServers,
    cameras: Math.max(1, names.length),
    autoConnect: wanted,
    onMessage,
  });

  // While the broker is away, the robot itself still says beside the picture what is true.
  const told = isLive || !call.robot || !status ? null : { ...status, privacy_error: "", recording: null, motion: {}, detected: [], ...call.robot };
  const shown = ofCamera(isLive ? status : told, large > 0 ? names[large] : undefined);
  const isOn = wanted && (told === null ? !several || asked || isCapturing(shown?.camera) : isCapturing(shown?.camera) && !told.privacy);

  const run = useCallback(
    async (name: string, args: Record<string, unknown>): Promise<CallToolResult> => {
      let result: CallToolResult;
      try {
        result = await callTool(name, args);
      } catch (error) {
        result = { isError: true, content: [{ type: "text", text: messageOf(error) }] };
      }
      const said = result.content.find((block) => block.type === "text");
      const outcome = result.isError ? `: ${said?.type === "text" ? said.text : "error"}` : "";
      log.add("mcp", `${name} ${printed(args)}${outcome}`, { isError: result.isError === true });
      if (!result.isError && PLACED.has(name) && name !== ANSWER_QUESTION && !(large > 0 && args["camera"])) applied(result.structuredContent);
      return result;
    },
    [callTool, log, applied, large],
  );

  const [notice, setNotice] = useState("");
  const act = async (name: string, args: Record<string, unknown>): Promise<CallToolResult> => {
    const result = await run(name, args);
    const [block] = result.content;
    setNotice(result.isError ? shortened(block?.type === "text" ? block.text : name, NOTICE_LIMIT) : "");
    return result;
  };
  const switchCamera = async (enabled: boolean) => {
    setAsked(enabled);
    await act("control_camera", { enabled, ...chosenCamera });
    setAsked(false);
  };

  const [photos, setPhotos] = useState<Photo[]>([]);
  const [takingPhoto, setTakingPhoto] = useState(false);
  const takePhoto = async () => {
    setTakingPhoto(true);
    const { content, isError } = await act("take_photo", chosenCamera);
    setTakingPhoto(false);
    const image = content.find((block) => block.type === "image");
    if (isError || image?.type !== "image") return;
    const url = `data:${image.mimeType};base64,${image.data}`;
    setPhotos((before) => [{ id: (before[0]?.id ?? 0) + 1, time: new Date(), url }, ...before].slice(0, PHOTOS_KEPT));
  };

  useEffect(() => {
    document.documentElement.lang = settings.language;
  }, [settings.language]);
  useEffect(() => {
    document.title = chosen ? `${chosen.serverName} – robot-node` : "robot-node";
  }, [chosen]);
  useEffect(() => {
    log.add("mqtt", `${connectionState} ${brokerUrl}${mcp.error ? `: ${mcp.error.message}` : ""}`, { isError: mcp.error !== null });
  }, [log, connectionState, brokerUrl, mcp.error]);
  useEffect(() => {
    if (sessionState === "open") log.add("mcp", `session open: ${serverId}`);
    if (sessionState === "failed") log.add("mcp", `session failed: ${mcp.sessionError?.message ?? ""}`, { isError: true });
  }, [log, sessionState, serverId, mcp.sessionError]);
  useEffect(() => {
    log.add("webrtc", `${call.connectionState}${call.error ? `: ${call.error.message}` : ""}`, { isError: call.error !== null });
  }, [log, call.connectionState, call.error]);
  const seen = useRef("");
  const online = connectionState === "connected" ? named(robots.map(({ serverId }) => serverId)) : "";
  useEffect(() => {
    if (online !== seen.current) log.add("app", online ? `online: ${online}` : "no robot is known to be online");
    seen.current = online;
  }, [log, online]);

  const offers = (name: string) => mcp.tools.some((tool) => tool.name === name);
  const emotions = emotionsOf(mcp.tools.find(({ name }) => name === "change_emotion")?.inputSchema);
  const textTools = mcp.tools.filter(({ inputSchema }) => isTextTool(inputSchema));
  const otherTools = mcp.tools.filter(({ name }) => !PLACED.has(name));

  const report = (text: string) => log.add("app", text, { isError: true });
  // What shows the robot begins anew with another one.
  const guarded = (view: TextKey, content: ReactNode, of = "") => (
    <Boundary key={`${view} ${of}`} view={t(view)} report={report}>
      {content}
    </Boundary>
  );

  return (
    <TextContext value={t}>
      {guarded("robots", <Header robots={robots} robot={chosen} choose={choose} openSettings={openSettings} />)}
      <SignIn mcp={mcp} settings={settings} save={save} retry={mcp.retryNow} openSettings={openSettings}>
        <Banner mcp={mcp} brokerUrl={brokerUrl} robot={chosen} retry={mcp.retryNow} openSettings={openSettings} />
      </SignIn>
      <main className="page">
        <div className="column">
          {guarded(
            "camera",
            <Video
              call={call}
              status={shown}
              isOn={isOn}
              cameras={cameras}
              large={large}
              enlarge={enlarge}
              hasCamera={sessionState === "open" && offers("control_camera")}
              switchCamera={(enabled) => void switchCamera(enabled)}
              takePhoto={() => void takePhoto()}
              takingPhoto={takingPhoto}
              reportMicrophone={(error) => {
                const text = t("microphoneRefused", { reason: messageOf(error) });
                setNotice(text);
                report(text);
              }}
            />,
            serverId,
          )}
          <div role="alert" className="notice-place">
            {notice && (
              <p className="notice problem-text">
                {notice}
                <button type="button" className="quiet" onClick={() => setNotice("")}>
                  {t("close")}
                </button>
              </p>
            )}
            <Declining questions={questions} robot={chosen?.serverName ?? ""} />
          </div>
          {guarded("photos", <Photos photos={photos} />)}
          {guarded(
            "conversation",
            <Conversation
              lines={lines}
              canSend={call.isConnected && call.mqttConnected}
              send={(text) => {
                call.sendChatMessage(text);
                addLine({ id: newId(), who: "you", text });
              }}
            />,
          )}
        </div>
        <div className="column">
          {guarded(
            "face",
            <Face
              status={status}
              picture={face}
              emotions={emotions}
              disabled={sessionState !== "open"}
              show={(emotion) => void act("change_emotion", { emotion })}
            />,
            serverId,
          )}
          {offers("control_volume") &&
            status &&
            status.volume !== null &&
            guarded(
              "volume",
              <Volume
                volume={status.volume}
                muted={status.muted ?? false}
                disabled={sessionState !== "open"}
                set={(changes) => void act("control_volume", changes)}
              />,
              serverId,
            )}
          {guarded(
            "text",
            <TextBox
              tools={textTools.map(({ name, title }) => ({ name, title: title ?? name }))}
              disabled={sessionState !== "open"}
              send={(tool, text) => void act(tool, { text })}
            />,
            serverId,
          )}
          {guarded(
            "tools",
            <Tools tools={otherTools} malformed={mcp.malformedTools} disabled={sessionState !== "open"} run={run} report={report} />,
            serverId,
          )}
        </div>
        {guarded("log", <LogPanel log={log} />)}
      </main>
      {guarded(
        "settings",
        <SettingsDialog
          ref={settingsDialog}
          settings={settings}
          standard={defaults(served)}
          save={save}
        />,
      )}
      <Ask
        open={openQuestions}
        questions={questions}
        robot={chosen?.serverName ?? ""}
        answer={({ id }, text) => void act(ANSWER_QUESTION, { question_id: id, answer: text })}
      />
      <Confirm questions={questions} robot={chosen?.serverName ?? ""} />
    </TextContext>
  );
}

/** The status as it is of another camera than the first. */
const ofCamera = (status: RobotStatus | null, name: string | undefined): RobotStatus | null =>
  status && name !== undefined ? { ...status, camera: status.cameras[name] ?? "off", camera_error: "" } : status;

const named = (ids: string[]): string =>
  ids.slice(0, NAMED_LIMIT).join(", ") + (ids.length > NAMED_LIMIT ? ` and ${ids.length - NAMED_LIMIT} more` : "");

/** The emotions that the robot knows, neutral last. */
function emotionsOf(schema: unknown): string[] {
  const choices = fieldsOf(schema).find(({ name }) => name === "emotion")?.choices ?? [];
  const names = [...new Set(choices.filter((choice): choice is string => typeof choice === "string"))].slice(0, EMOTIONS_LIMIT);
  return [...names.filter((name) => name !== "neutral"), ...names.filter((name) => name === "neutral")];
}

/** A tool that takes a text and needs nothing else, e.g. to show or to say it. */
function isTextTool(schema: unknown): boolean {
  const fields = fieldsOf(schema);
  return fields.some(({ name, kind }) => name === "text" && kind === "text") && fields.every(({ name, required }) => name === "text" || !required);
}
