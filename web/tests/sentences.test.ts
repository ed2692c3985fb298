// @vitest-environment node
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import {
  ConnectionError,
  DisconnectReason,
  MediaDeviceFailure,
  PublishTrackError,
  TokenSource,
} from "livekit-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import {
  deviceFailure,
  deviceSentence,
  farewell,
  joinFailure,
  tokenRefusal,
} from "../src/sentences";

describe("tokenRefusal, with the library's own requests against a real server", () => {
  const BODY = "stack trace: hunter2 received 403 / ";
  let server: Server;
  let origin: string;

  beforeAll(async () => {
    // Answers /503 with status 503, and so on.
    server = createServer((request, response) => {
      response.statusCode = Number(request.url!.slice(1));
      response.end(BODY);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const refusal = async (url: string) => {
    const request = TokenSource.endpoint(url).fetch({ roomName: "demo" }, true);
    return tokenRefusal(
      await request.then(
        () => expect.unreachable("a token was given"),
        (error: unknown) => error,
      ),
    );
  };

  it.each([
    [400, /name or this room cannot be used/],
    [401, /need an invitation/],
    [403, /not allowed into this room/],
    [404, /room was not found/],
    [409, /choose another name/],
    [422, /name or this room cannot be used/],
    [429, /Wait a moment/],
    [503, /not ready/],
    [500, /has a problem/],
    [418, /has a problem/],
  ])("turns %i into its own sentence and keeps the body to itself", async (status, sentence) => {
    const message = await refusal(`${origin}/${status}`);
    expect(message.tone).toBe("problem");
    expect(message.text).toMatch(sentence);
    expect(message.text).not.toMatch(/hunter2|\d/);
  });

  it("says that an answer which is no token was not understood", async () => {
    expect((await refusal(`${origin}/200`)).text).toMatch(/does not understand/);
  });

  it("says that a server which does not answer could not be reached", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect((await refusal(`http://127.0.0.1:${port}/`)).text).toMatch(/could not be reached/);
  });
});

describe("joinFailure", () => {
  it.each([
    [ConnectionError.notAllowed("invalid token", 401), /was not accepted/],
    [ConnectionError.notAllowed("no such room", 404), /room was not found/],
    [ConnectionError.serverUnreachable("x"), /could not be reached/],
    [ConnectionError.timeout("x"), /could not be reached/],
    [ConnectionError.websocket("x"), /could not be reached/],
    [ConnectionError.internal("could not establish PC connection"), /firewall/],
    [ConnectionError.leaveRequest("x", DisconnectReason.JOIN_FAILURE), /full or closed/],
    [new Error("LiveKit doesn't seem to be supported on this browser."), /another one/],
  ])("explains %s", (error, sentence) => {
    expect(joinFailure(error)).toMatchObject({ tone: "problem", text: sentence });
  });

  it("takes it for leaving when the person gave up while joining", () => {
    expect(joinFailure(ConnectionError.cancelled("x"))).toEqual({
      tone: "note",
      text: "You left the room.",
    });
  });
});

describe("farewell", () => {
  it.each([
    [DisconnectReason.CLIENT_INITIATED, "note", /You left/],
    [DisconnectReason.ROOM_DELETED, "note", /closed/],
    [DisconnectReason.ROOM_CLOSED, "note", /closed/],
    [DisconnectReason.DUPLICATE_IDENTITY, "problem", /somewhere else/],
    [DisconnectReason.PARTICIPANT_REMOVED, "problem", /removed/],
    [DisconnectReason.SERVER_SHUTDOWN, "problem", /shut down/],
    [DisconnectReason.JOIN_FAILURE, "problem", /not accepted/],
    [DisconnectReason.STATE_MISMATCH, "problem", /could not be restored/],
    [undefined, "problem", /could not be restored/],
  ])("answers reason %s with a %s", (reason, tone, sentence) => {
    expect(farewell(reason)).toMatchObject({ tone, text: sentence });
  });
});

describe("deviceFailure", () => {
  it.each([
    ["NotAllowedError", /Allow it/],
    ["NotFoundError", /was found/],
    ["NotReadableError", /another program/],
    ["AbortError", /could not be started/],
  ])("explains a %s", (name, sentence) => {
    expect(deviceFailure(new DOMException("x", name))).toMatch(sentence);
  });

  it("tells someone who may only watch", () => {
    expect(deviceFailure(new PublishTrackError("insufficient permissions", 403))).toMatch(/watch/);
  });

  it("has a sentence for every sort of failure", () => {
    const sorts = [...Object.values(MediaDeviceFailure), undefined];
    for (const sort of sorts) {
      if (typeof sort !== "function") expect(deviceSentence(sort)).toMatch(/\.$/);
    }
  });
});
