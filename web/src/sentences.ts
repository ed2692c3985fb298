import {
  ConnectionError,
  ConnectionErrorReason,
  DisconnectReason,
  MediaDeviceFailure,
  PublishTrackError,
} from "livekit-client";

/** What the join card says above the form: why the person is here again. */
export interface Message {
  text: string;
  tone: "note" | "problem";
}

const note = (text: string): Message => ({ text, tone: "note" });
const problem = (text: string): Message => ({ text, tone: "problem" });

const LOST = "The connection was lost and could not be restored. You can try to join again.";
const UNREACHABLE = "The server could not be reached. Check your connection and try again.";
const REFUSED = "Your pass for this room was not accepted. Please join again.";

const TOKEN_REFUSALS: Record<number, string> = {
  400: "This name or this room cannot be used. Please try another name.",
  401: "You need an invitation to join. Please open the link you were given.",
  403: "You are not allowed into this room. Ask the host for an invitation.",
  404: "This room was not found. Please check the link.",
  409: "Someone with this name is in the room already. Please choose another name.",
  422: "This name or this room cannot be used. Please try another name.",
  429: "Too many people are joining just now. Wait a moment and try again.",
  503: "The server is not ready to let anyone in. Try again in a minute.",
};

/** Why `TokenSource.endpoint(...).fetch` gave no token. The answer's body is never shown. */
export function tokenRefusal(error: unknown): Message {
  const text = error instanceof Error ? error.message : "";
  // The library puts the status into its message, and the body after it.
  const status = /^Error generating token from endpoint \S+: received (\d{3}) /.exec(text)?.[1];
  if (status !== undefined) {
    return problem(
      TOKEN_REFUSALS[Number(status)] ?? "The server has a problem. Please try again later.",
    );
  }
  if (error instanceof TypeError) return problem(UNREACHABLE); // what fetch throws
  return problem("The server gave an answer this page does not understand. Try again later.");
}

/** Why the call never began. */
export function joinFailure(error: Error): Message {
  if (!(error instanceof ConnectionError)) {
    return problem("This browser could not start a call. Please update it or try another one.");
  }
  switch (error.reason) {
    case ConnectionErrorReason.Cancelled:
      return note("You left the room.");
    case ConnectionErrorReason.NotAllowed:
      return problem(error.status === 404 ? TOKEN_REFUSALS[404]! : REFUSED);
    case ConnectionErrorReason.LeaveRequest:
      return problem("The server turned you away. The room may be full or closed.");
    case ConnectionErrorReason.InternalError:
      return problem(
        "Sound and picture could not get through. A firewall may be in the way: try another network.",
      );
    default:
      return problem(UNREACHABLE);
  }
}

/** Why a call ended; `undefined` is what the library gives when it stops trying to reconnect. */
export function farewell(reason: DisconnectReason | undefined): Message {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return note("You left the room.");
    case DisconnectReason.DUPLICATE_IDENTITY:
      return problem("You joined from somewhere else, so this call was ended.");
    case DisconnectReason.PARTICIPANT_REMOVED:
      return problem("You were removed from the room.");
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return note("The room was closed.");
    case DisconnectReason.SERVER_SHUTDOWN:
      return problem("The server was shut down. Try again in a minute.");
    case DisconnectReason.JOIN_FAILURE:
    case DisconnectReason.USER_REJECTED:
      return problem(REFUSED);
    default:
      return problem(LOST);
  }
}

/** Why a camera or microphone did not start, or is not sent. */
export function deviceFailure(error: Error): string {
  if (error instanceof PublishTrackError) {
    return "Your camera and microphone are not sent: here you can only watch and listen.";
  }
  return deviceSentence(MediaDeviceFailure.getFailure(error));
}

/** What a page opened over plain http is told. */
export const INSECURE = "Browsers give camera and microphone to pages opened over https only.";

export function deviceSentence(failure: MediaDeviceFailure | undefined): string {
  switch (failure) {
    case MediaDeviceFailure.PermissionDenied:
      return "The browser may not use the camera or microphone. Allow it beside the address bar.";
    case MediaDeviceFailure.NotFound:
      return "No camera or no microphone was found. You can take part without.";
    case MediaDeviceFailure.DeviceInUse:
      return "The camera or microphone is in use by another program.";
    default:
      return "The camera or microphone could not be started.";
  }
}
