import { useIsRecording, useRemoteParticipants } from "@livekit/components-react";
import { RoomEvent } from "livekit-client";

import { recordingState } from "./recording";

const LABELS = { on: "Recording", paused: "Recording paused" };
const UPDATES = [RoomEvent.ParticipantAttributesChanged, RoomEvent.ParticipantPermissionsChanged];

/** Tells everyone in the room that it is being recorded. */
export function RecordingSign() {
  const state = recordingState(useIsRecording(), useRemoteParticipants({ updateOnlyOn: UPDATES }));
  // The region is always there: a reader announces what changes in it, not what appears with it.
  return (
    <div role="status" data-testid="recording-sign" data-state={state}>
      {state === "off" ? null : <span className={`sign sign-${state}`}>{LABELS[state]}</span>}
    </div>
  );
}
