import { Component, type ReactNode } from "react";

import { TextContext } from "../i18n/text";
import { messageOf } from "../json";

interface Props {
  /** What is inside, as a person calls it. */
  view: string;
  report?: (text: string) => void;
  children: ReactNode;
}

/** Keeps a view that breaks from taking the page away: says what broke, and shows the view again when asked. */
export class Boundary extends Component<Props, { reason: string | null }> {
  static override contextType = TextContext;
  declare context: React.ContextType<typeof TextContext>;
  override state = { reason: null };

  static getDerivedStateFromError(error: unknown): { reason: string } {
    return { reason: messageOf(error, 300) };
  }

  override componentDidCatch(error: unknown): void {
    this.props.report?.(`${this.props.view}: ${messageOf(error)}`);
  }

  override render(): ReactNode {
    const { reason } = this.state;
    if (reason === null) return this.props.children;
    const t = this.context;
    return (
      <section className="card broken" role="alert">
        <strong>{t("viewBroken", { view: this.props.view })}</strong>
        <p>{reason}</p>
        <button type="button" onClick={() => this.setState({ reason: null })}>
          {t("viewAgain")}
        </button>
      </section>
    );
  }
}
