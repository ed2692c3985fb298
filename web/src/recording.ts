import type { RemoteParticipant } from "livekit-client";

/** The attribute in which a recorder says what it does: `on` or `paused`. */
export const RECORDING_ATTRIBUTE = "roomcast.recording";

export type RecordingState = "off" | "on" | "paused";

type Witness = Pick<RemoteParticipant, "attributes" | "permissions">;

/**
 * Whether what is said here is being recorded; in doubt, it is.
 *
 * The server reports a room as recorded for as long as a recorder is in it, paused or not. Anyone
 * may write attributes, so a pause against the server's word is believed of a recorder only.
 */
export function recordingState(serverSaysSo: boolean, others: readonly Witness[]): RecordingState {
  const saying = (value: string) =>
    others.filter((other) => other.attributes[RECORDING_ATTRIBUTE] === value);
  const paused = saying("paused");
  if (saying("on").length > 0) return "on";
  if (serverSaysSo && !paused.some((other) => other.permissions?.recorder)) return "on";
  return paused.length > 0 ? "paused" : "off";
}
