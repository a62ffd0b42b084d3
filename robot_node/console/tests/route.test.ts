import fc from "fast-check";
import { expect, test } from "vitest";

import type { ServerAddress } from "../src/mcp/topics";
import { formatRoute, parseRoute, robotAt, routeTo, type Route } from "../src/page/route";

const KITCHEN: ServerAddress = { serverId: "robot-1", serverName: "robot-node/kitchen" };
const OTHER_KITCHEN: ServerAddress = { serverId: "robot-2", serverName: "robot-node/kitchen" };
const HALL: ServerAddress = { serverId: "robot-3", serverName: "robot-node/hall" };
const KITCHEN_ROUTE: Route = { at: "robot", serverName: "robot-node/kitchen" };

test.each<[string, Route | null]>([
  ["", null],
  ["#", null],
  ["#/", null],
  ["#/robots", { at: "robots" }],
  ["#/robots/", null],
  ["#/robot/", null],
  ["#/robot/robot-node/kitchen", KITCHEN_ROUTE],
  ["#/robot/robot-node%2Fkitchen", KITCHEN_ROUTE],
  ["#/robot/robot-node/kitchen?", KITCHEN_ROUTE],
  ["#/robot/robot-node/kitchen?id=", KITCHEN_ROUTE],
  ["#/robot/robot-node/kitchen?id=robot-1", { ...KITCHEN_ROUTE, serverId: "robot-1" }],
  ["#/robot/robot-node/kitchen?x=1&id=a%3Db", { ...KITCHEN_ROUTE, serverId: "a=b" }],
  ["#/robot/what%3F?id=is?it", { at: "robot", serverName: "what?", serverId: "is?it" }],
  ["#/robot/100%", { at: "robot", serverName: "100%" }],
  ["#/robot/k%C3%BCche", { at: "robot", serverName: "küche" }],
])("%j addresses %j", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});

test("every name and id comes back from its address, which a browser leaves as it is", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(
    fc.property(text, fc.option(text, { nil: undefined }), (serverName, serverId) => {
      const route: Route = { at: "robot", serverName, ...(serverId ? { serverId } : {}) };
      const hash = formatRoute(route);
      expect(parseRoute(hash)).toEqual(route);
      expect(new URL(`http://robots.test/${hash}`).hash).toBe(hash);
    }),
  );
  expect(formatRoute({ at: "robot", serverName: "half \ud800" })).toBe("#/robot/half \ud800");
});

test("an address has the id only where two robots have the name", () => {
  expect(formatRoute(routeTo(KITCHEN, [KITCHEN, HALL]))).toBe("#/robot/robot-node/kitchen");
  expect(formatRoute(routeTo(KITCHEN, [KITCHEN, HALL, OTHER_KITCHEN]))).toBe("#/robot/robot-node/kitchen?id=robot-1");
});

test.each<[string, Route | null, ServerAddress[], ServerAddress | null, ServerAddress | null]>([
  ["no address: who was looked at last", null, [HALL], KITCHEN, KITCHEN],
  ["no address, nobody before: the first", null, [HALL, KITCHEN], null, HALL],
  ["no address, nobody at all", null, [], null, null],
  ["the overview", { at: "robots" }, [HALL], HALL, null],
  ["a name that is not online: it is awaited", KITCHEN_ROUTE, [HALL], HALL, { serverId: "", serverName: "robot-node/kitchen" }],
  ["a name that was looked at, and is not online", KITCHEN_ROUTE, [HALL], KITCHEN, KITCHEN],
  ["a name that is online", KITCHEN_ROUTE, [HALL, KITCHEN], HALL, KITCHEN],
  ["a name that is another robot's now", KITCHEN_ROUTE, [OTHER_KITCHEN], KITCHEN, OTHER_KITCHEN],
  ["two of one name: the first by id", KITCHEN_ROUTE, [OTHER_KITCHEN, KITCHEN], null, KITCHEN],
  ["two of one name, one was looked at", KITCHEN_ROUTE, [KITCHEN, OTHER_KITCHEN], OTHER_KITCHEN, OTHER_KITCHEN],
  ["an id, whoever is online", { ...KITCHEN_ROUTE, serverId: "robot-2" }, [KITCHEN], KITCHEN, OTHER_KITCHEN],
])("%s", (_, route, online, last, expected) => {
  expect(robotAt(route, online, last)).toEqual(expected);
});
