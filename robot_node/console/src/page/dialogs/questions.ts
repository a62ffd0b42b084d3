/** Questions of the robot for a person (MCP elicitation): one after the other, bounded, declined all at once if need be. */

import type { ElicitResult } from "@modelcontextprotocol/sdk/types.js";

import { shortened } from "../../json";
import type { Elicit } from "../../mcp/session";
import { Store } from "../../mqtt/store";

export interface Question {
  message: string;
  answer: (accepted: boolean) => void;
}

export interface QuestionsState {
  /** The first one is shown; never more than {@link WAITING_LIMIT}. */
  waiting: readonly Question[];
  /** The person does not want to be asked: every question is declined, until {@link Questions.askAgain}. */
  isDeclining: boolean;
}

export const WAITING_LIMIT = 20;
const MESSAGE_LIMIT = 2000;

export class Questions extends Store<QuestionsState> {
  constructor() {
    super({ waiting: [], isDeclining: false });
  }

  /** Ask a person. A question beyond the limit is cancelled: nobody has seen it. */
  readonly ask: Elicit = ({ message }, signal) =>
    new Promise((resolve) => {
      const { waiting, isDeclining } = this.getSnapshot();
      if (isDeclining || waiting.length >= WAITING_LIMIT) {
        resolve({ action: isDeclining ? "decline" : "cancel" });
        return;
      }
      const end = (result: ElicitResult) => {
        this.update({ waiting: this.getSnapshot().waiting.filter((each) => each !== question) });
        resolve(result);
      };
      const question: Question = {
        message: shortened(message, MESSAGE_LIMIT),
        answer: (accepted) => end(accepted ? { action: "accept", content: {} } : { action: "decline" }),
      };
      this.update({ waiting: [...waiting, question] });
      signal.addEventListener("abort", () => end({ action: "cancel" }));
    });

  /** A question waits for the person's answer. */
  readonly isAsking = (): boolean => this.getSnapshot().waiting.length > 0;

  /** Decline what waits, and what else comes. */
  declineAll(): void {
    this.update({ isDeclining: true });
    for (const question of this.getSnapshot().waiting) question.answer(false);
  }

  /** Show questions again, e.g. those of another robot. */
  askAgain(): void {
    this.update({ isDeclining: false });
  }
}
