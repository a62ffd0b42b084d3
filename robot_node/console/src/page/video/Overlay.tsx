import type { ReactNode } from "react";

import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { listed, serverNames } from "../../webrtc/tried";
import type { Translate } from "../../i18n/text";
import { Icon } from "../icons";
import { PROBLEMS } from "../problems";
import type { RobotStatus } from "../status";

/** What stands in place of the picture: why there is none, and what helps. */
export function overlay(
  t: Translate,
  call: UseWebRTCMqtt,
  status: RobotStatus | null,
  isOn: boolean,
  hasCamera: boolean,
  switchCamera: (enabled: boolean) => void,
): ReactNode {
  if (isOn && call.connectionState === "failed" && call.error) {
    const { problem, message, tried } = call.error;
    return (
      <>
        <strong>{t(problem === "limit" ? "videoLimit" : "videoFailed")}</strong>
        <p>
          {t(PROBLEMS[problem], { reason: message })} {t("triesAgain")}
        </p>
        {tried && (
          <p className="tried">
            {t("tried", { local: listed(tried.local), remote: listed(tried.remote), servers: listed(serverNames(tried)) })}
          </p>
        )}
        <button type="button" onClick={call.retryNow}>
          {t("retry")}
        </button>
      </>
    );
  }
  if (isOn && status?.camera_error) {
    return (
      <>
        <strong>{t("cameraFailed")}</strong>
        <p>{status.camera_error}</p>
      </>
    );
  }
  if (isOn) {
    return (
      <>
        <span className="spinner" aria-hidden="true" />
        <p>{t(status?.camera === "on" ? "videoConnecting" : "cameraStarting")}</p>
      </>
    );
  }
  if (!status) return <p>{t("waitingForRobot")}</p>;
  if (status.privacy) {
    return (
      <>
        <Icon name="privacy" />
        <strong>{t("privacyEngaged")}</strong>
        <p>
          {t("privacyHint")} {status.privacy_error}
        </p>
      </>
    );
  }
  const failed = status.camera === "failed";
  return (
    <>
      <strong>{t(failed ? "cameraFailed" : "cameraIsOff")}</strong>
      {failed && <p>{status.camera_error}</p>}
      <button type="button" disabled={!hasCamera} onClick={() => switchCamera(true)}>
        <Icon name="camera" /> {t("cameraSwitchOn")}
      </button>
    </>
  );
}
