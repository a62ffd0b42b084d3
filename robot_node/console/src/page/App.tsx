import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";

import { useMcpMqtt } from "../mcp/useMcpMqtt";
import { loadTexts, TextContext, translator, type TextKey } from "../i18n/text";
import type { Begun } from "./begun";
import { Activity } from "./activity/Activity";
import { Conversation } from "./activity/Conversation";
import { conversationNote } from "./activity/conversationNote";
import { useConversation } from "./activity/useConversation";
import { useEvents } from "./activity/useEvents";
import { Boundary } from "./Boundary";
import { Controls, PLACED } from "./controls/Controls";
import { StopArea } from "./controls/stop/StopArea";
import { StopButton } from "./controls/stop/StopButton";
import { Ask } from "./dialogs/Ask";
import { Confirm, Declining } from "./dialogs/Confirm";
import { SettingsDialog } from "./dialogs/SettingsDialog";
import { ANSWER_QUESTION, useOpenQuestions } from "./dialogs/useOpenQuestions";
import { emotionsOf } from "./face/emotions";
import { Overview } from "./fleet/Overview";
import { useFleet } from "./fleet/useFleet";
import { Face } from "./face/Face";
import { Clips } from "./gallery/Clips";
import { Photos } from "./gallery/Photos";
import { usePhotos } from "./gallery/usePhotos";
import { Banner } from "./header/Banner";
import { Header } from "./header/Header";
import { Layout } from "./layout/Layout";
import { Notice } from "./layout/Notice";
import { LogPanel } from "./log/LogPanel";
import { useConnectionLog, useLog } from "./log/usePageLog";
import { routeTo } from "./route";
import { defaults, loadSettings, saveSettings, type Settings } from "./settings";
import { SignIn } from "./signin/SignIn";
import { useCalls } from "./useCalls";
import { useRobot } from "./useRobot";
import { useRoute } from "./useRoute";
import { useSecondStep } from "./useSecondStep";
import { useCameras } from "./video/useCameras";
import { useWatching } from "./video/useWatching";
import { Video } from "./video/Video";

