import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { CallToolResult, ElicitResult } from "@modelcontextprotocol/sdk/types.js";

import type { Elicit } from "../mcp/session";
import type { ServerAddress } from "../mcp/topics";
import { useMcpMqtt } from "../mcp/useMcpMqtt";
import { TextContext, translator } from "../i18n/text";
import type { BackendMessage } from "../webrtc/signaling";
import { useWebRTCMqtt } from "../webrtc/useWebRTCMqtt";
import { Banner } from "./Banner";
import { Confirm, type Question } from "./Confirm";
import { Face } from "./Face";
import { Header } from "./Header";
import { Log } from "./log";
import { LogPanel } from "./LogPanel";
import { Photos, type Photo } from "./Photos";
import { fieldsOf, type Schema } from "./schema";
import { defaults, loadSettings, read, saveSettings, write, type ServedConfig } from "./settings";
import { SettingsDialog } from "./SettingsDialog";
import { Conversation, TextBox, type Line } from "./Speech";
import { Tools } from "./Tools";
import { useRobot, type RobotStatus } from "./useRobot";
import { Video } from "./Video";
import { Volume } from "./Volume";

const ROBOT_KEY = "robot-node.robot";
const PHOTOS_KEPT = 24;
const LINES_KEPT = 200;
/** Tools that have a place of their own on the page. */
const PLACED = new Set(["control_camera", "change_emotion", "take_photo", "control_volume"]);

