import type { RemoteParticipant } from "livekit-client";
import { describe, expect, it } from "vitest";

import { recordingState } from "../src/recording";

type Other = Pick<RemoteParticipant, "attributes" | "permissions">;

const other = (says?: string, recorder = false) =>
  ({
    attributes: says === undefined ? {} : { "roomcast.recording": says },
    permissions: { recorder },
  }) as Other;

describe("recordingState", () => {
  it.each<[string, boolean, Other[], string]>([
    ["an empty room", false, [], "off"],
    ["others who record nothing", false, [other(), other("")], "off"],
    ["the server's word alone", true, [other()], "on"],
    ["a recorder that says so before the server does", false, [other("on")], "on"],
    ["a recorder that pauses", true, [other("paused", true)], "paused"],
    ["a pause that nobody contradicts", false, [other("paused")], "paused"],
    ["a second recorder that goes on", true, [other("paused", true), other("on", true)], "on"],
    ["a guest who claims a pause", true, [other("paused", false)], "on"],
    ["an unknown word", false, [other("maybe", true)], "off"],
  ])("%s", (_, serverSaysSo, others, state) => {
    expect(recordingState(serverSaysSo, others)).toBe(state);
  });

  it("takes a pause for none from someone whose permissions are not known yet", () => {
    const early = { attributes: { "roomcast.recording": "paused" }, permissions: undefined };
    expect(recordingState(true, [early])).toBe("on");
  });
});
