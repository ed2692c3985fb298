import { RoomContext } from "@livekit/components-react";
import { act, cleanup, render, screen } from "@testing-library/react";
import { ConnectionState, RemoteParticipant, Room, RoomEvent } from "livekit-client";
import type { ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ConnectionBanner } from "../src/ConnectionBanner";
import { RecordingSign } from "../src/RecordingSign";

type ParticipantEvents =
  | RoomEvent.ParticipantConnected
  | RoomEvent.ParticipantAttributesChanged
  | RoomEvent.ParticipantDisconnected;

let room: Room;

beforeEach(() => {
  room = new Room();
});
afterEach(cleanup);

const show = (child: ReactNode) =>
  render(<RoomContext.Provider value={room}>{child}</RoomContext.Provider>);

describe("RecordingSign", () => {
  const sign = () => screen.getByTestId("recording-sign");

  /** The room learns of a participant and its attributes, as from the SFU. */
  const tell = (event: ParticipantEvents, attributes: Record<string, string>) => {
    const who = new RemoteParticipant(room.engine.client, "PA_1", "rec-1", "", "", attributes);
    act(() => {
      if (event === RoomEvent.ParticipantDisconnected) room.remoteParticipants.delete("rec-1");
      else room.remoteParticipants.set("rec-1", who);
      if (event === RoomEvent.ParticipantAttributesChanged) room.emit(event, attributes, who);
      else room.emit(event, who);
    });
  };

  it("is an empty live region while nobody records", () => {
    show(<RecordingSign />);
    expect(sign().getAttribute("role")).toBe("status");
    expect(sign().dataset.state).toBe("off");
    expect(sign().textContent).toBe("");
  });

  it("follows the server's word", () => {
    show(<RecordingSign />);
    act(() => void room.emit(RoomEvent.RecordingStatusChanged, true));
    expect(sign().textContent).toBe("Recording");
    act(() => void room.emit(RoomEvent.RecordingStatusChanged, false));
    expect(sign().textContent).toBe("");
  });

  it("follows a recorder that comes, pauses and leaves", () => {
    show(<RecordingSign />);
    tell(RoomEvent.ParticipantConnected, { "roomcast.recording": "on" });
    expect(sign().textContent).toBe("Recording");
    tell(RoomEvent.ParticipantAttributesChanged, { "roomcast.recording": "paused" });
    expect(sign().textContent).toBe("Recording paused");
    tell(RoomEvent.ParticipantDisconnected, {});
    expect(sign().textContent).toBe("");
  });

  it("is not fooled by a guest who claims a pause", () => {
    show(<RecordingSign />);
    act(() => void room.emit(RoomEvent.RecordingStatusChanged, true));
    tell(RoomEvent.ParticipantConnected, { "roomcast.recording": "paused" });
    expect(sign().textContent).toBe("Recording");
  });
});

describe("ConnectionBanner", () => {
  it.each([
    [ConnectionState.Connecting, "Joining…"],
    [ConnectionState.Connected, ""],
    [ConnectionState.SignalReconnecting, "Connection lost, trying again…"],
    [ConnectionState.Reconnecting, "Connection lost, trying again…"],
    [ConnectionState.Disconnected, ""],
  ])("in state %s reads “%s”", (state, text) => {
    show(<ConnectionBanner />);
    act(() => void room.emit(RoomEvent.ConnectionStateChanged, state));
    expect(screen.getByRole("status").textContent).toBe(text);
    expect(screen.getByRole("status").dataset.state).toBe(state);
  });
});
