import { LiveKitRoom, VideoConference, type LocalUserChoices } from "@livekit/components-react";
import { Room, type DisconnectReason, type MediaDeviceFailure } from "livekit-client";
import { useCallback, useRef, useState } from "react";

import { ConnectionBanner } from "./ConnectionBanner";
import { RecordingSign } from "./RecordingSign";
import { deviceFailure, deviceSentence, farewell, joinFailure, type Message } from "./sentences";

/** A token and where it is good. */
export interface Grant {
  serverUrl: string;
  participantToken: string;
}

interface CallProps {
  roomName: string;
  grant: Grant;
  choices: LocalUserChoices;
  onLeave: (message: Message) => void;
}

/** One visit to a room, from the first packet to the last. */
export function Call({ roomName, grant, choices, onLeave }: CallProps) {
  const [room] = useState(() => newRoom(choices));
  const [trouble, setTrouble] = useState<string>();
  const joined = useRef(false);

  const onConnected = useCallback(() => {
    joined.current = true;
  }, []);
  const onDisconnected = useCallback(
    (reason?: DisconnectReason) => {
      // Before the call has begun, onError follows and knows more.
      if (joined.current) onLeave(farewell(reason));
    },
    [onLeave],
  );
  const onError = useCallback(
    (error: Error) => {
      // Errors of devices come here too; those leave the call as it is.
      if (joined.current || room.state !== "disconnected") setTrouble(deviceFailure(error));
      else onLeave(joinFailure(error));
    },
    [room, onLeave],
  );
  const onMediaDeviceFailure = useCallback(
    (failure?: MediaDeviceFailure, kind?: MediaDeviceKind) => {
      // Without a kind it is a screen share, and the person has only closed the dialogue.
      if (kind) setTrouble(deviceSentence(failure));
    },
    [],
  );

  return (
    <LiveKitRoom
      room={room}
      serverUrl={grant.serverUrl}
      token={grant.participantToken}
      audio={choices.audioEnabled}
      video={choices.videoEnabled}
      onConnected={onConnected}
      onDisconnected={onDisconnected}
      onError={onError}
      onMediaDeviceFailure={onMediaDeviceFailure}
      data-testid="call"
    >
      <header className="top">
        <h1 title={roomName}>{roomName}</h1>
        <ConnectionBanner />
        <RecordingSign />
      </header>
      {trouble ? (
        <p role="alert" className="trouble">
          {trouble}
          <button className="lk-button" onClick={() => setTrouble(undefined)}>
            OK
          </button>
        </p>
      ) : null}
      <VideoConference />
    </LiveKitRoom>
  );
}

function newRoom(choices: LocalUserChoices): Room {
  return new Room({
    adaptiveStream: true,
    dynacast: true,
    audioCaptureDefaults: { deviceId: choices.audioDeviceId },
    videoCaptureDefaults: { deviceId: choices.videoDeviceId },
  });
}
