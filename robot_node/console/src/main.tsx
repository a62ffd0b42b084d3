import { useMcpMqtt } from "./mcp/useMcpMqtt";
import { useWebRTCMqtt } from "./webrtc/useWebRTCMqtt";
import { createRoot } from "react-dom/client";

function Page() {
  const a = useMcpMqtt({ brokerUrl: "ws://x" });
  const b = useWebRTCMqtt({ brokerUrl: "ws://x" });
  return <p>{a.connectionState}{b.connectionState}</p>;
}
createRoot(document.getElementById("page")!).render(<Page />);
