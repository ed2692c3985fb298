import "@livekit/components-styles";
import "./page.css";

import { setLogLevel } from "@livekit/components-react";
import { TokenSource } from "livekit-client";
import { createRoot } from "react-dom/client";

import { App } from "./App";

// By default each visit fills the console, even if nothing is wrong.
setLogLevel("error", { liveKitClientLogLevel: "warn" });

createRoot(document.getElementById("root")!).render(
  <App
    query={new URLSearchParams(location.search)}
    tokens={TokenSource.endpoint("v1/token")} // relative, like the assets
  />,
);