export function App({ served }: { served: ServedConfig }) {
  const [settings, setSettings] = useState(() => loadSettings(served));
  const [chosen, setChosen] = useState<ServerAddress | null>(() => read<ServerAddress>(localStorage, ROBOT_KEY));
  const [log] = useState(() => new Log());
  const t = useMemo(() => translator(settings.language), [settings.language]);
  const settingsDialog = useRef<HTMLDialogElement>(null);
  const openSettings = () => settingsDialog.current?.showModal();

  // Two calls may ask at once: one question after the other.
  const [questions, setQuestions] = useState<Question[]>([]);
  const onElicit = useCallback<Elicit>(
    ({ message }, signal) =>
      new Promise((resolve) => {
        const end = (result: ElicitResult) => {
          setQuestions((before) => before.filter((each) => each !== question));
          resolve(result);
        };
        const question: Question = {
          message,
          answer: (accepted) => end(accepted ? { action: "accept", content: {} } : { action: "decline" }),
        };
        setQuestions((before) => [...before, question]);
        signal.addEventListener("abort", () => end({ action: "cancel" }));
      }),
    [],
  );

  const { brokerUrl, username, password, clientId, iceServers } = settings;
  const mcp = useMcpMqtt({
    brokerUrl,
    username,
    password,
    clientId,
    serverId: chosen?.serverId,
    serverName: chosen?.serverName,
    onElicit,
  });
  const { robots, sessionState, connectionState, callTool } = mcp;
  const serverId = chosen?.serverId;
  if (!chosen && robots[0]) setChosen({ serverId: robots[0].serverId, serverName: robots[0].serverName });
  const choose = ({ serverId, serverName }: ServerAddress) => {
    setChosen({ serverId, serverName });
    write(localStorage, ROBOT_KEY, { serverId, serverName });
  };
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
  const cameraOn = !status?.privacy && (asked || isCapturing(status?.camera));
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
    autoConnect: wanted,
    onMessage,
  });

  // While the broker is away, the robot itself still says beside the picture what is true.
  const told = isLive || !call.robot || !status ? null : { ...status, privacy_error: "", ...call.robot };
  const isOn = wanted && (told === null || (isCapturing(told.camera) && !told.privacy));

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
      log.add("mcp", `${name} ${JSON.stringify(args)}${outcome}`, { isError: result.isError === true });
      if (!result.isError && result.structuredContent) applied(result.structuredContent);
      return result;
    },
    [callTool, log, applied],
  );

  const [notice, setNotice] = useState("");
  const act = async (name: string, args: Record<string, unknown>): Promise<CallToolResult> => {
    const result = await run(name, args);
    const [block] = result.content;
    setNotice(result.isError ? (block?.type === "text" ? block.text : name) : "");
    return result;
  };
  const switchCamera = async (enabled: boolean) => {
    setAsked(enabled);
    await act("control_camera", { enabled });
    setAsked(false);
  };

  const [photos, setPhotos] = useState<Photo[]>([]);
  const [takingPhoto, setTakingPhoto] = useState(false);
  const takePhoto = async () => {
    setTakingPhoto(true);
    const { content, isError } = await act("take_photo", {});
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
  const online = connectionState === "connected" ? robots.map((robot) => robot.serverId).join(", ") : "";
  useEffect(() => {
    if (online !== seen.current) log.add("app", online ? `online: ${online}` : "no robot is known to be online");
    seen.current = online;
  }, [log, online]);

  const offers = (name: string) => mcp.tools.some((tool) => tool.name === name);
  const emotions = emotionsOf(mcp.tools.find(({ name }) => name === "change_emotion")?.inputSchema as Schema | undefined);
  const textTools = mcp.tools.filter(({ inputSchema }) => isTextTool(inputSchema as Schema));
  const otherTools = mcp.tools.filter(({ name }) => !PLACED.has(name));

  return (
    <TextContext value={t}>
      <Header robots={robots} robot={chosen} choose={choose} openSettings={openSettings} />
      <Banner mcp={mcp} brokerUrl={brokerUrl} robot={chosen} retry={mcp.retryNow} openSettings={openSettings} />
      <main className="page">
        <div className="column">
          <Video
            call={call}
            status={isLive ? status : told}
            isOn={isOn}
            hasCamera={sessionState === "open" && offers("control_camera")}
            switchCamera={(enabled) => void switchCamera(enabled)}
            takePhoto={() => void takePhoto()}
            takingPhoto={takingPhoto}
            reportMicrophone={(error) => {
              const text = t("microphoneRefused", { reason: messageOf(error) });
              setNotice(text);
              log.add("app", text, { isError: true });
            }}
          />
          <div role="alert" className="notice-place">
            {notice && (
              <p className="notice problem-text">
                {notice}
                <button type="button" className="quiet" onClick={() => setNotice("")}>
                  {t("close")}
                </button>
              </p>
            )}
          </div>
          <Photos photos={photos} />
          <Conversation
            lines={lines}
            canSend={call.isConnected && call.mqttConnected}
            send={(text) => {
              call.sendChatMessage(text);
              addLine({ id: crypto.getRandomValues(new Uint32Array(2)).join("-"), who: "you", text });
            }}
          />
        </div>
        <div className="column">
          <Face
            status={status}
            picture={face}
            emotions={emotions}
            disabled={sessionState !== "open"}
            show={(emotion) => void act("change_emotion", { emotion })}
          />
          {offers("control_volume") && status && status.volume !== null && (
            <Volume
              volume={status.volume}
              muted={status.muted ?? false}
              disabled={sessionState !== "open"}
              set={(changes) => void act("control_volume", changes)}
            />
          )}
          <TextBox
            tools={textTools.map(({ name, title }) => ({ name, title: title ?? name }))}
            disabled={sessionState !== "open"}
            send={(tool, text) => void act(tool, { text })}
          />
          <Tools key={chosen?.serverId} tools={otherTools} disabled={sessionState !== "open"} run={run} />
        </div>
        <LogPanel log={log} />
      </main>
      <SettingsDialog
        ref={settingsDialog}
        settings={settings}
        standard={defaults(served)}
        save={(changed) => {
          saveSettings(changed, served);
          setSettings(changed);
        }}
      />
      <Confirm question={questions[0] ?? null} robot={chosen?.serverName ?? ""} />
    </TextContext>
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isCapturing = (camera: RobotStatus["camera"] | undefined): boolean => camera === "on" || camera === "starting";

/** The emotions that the robot knows, neutral last. */
function emotionsOf(schema: Schema | undefined): string[] {
  const choices = schema ? fieldsOf(schema).find(({ name }) => name === "emotion")?.choices : [];
  const names = (choices ?? []).filter((choice): choice is string => typeof choice === "string");
  return [...names.filter((name) => name !== "neutral"), ...names.filter((name) => name === "neutral")];
}

/** A tool that takes a text and needs nothing else, e.g. to show or to say it. */
function isTextTool(schema: Schema): boolean {
  const fields = fieldsOf(schema);
  return fields.some(({ name, kind }) => name === "text" && kind === "text") && fields.every(({ name, required }) => name === "text" || !required);
}

function lineOf(message: BackendMessage): Line | null {
  const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
  if (message.type === "asr_response") return { id, who: "heard", text: message.results };
  if (message.type === "tts_text") return { id: message.task_id, who: "said", text: message.text };
  if (message.type === "message") return { id, who: "said", text: message.payload };
  return null;
}

/** Add a line; the pieces of what is said become one. */
function joined(lines: Line[], line: Line): Line[] {
  const last = lines.at(-1);
  if (last && last.id === line.id && last.who === "said") {
    return [...lines.slice(0, -1), { ...last, text: last.text + line.text }];
  }
  return [...lines.slice(1 - LINES_KEPT), line];
}
