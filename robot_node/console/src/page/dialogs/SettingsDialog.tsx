import { useState, type RefObject } from "react";

import { LANGUAGES, useText, type Language } from "../../i18n/text";
import { formatIceServers, parseIceServers, type Settings } from "../settings";
import { StopButton } from "../controls/stop/StopButton";
import "./dialogs.css";

interface Props {
  ref: RefObject<HTMLDialogElement | null>;
  settings: Settings;
  standard: Settings;
  save: (settings: Settings) => void;
}

export function SettingsDialog({ ref, settings, standard, save }: Props) {
  const t = useText();
  return (
    <dialog ref={ref} className="settings" aria-label={t("settings")}>
      {/* A new form whenever what is kept changes: it begins with that. */}
      <SettingsForm key={JSON.stringify(settings)} settings={settings} standard={standard} save={save} close={() => ref.current?.close()} />
      <StopButton />
    </dialog>
  );
}

function SettingsForm({ settings, standard, save, close }: Omit<Props, "ref"> & { close: () => void }) {
  const t = useText();
  const [draft, setDraft] = useState(settings);
  const [ice, setIce] = useState(formatIceServers(settings.iceServers));
  const change = (changes: Partial<Settings>) => setDraft((before) => ({ ...before, ...changes }));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save({ ...draft, iceServers: parseIceServers(ice) });
        close();
      }}
    >
      <h2>{t("settings")}</h2>
      <label>
        {t("brokerAddressLabel")}
        <input required value={draft.brokerUrl} spellCheck={false} onChange={(event) => change({ brokerUrl: event.target.value.trim() })} />
      </label>
      <label>
        {t("userLabel")}
        <input value={draft.username} autoComplete="username" onChange={(event) => change({ username: event.target.value })} />
      </label>
      <label>
        {t("passwordLabel")}
        <input
          type="password"
          value={draft.password}
          autoComplete="current-password"
          onChange={(event) => change({ password: event.target.value })}
        />
      </label>
      <label className="check">
        <input type="checkbox" checked={draft.rememberPassword} onChange={(event) => change({ rememberPassword: event.target.checked })} />{" "}
        {t("rememberPassword")}
      </label>
      <label>
        {t("clientIdLabel")}
        <input
          value={draft.clientId}
          pattern="[^\/+#]*"
          spellCheck={false}
          placeholder={t("clientIdHint")}
          onChange={(event) => change({ clientId: event.target.value })}
        />
      </label>
      <label>
        {t("iceLabel")}
        <textarea rows={2} spellCheck={false} placeholder={t("iceHint")} value={ice} onChange={(event) => setIce(event.target.value)} />
      </label>
      <label>
        {t("language")}
        <select value={draft.language} onChange={(event) => change({ language: event.target.value as Language })}>
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <div className="row wrap">
        <button
          type="button"
          className="quiet"
          onClick={() => {
            setDraft(standard);
            setIce(formatIceServers(standard.iceServers));
          }}
        >
          {t("defaults")}
        </button>
        <span className="spring" />
        <button type="button" onClick={close}>
          {t("cancel")}
        </button>
        <button type="submit" className="primary">
          {t("save")}
        </button>
      </div>
    </form>
  );
}
