import { useEffect, useRef, useState, type ReactNode } from "react";

import { useText } from "../../i18n/text";
import type { McpState } from "../../mcp/session";
import type { Settings } from "../settings";
import "./signin.css";

interface Props {
  mcp: Pick<McpState, "connectionState" | "error">;
  settings: Settings;
  save: (settings: Settings) => void;
  /** Try again now, with the same settings. */
  retry: () => void;
  openSettings: () => void;
  /** Shown while the form is not. */
  children: ReactNode;
}

/** A form for user name and password, from when the broker refuses those of the settings until it lets us in. */
export function SignIn({ mcp, settings, save, retry, openSettings, children }: Props) {
  const [isNeeded, setNeeded] = useState(false);
  const isRefused = mcp.error?.problem === "credentials";
  // While the next attempt is under way, there is no error: the form stays.
  const isOver = mcp.connectionState === "connected" || (mcp.error !== null && !isRefused);
  if (isRefused && !isNeeded) setNeeded(true);
  if (isNeeded && isOver) setNeeded(false);
  if (!isNeeded) return children;
  return <SignInForm isRefused={isRefused} settings={settings} save={save} retry={retry} openSettings={openSettings} />;
}

function SignInForm({ isRefused, settings, save, retry, openSettings }: Omit<Props, "mcp" | "children"> & { isRefused: boolean }) {
  const t = useText();
  const [username, setUsername] = useState(settings.username);
  const [password, setPassword] = useState("");
  const [rememberPassword, setRemember] = useState(settings.rememberPassword);
  const [hasTried, setTried] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // Nobody types elsewhere yet.
    if (document.activeElement !== document.body) return;
    form.current?.querySelector<HTMLInputElement>(username ? "[name=password]" : "[name=username]")?.focus();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once, when the form appears
  }, []);
  return (
    <form
      ref={form}
      className="card sign-in"
      aria-label={t("signIn")}
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (username === settings.username && password === settings.password) retry();
        save({ ...settings, username, password, rememberPassword });
      }}
    >
      <h2>{t("signIn")}</h2>
      <p>
        {t("signInHint", { url: settings.brokerUrl })} {!hasTried && settings.password !== "" && t("signInKept")}
      </p>
      <label>
        {t("userLabel")}
        <input name="username" required value={username} autoComplete="username" autoCapitalize="none" spellCheck={false} onChange={(event) => setUsername(event.target.value)} />
      </label>
      <label>
        {t("passwordLabel")}
        <input name="password" required type="password" value={password} autoComplete="current-password" onChange={(event) => setPassword(event.target.value)} />
      </label>
      <label className="check">
        <input type="checkbox" checked={rememberPassword} onChange={(event) => setRemember(event.target.checked)} /> {t("rememberPassword")}
      </label>
      <p role="alert" className="problem-text">
        {hasTried && isRefused && t("signInRefused")}
      </p>
      <div className="row wrap">
        <button type="button" className="quiet" onClick={openSettings}>
          {t("settings")}
        </button>
        <span className="spring" />
        <button type="submit" className="primary">
          {hasTried && !isRefused ? t("signingIn") : t("signIn")}
        </button>
      </div>
    </form>
  );
}