/** The page: its state comes from hooks, and each part of it is in a place of {@link Layout}. */
export function App({ served, mcp: connection, questions }: Pick<Begun, "served" | "mcp" | "questions">) {
  const [settings, setSettings] = useState(() => loadSettings(served));
  const routing = useRoute();
  const log = useLog();
  const t = useMemo(() => translator(settings.language), [settings.language]);
  const settingsDialog = useRef<HTMLDialogElement>(null);
  const openSettings = () => settingsDialog.current?.showModal();
  const save = (changed: Settings) => {
    saveSettings(changed, served);
    void loadTexts(changed.language).then(() => setSettings(changed));
  };

  const { brokerUrl, username, password, clientId } = settings;
  const chosen = routing.robot;
  const serverId = chosen?.serverId;
  const mcp = useMcpMqtt({ brokerUrl, username, password, clientId, serverId, serverName: chosen?.serverName, onElicit: questions.ask, mcp: connection });
  const { robots, sessionState, tools } = mcp;
  routing.resolve(robots);
  useEffect(() => questions.askAgain(), [questions, serverId]);
  const openQuestions = useOpenQuestions(mcp);
  const robot = useRobot(serverId, mcp);
  const { status, applied } = robot;
  const fleet = useFleet(robots, chosen, mcp.openSideSession, clientId ? 1 : Infinity); // one name has one answer at a time
  const cameras = useCameras(status);

  const ofAnother = cameras.large > 0; // The status is of the first camera.
  const onResult = useCallback(
    (name: string, args: Record<string, unknown>, { structuredContent }: CallToolResult) => {
      if (PLACED.has(name) && name !== ANSWER_QUESTION && !(ofAnother && args["camera"])) applied(structuredContent);
    },
    [applied, ofAnother],
  );
  const [driveSlot, setDriveSlot] = useState<HTMLElement | null>(null);
  const calls = useCalls({ callTool: mcp.callTool, log, onResult });
  const { act, notice, setNotice } = calls;
  const conversation = useConversation();
  const activity = useEvents(serverId, mcp);
  const { onMessage, addOwn } = conversation;
  const watching = useWatching({ settings, serverId, mcp, robot, cameras, act, onMessage, onChatSent: addOwn });
  const { call, shown, isOn, switchCamera, talking } = watching;
  const photos = usePhotos(act, chosen?.serverName ?? "", cameras.argument);

  useConnectionLog({ log, brokerUrl, serverId, mcp, call });
  useEffect(() => {
    document.documentElement.lang = settings.language;
  }, [settings.language]);
  useEffect(() => {
    document.title = chosen ? `${chosen.serverName} – robot-node` : "robot-node";
  }, [chosen]);

  // What nobody presses in the first moment comes in a second step, below and beside the rest: so it moves nothing.
  const isSecondStep = useSecondStep();
  const disabled = sessionState !== "open";
  const robotName = chosen?.serverName ?? "";
  const report = (text: string) => log.add("app", text, { isError: true });
  const guarded = (view: TextKey, content: ReactNode, of = "") => (
    <Boundary key={`${view} ${of}`} view={t(view)} report={report}>
      {content}
    </Boundary>
  );
  // What shows the robot begins anew with another one.
  const ofRobot = (view: TextKey, content: ReactNode) => guarded(view, content, serverId);

  return (
    <TextContext value={t}><StopArea robot={serverId} tools={tools} act={act}>
      <Layout
        isLoading={mcp.connectionState !== "failed" && tools.length === 0 && sessionState !== "open"}
        header={guarded(
          "robots",
          <Header
            robots={robots}
            robot={chosen}
            status={status}
            fleet={fleet}
            isOverview={routing.isOverview}
            choose={(robot) => routing.open(routeTo(robot, robots))}
            openSettings={openSettings}
            stop={<StopButton />}
          />,
        )}
        overview={routing.isOverview && guarded("robots", <Overview robots={robots} fleet={fleet} settings={settings} />, "side by side")}
        banner={
          <SignIn mcp={mcp} settings={settings} save={save} retry={mcp.retryNow} openSettings={openSettings}>
            <Banner mcp={mcp} brokerUrl={brokerUrl} robot={chosen} retry={mcp.retryNow} openSettings={openSettings} />
          </SignIn>
        }
        video={ofRobot(
          "camera",
          <Video
            call={call}
            serverId={serverId ?? ""}
            status={shown}
            isOn={isOn}
            cameras={cameras}
            hasCamera={!disabled && tools.some(({ name }) => name === "control_camera")}
            switchCamera={(enabled) => void switchCamera(enabled)}
            takePhoto={photos.takePhoto}
            takingPhoto={photos.takingPhoto}
            talking={talking}
            driveSlot={setDriveSlot}
            urgent={
              <>
                <StopButton />
                <Notice text={notice} close={() => setNotice("")} />
              </>
            }
          />,
        )}
        notices={
          <>
            <Notice text={notice} close={() => setNotice("")} />
            <Declining questions={questions} robot={robotName} />
          </>
        }
        face={ofRobot(
          "face",
          <Face
            status={status}
            picture={robot.face}
            emotions={emotionsOf(tools.find(({ name }) => name === "change_emotion")?.inputSchema)}
            disabled={disabled}
            show={(emotion) => void act("change_emotion", { emotion })}
          />,
        )}
        controls={
          <Controls
            key={serverId}
            tools={tools}
            malformed={mcp.malformedTools}
            status={status}
            disabled={disabled}
            calls={calls}
            report={report}
            isAsked={questions.isAsking}
            driveSlot={driveSlot}
            guarded={guarded}
          />
        }
        activity={isSecondStep &&
          <>
            {guarded(
              "conversation",
              <Conversation
                lines={conversation.lines}
                unsent={call.unsentChat}
                note={conversationNote(t, call)}
                canSend={!disabled && call.canTalk}
                begin={watching.converse}
                send={call.sendChatMessage}
              />,
            )}
            {ofRobot("activity", <Activity activity={activity} ownId={mcp.clientId} />)}
          </>
        }
        gallery={isSecondStep &&
          <>
            {guarded("photos", <Photos photos={photos.photos} notStored={photos.notStored} remove={photos.deletePhotos} report={report} />)}
            {ofRobot(
              "clips",
              <Clips mcp={mcp} status={status} tools={tools} act={act} robot={robotName} isServedByRobot={serverId !== undefined && served.clipsOf === serverId} />,
            )}
          </>
        }
        log={isSecondStep && guarded("log", <LogPanel log={log} />)}
        dialogs={isSecondStep &&
          <>
            {guarded("settings", <SettingsDialog ref={settingsDialog} settings={settings} standard={defaults(served)} save={save} />)}
            <Ask
              open={openQuestions}
              questions={questions}
              robot={robotName}
              answer={({ id }, text) => void act(ANSWER_QUESTION, { question_id: id, answer: text })}
            />
            <Confirm questions={questions} robot={robotName} />
          </>
        }
      />
    </StopArea></TextContext>
  );
}
