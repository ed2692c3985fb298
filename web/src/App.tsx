import { PreJoin, type LocalUserChoices } from "@livekit/components-react";
import { useCallback, useEffect, useState } from "react";

import { Call, type Grant } from "./Call";
import { deviceFailure, INSECURE, tokenRefusal, type Message } from "./sentences";

/** The part of the library's `TokenSource` that the page needs. */
export interface Tokens {
  fetch(
    wish: { roomName: string; participantName: string },
    force: boolean,
  ): Promise<Partial<Grant>>;
}

interface AppProps {
  query: URLSearchParams;
  tokens: Tokens;
}

/** The door and the room behind it. */
export function App({ query, tokens }: AppProps) {
  const roomName = query.get("room") || "demo";
  const nameInLink = query.get("name");
  const [grant, setGrant] = useState<Grant>();
  const [choices, setChoices] = useState<LocalUserChoices>();
  const [asking, setAsking] = useState(false);
  const [message, setMessage] = useState<Message>();
  const [device, setDevice] = useState<string>();

  useEffect(() => {
    document.title = `${roomName} · roomcast`;
  }, [roomName]);

  const join = async (wish: LocalUserChoices) => {
    setAsking(true);
    setMessage(undefined);
    setChoices(wish);
    try {
      // Forced: a visit never uses the token of the one before.
      const { serverUrl, participantToken } = await tokens.fetch(
        { roomName, participantName: wish.username.trim() },
        true,
      );
      if (!serverUrl || !participantToken) throw new Error("the answer holds no token");
      setGrant({ serverUrl, participantToken });
    } catch (error) {
      setMessage(tokenRefusal(error));
    } finally {
      setAsking(false);
    }
  };
  const leave = useCallback((why: Message) => {
    setGrant(undefined);
    setMessage(why);
  }, []);
  const mayJoin = useCallback(
    (wish: LocalUserChoices) => !asking && wish.username.trim() !== "",
    [asking],
  );
  const deviceProblem = useCallback(
    (error: Error) => setDevice(window.isSecureContext ? deviceFailure(error) : INSECURE),
    [],
  );

  if (grant && choices) {
    return <Call roomName={roomName} grant={grant} choices={choices} onLeave={leave} />;
  }
  return (
    <main className="door" data-testid="door">
      <h1>
        Join <b title={roomName}>{roomName}</b>
      </h1>
      {message ? (
        <p role={message.tone === "problem" ? "alert" : "status"} className={message.tone}>
          {message.text}
        </p>
      ) : null}
      <PreJoin
        // A name in the link is for this visit: it neither yields to the remembered one nor replaces it.
        persistUserChoices={nameInLink === null}
        defaults={choices ?? { username: nameInLink ?? "" }}
        userLabel="Your name"
        joinLabel={asking ? "Joining…" : "Join"}
        onValidate={mayJoin}
        onSubmit={join}
        onError={deviceProblem}
      />
      {device ? (
        <p role="status" className="note" data-testid="device-problem">
          {device}
        </p>
      ) : null}
    </main>
  );
}
