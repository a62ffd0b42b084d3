import { useEffect, useState } from "react";

import { parsed } from "../../json";
import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import { onceAtATime } from "../../onceAtATime";
import { readQuestions, type OpenQuestion } from "./openQuestions";

export const ANSWER_QUESTION = "answer_question";
const QUESTIONS = "robot://questions";
// A robot that announces changes without end is read this often.
const PAUSE_MS = 50;
const NONE: OpenQuestion[] = [];

type Mcp = Pick<UseMcpMqtt, "clientId" | "sessionState" | "tools" | "readResource" | "watchResource">;

/** Follow what people are asked, if this page may answer. */
export function useOpenQuestions({ clientId, sessionState, tools, readResource, watchResource }: Mcp): OpenQuestion[] {
  const [questions, setQuestions] = useState(NONE);
  const mayAnswer = sessionState === "open" && tools.some(({ name }) => name === ANSWER_QUESTION);
  useEffect(() => {
    if (!mayAnswer) return;
    let current = true;
    const read = onceAtATime(async () => {
      let found = NONE;
      try {
        const [content] = (await readResource(QUESTIONS)).contents;
        if (content && "text" in content) found = readQuestions(parsed(content.text), clientId);
      } catch {
        // It may not be read: then nobody is asked here.
      }
      if (current) setQuestions(found);
    }, PAUSE_MS);
    const stop = watchResource(QUESTIONS, () => void read());
    return () => {
      current = false;
      stop();
      setQuestions(NONE);
    };
  }, [mayAnswer, clientId, readResource, watchResource]);
  return questions;
}
