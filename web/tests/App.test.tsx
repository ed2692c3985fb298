import { setLogLevel } from "@livekit/components-react";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { App, type Tokens } from "../src/App";

type Answer = Awaited<ReturnType<Tokens["fetch"]>>;

/** A token server that answers when the test says so. */
class Desk implements Tokens {
  readonly asked: { roomName: string; participantName: string }[] = [];
  readonly forced: boolean[] = [];
  answer!: (grant: Answer) => void;
  private reject!: (error: Error) => void;

  fetch(wish: { roomName: string; participantName: string }, force: boolean): Promise<Answer> {
    this.asked.push(wish);
    this.forced.push(force);
    return new Promise((resolve, reject) => {
      this.answer = resolve;
      this.reject = reject;
    });
  }

  /** As the library words it. */
  refuse(status: number) {
    this.reject(
      new Error(`Error generating token from endpoint v1/token: received ${status} / {"x": 1}`),
    );
  }
}

let desk: Desk;

setLogLevel("silent"); // the library tells the console what it also tells us

beforeEach(() => {
  localStorage.clear();
  desk = new Desk();
});
afterEach(cleanup);

const open = (query: string) => render(<App query={new URLSearchParams(query)} tokens={desk} />);
const nameField = () => screen.getByPlaceholderText<HTMLInputElement>("Your name");
const joinButton = () => screen.getByRole<HTMLButtonElement>("button", { name: /^Join/ });

function joinAs(name: string) {
  fireEvent.change(nameField(), { target: { value: name } });
  fireEvent.click(joinButton());
}

describe("the door", () => {
  it("leads to the room and with the name of the link", () => {
    open("room=lobby&name=Grace");
    expect(document.title).toBe("lobby · roomcast");
    expect(screen.getByRole("heading").textContent).toBe("Join lobby");
    expect(nameField().value).toBe("Grace");
  });

  it("leads to demo when the link names no room", () => {
    open("room=");
    expect(document.title).toBe("demo · roomcast");
  });

  it("prefers the link's name to a remembered one and does not overwrite it", () => {
    const first = open("");
    fireEvent.change(nameField(), { target: { value: "Ada" } });
    first.unmount();
    const second = open("name=Grace");
    expect(nameField().value).toBe("Grace");
    second.unmount();
    open("");
    expect(nameField().value).toBe("Ada");
  });

  it("shows a hostile room name as text", () => {
    open(`room=${encodeURIComponent("<img src=x onerror=alert(1)>")}`);
    expect(screen.getByRole("heading").textContent).toContain("<img src=x");
    expect(document.querySelector("img")).toBeNull();
  });

  it("does not open for a blank name", () => {
    open("");
    joinAs("   ");
    expect(joinButton().disabled).toBe(true);
    expect(desk.asked).toEqual([]);
  });

  it("asks for one new token, however often Join is pressed", () => {
    open("room=lobby");
    joinAs(" Ada ");
    fireEvent.click(joinButton());
    expect(desk.asked).toEqual([{ roomName: "lobby", participantName: "Ada" }]);
    expect(desk.forced).toEqual([true]);
    expect(joinButton().textContent).toBe("Joining…");
  });

  it("says why there is no token, and lets the person try again", async () => {
    open("");
    joinAs("Ada");
    desk.refuse(403);
    expect((await screen.findByRole("alert")).textContent).toMatch(/not allowed into this room/);
    expect(nameField().value).toBe("Ada");

    await waitFor(() => expect(joinButton().disabled).toBe(false));
    fireEvent.click(joinButton());
    expect(screen.queryByRole("alert")).toBeNull();
    expect(desk.asked).toHaveLength(2);
  });

  it("does not take an answer without a token for one", async () => {
    open("");
    joinAs("Ada");
    desk.answer({ serverUrl: "ws://127.0.0.1:1" });
    expect((await screen.findByRole("alert")).textContent).toMatch(/does not understand/);
  });

  it("is shown again, with the reason, when the call cannot begin", async () => {
    open("");
    joinAs("Ada");
    desk.answer({ serverUrl: "ws://127.0.0.1:1", participantToken: "x" });
    // There is no WebRTC in the test's DOM: the library refuses to connect.
    expect((await screen.findByRole("alert")).textContent).toMatch(/could not start a call/);
    expect(nameField().value).toBe("Ada");
  });
});
