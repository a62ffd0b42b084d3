/** What the page begins with before it is shown: the connection, and the session with its robot. Without React. */

import { McpMqtt, type McpState } from "../mcp/session";
import { Questions } from "./dialogs/questions";
import { lastRobot } from "./lastRobot";
import { parseRoute, robotAt } from "./route";
import { loadSettings, type ServedConfig } from "./settings";

/** The page is shown once with its robot, rather than three times with a little more; or without it, after that time. */
const SHOWN_AFTER_MS = 800;

export interface Begun {
  served: ServedConfig;
  mcp: McpMqtt;
  questions: Questions;
  /** Resolved when there is something to show. */
  ready: Promise<void>;
  /** The page is shown, and chooses the robot itself from now on. */
  handOver: () => void;
}

/** Connect to the broker, and open a session with the robot that the page will show. */
export function begin(served: ServedConfig): Begun {
  const mcp = new McpMqtt();
  const questions = new Questions();
  const choose = () => mcp.use(robotAt(parseRoute(location.hash), mcp.getSnapshot().robots, lastRobot()));
  mcp.setElicit(questions.ask);
  choose();
  const handOver = mcp.subscribe(choose);
  const ready = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, SHOWN_AFTER_MS);
    const stop = mcp.subscribe(() => {
      if (!hasNews(mcp.getSnapshot())) return;
      clearTimeout(timer);
      stop();
      resolve();
    });
  });
  const { brokerUrl, username, password, clientId } = loadSettings(served);
  mcp.start({ brokerUrl, username, password, clientId });
  return { served, mcp, questions, ready, handOver };
}

/** There is the robot, or something that a person should know. */
const hasNews = ({ error, sessionState, robots }: McpState): boolean =>
  error !== null || sessionState === "open" || sessionState === "failed" || (sessionState === "none" && robots.length > 0);
