import { useId } from "react";

import { useText } from "../../../i18n/text";
import { printed, shortened } from "../../../json";
import type { Field } from "../schema";
import { controlOf } from "./control";

const LABEL_LIMIT = 200;

interface Props {
  field: Field;
  value: string;
  set: (value: string) => void;
}

/** What each control gets: its label is the text with the id `label`, its description that with `hint`. */
interface Common extends Props {
  id: string;
  label: string;
  hint: string;
}

/** A field of a tool's form: its name, a control that fits what it takes, and its description. */
export function FieldInput({ field, value, set }: Props) {
  const t = useText();
  const id = useId();
  const label = `${id}-label`;
  const hint = `${id}-hint`;
  const { name, required, description } = field;
  const isSet = value !== "";
  return (
    <div className="field">
      <div className="row">
        <label id={label} htmlFor={id}>
          {shortened(name, LABEL_LIMIT)} {!required && <small>({t("optional")})</small>}
        </label>
        <span className="spring" />
        {!required && isSet && ["slider", "colour"].includes(controlOf(field).kind) && (
          <button type="button" className="quiet" aria-label={`${t("notSet")}: ${shortened(name, LABEL_LIMIT)}`} onClick={() => set("")}>
            {t("notSet")}
          </button>
        )}
      </div>
      <Input field={field} value={value} set={set} id={id} label={label} hint={hint} />
      <small id={hint}>{description}</small>
    </div>
  );
}

function Input(props: Common) {
  const { field, value, set, id, label, hint } = props;
  const { required, minimum, maximum, maxLength, kind } = field;
  const common = { id, required, "aria-describedby": hint, value };
  const control = controlOf(field);
  const number = (least: number | undefined, most: number | undefined) => (
    <input {...common} type="number" step={kind === "integer" ? 1 : "any"} min={least} max={most} onChange={(event) => set(event.target.value)} />
  );
  switch (control.kind) {
    case "switch":
      return (
        <button
          id={id}
          type="button"
          role="switch"
          className="switch"
          aria-checked={value === "true"}
          aria-labelledby={label}
          aria-describedby={hint}
          onClick={() => set(String(value !== "true"))}
        >
          <span className="track" aria-hidden="true" />
        </button>
      );
    case "segments":
      return <Segments {...props} />;
    case "select":
      return (
        <select {...common} onChange={(event) => set(event.target.value)}>
          <Options field={field} />
        </select>
      );
    case "slider": {
      const { minimum: least, maximum: most, step } = control;
      return (
        <div className="row slider">
          <input
            type="range"
            aria-labelledby={label}
            aria-describedby={hint}
            className={value === "" ? "unset" : ""}
            min={least}
            max={most}
            step={step}
            value={value === "" ? (least + most) / 2 : value}
            onChange={(event) => set(event.target.value)}
          />
          {number(least, most)}
        </div>
      );
    }
    case "number":
      return number(minimum, maximum);
    case "colour":
      return (
        <div className="row">
          <input
            type="color"
            aria-labelledby={label}
            aria-describedby={hint}
            value={/^#[0-9a-f]{6}$/i.test(value) ? value : "#000000"}
            onChange={(event) => set(event.target.value)}
          />
          <input {...common} maxLength={7} pattern="#[0-9a-fA-F]{6}" placeholder="#ff8000" spellCheck={false} onChange={(event) => set(event.target.value)} />
        </div>
      );
    case "json":
      return <textarea {...common} rows={3} spellCheck={false} onChange={(event) => set(event.target.value)} />;
    case "text":
      return <input {...common} maxLength={maxLength} onChange={(event) => set(event.target.value)} />;
  }
}

/** The choices of a field: what is sent for each, by its place, and what it is called. */
function useChoices({ kind, choices, required, default: preset }: Field): [value: string, label: string][] {
  const t = useText();
  const listed: [string, string][] =
    kind === "boolean"
      ? [
          ["true", t("yes")],
          ["false", t("no")],
        ]
      : choices.map((choice, index) => [String(index), shortened(typeof choice === "string" ? choice : printed(choice), LABEL_LIMIT)]);
  return required || choices.includes(preset) ? listed : [["", t("notSet")], ...listed];
}

function Options({ field }: { field: Field }) {
  return useChoices(field).map(([value, label]) => (
    <option key={value} value={value}>
      {label}
    </option>
  ));
}

function Segments({ field, value, set, id, label, hint }: Common) {
  return (
    <div id={id} className="segments" role="radiogroup" aria-labelledby={label} aria-describedby={hint}>
      {useChoices(field).map(([key, text]) => (
        <label key={key}>
          <input type="radio" className="visually-hidden" name={id} checked={value === key} onChange={() => set(key)} />
          <span>{text}</span>
        </label>
      ))}
    </div>
  );
}
