/** The robot that was looked at last in this browser. */

import { readAddress, type ServerAddress } from "../mcp/topics";
import { read, write } from "./settings";

const KEY = "robot-node.robot";

export const lastRobot = (): ServerAddress | null => readAddress(read(localStorage, KEY));

export const keepRobot = (robot: ServerAddress): void => write(localStorage, KEY, robot);
