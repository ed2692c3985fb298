import { useConnectionState } from "@livekit/components-react";
import { ConnectionState } from "livekit-client";

const TEXTS: Partial<Record<ConnectionState, string>> = {
  [ConnectionState.Connecting]: "Joining…",
  [ConnectionState.SignalReconnecting]: "Connection lost, trying again…",
  [ConnectionState.Reconnecting]: "Connection lost, trying again…",
};

/**
 * Says that the call is on its way or broken.
 *
 * It stands in for the stock toast, which is silent while only the signal connection is down: the
 * person would look at a frozen picture.
 */
export function ConnectionBanner() {
  const state = useConnectionState();
  const text = TEXTS[state];
  return (
    <div role="status" data-testid="connection-banner" data-state={state}>
      {text ? <span className="banner">{text}</span> : null}
    </div>
  );
}
