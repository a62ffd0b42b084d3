/** The questions to people in `robot://questions`, read from any JSON. Pure. */

import { isDocument, member, shortened } from "../../json";

export interface OpenQuestion {
  id: string;
  text: string;
  /** The agent whose call or question it is. */
  askedBy: string;
  /** The tool whose call is to be confirmed; empty: the agent itself asks. */
  tool: string;
  /** The answers that count; none: any words. */
  choices: string[];
}

const QUESTIONS_LIMIT = 20;
const CHOICES_LIMIT = 8;
const TEXT_LIMIT = 2000;
const NAME_LIMIT = 80;

const textOf = (value: unknown, name: string, limit: number): string => {
  const text = member(value, name);
  return typeof text === "string" ? shortened(text, limit) : "";
};

/** What a person can be asked; without malformed questions, and without those of this page's own calls. */
export function readQuestions(value: unknown, ownId: string): OpenQuestion[] {
  const listed = member(value, "questions");
  if (!Array.isArray(listed)) return [];
  const questions = new Map<string, OpenQuestion>();
  for (const each of listed as unknown[]) {
    const id = member(each, "id");
    const choices = member(each, "choices");
    if (!isDocument(each) || typeof id !== "string" || !id || id.length > NAME_LIMIT || !Array.isArray(choices)) continue;
    const isOwn = member(each, "asked_by") === ownId;
    const texts = [...new Set((choices as unknown[]).filter((choice) => typeof choice === "string"))];
    if (isOwn || texts.length !== choices.length || texts.length > CHOICES_LIMIT || questions.size >= QUESTIONS_LIMIT) continue;
    questions.set(id, {
      id,
      text: textOf(each, "text", TEXT_LIMIT),
      askedBy: textOf(each, "asked_by", NAME_LIMIT),
      tool: textOf(each, "tool", NAME_LIMIT),
      choices: texts,
    });
  }
  return [...questions.values()];
}
